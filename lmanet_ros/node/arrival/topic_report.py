"""Why no image comes, as far as the network of nodes shows it."""

from __future__ import annotations

from rclpy.node import Node

from lmanet_ros.node.arrival.subscription import AutoQosSubscription, describe_qos

_COMPRESSED = "sensor_msgs/msg/CompressedImage"
_SUFFIX = "/compressed"


def explain_silence(node: Node, subscription: AutoQosSubscription) -> str:
    """What is known of the publishers of a topic that nothing is received from."""
    publishers = subscription.publishers()
    if publishers:
        offers = ", ".join(
            f"{info.node_namespace.rstrip('/')}/{info.node_name} ({describe_qos(info.qos_profile)})"
            for info in publishers
        )
        return (
            f"{len(publishers)} publisher(s) of {subscription.type_name}, {offers}; "
            f"subscribed as {subscription.qos}"
        )
    if other_types := _types(node, subscription.topic):
        return (
            f"it is published as {', '.join(other_types)}, expected {subscription.type_name}"
            + _hint_at_type(subscription, other_types)
        )
    return f"nobody publishes it{_hint_at_sibling(node, subscription)}"


def _hint_at_type(subscription: AutoQosSubscription, types: list[str]) -> str:
    if types != [_COMPRESSED]:
        return ""
    if subscription.topic.endswith(_SUFFIX):
        base = subscription.topic.removesuffix(_SUFFIX)
        return f"; set 'image_topics' to [{base}] and 'compressed' to true"
    return f"; set 'compressed' to true and remap {subscription.topic}{_SUFFIX} to this topic"


def _hint_at_sibling(node: Node, subscription: AutoQosSubscription) -> str:
    """The raw topic of a compressed one or the other way round, if it is published instead."""
    if subscription.type_name != _COMPRESSED:
        sibling, remedy = subscription.topic + _SUFFIX, "set 'compressed' to true"
    else:
        sibling, remedy = subscription.topic.removesuffix(_SUFFIX), "set 'compressed' to false"
        if sibling.endswith(_SUFFIX):
            remedy = f"leave '{_SUFFIX}' out of 'image_topics'"
    return f", but {sibling} is published; {remedy}" if _types(node, sibling) else ""


def _types(node: Node, topic: str) -> list[str]:
    return sorted({info.topic_type for info in node.get_publishers_info_by_topic(topic)})
