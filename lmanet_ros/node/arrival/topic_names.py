"""Names of topics that lie beside each other."""

from __future__ import annotations

from rclpy.node import Node


def sibling_topic(node: Node, topic: str, sibling: str) -> str:
    """A topic beside another one: under its own name if that is remapped, otherwise moving along.

    As image_transport does it: remapping `image` moves `image/compressed` and `camera_info`, too.
    """
    if node.resolve_topic_name(sibling) != node.resolve_topic_name(sibling, only_expand=True):
        return sibling
    resolved = node.resolve_topic_name(topic)
    if sibling.startswith(f"{topic}/"):
        return resolved + sibling.removeprefix(topic)
    return f"{resolved.rpartition('/')[0]}/{sibling.rpartition('/')[2]}"
