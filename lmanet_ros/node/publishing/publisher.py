"""A publisher that fits whoever subscribes."""

from __future__ import annotations

from rclpy.node import Node
from rclpy.publisher import Publisher
from rclpy.qos import QoSProfile
from rclpy.qos_overriding_options import QoSOverridingOptions

from lmanet_ros.node.parameter_fields import naming_qos_overrides

QOS_DEPTH = 10


def create_publisher(
    node: Node, message_type: type, topic: str, depth: int = QOS_DEPTH
) -> Publisher:
    """Publish reliably and, if nothing else is said, as deep as is usual in ROS.

    That fits subscribers that ask for either reliability, and a reader which is late for a moment
    misses nothing. `qos_overrides` of ROS go first.

    Args:
        node: the node that publishes.
        message_type: message type of the topic.
        topic: its name before remapping.
        depth: messages that are kept for late readers: few, where they are large.

    Raises:
        ParameterError: an override of the quality of service has no sense.
    """
    with naming_qos_overrides(node.resolve_topic_name(topic), "publisher"):
        return node.create_publisher(
            message_type,
            topic,
            QoSProfile(depth=depth),
            qos_overriding_options=QoSOverridingOptions.with_default_policies(),
        )
