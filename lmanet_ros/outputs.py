"""The pictures that the node publishes, made only for those who listen."""

from __future__ import annotations

from collections.abc import Collection, Iterator

import numpy as np
from rclpy.node import Node
from rclpy.publisher import Publisher
from rclpy.qos import QoSProfile
from rclpy.qos_overriding_options import QoSOverridingOptions
from sensor_msgs.msg import Image
from std_msgs.msg import Header

from lmanet_core import ClassTable, SegmentationResult
from lmanet_core.visualization import blend
from lmanet_ros.image_conversion import from_array
from lmanet_ros.parameters import naming_qos_overrides

NAMES = ("labels", "confidence", "color", "overlay")
QOS_DEPTH = 10


class Outputs:
    """Publishers of `~/labels`, `~/confidence`, `~/color` and `~/overlay`."""

    def __init__(self, node: Node, classes: ClassTable, overlay_opacity: float) -> None:
        self._classes = classes
        self._overlay_opacity = overlay_opacity
        self._publishers = {name: _create_publisher(node, f"~/{name}") for name in NAMES}

    def wanted(self) -> frozenset[str]:
        """Names of the outputs that somebody subscribes to."""
        return frozenset(
            name
            for name, publisher in self._publishers.items()
            if publisher.get_subscription_count() > 0
        )

    def publish(
        self, wanted: Collection[str], header: Header, image: np.ndarray, result: SegmentationResult
    ) -> None:
        """Make and publish the wanted pictures.

        Args:
            wanted: some of `NAMES`.
            header: that of the input; each picture gets it as it is.
            image: the input, (H, W, 3) uint8 RGB.
            result: what the network says about it; with a confidence if that is wanted.
        """
        for name, picture in self._pictures(wanted, image, result):
            self._publishers[name].publish(from_array(picture, header))

    def _pictures(
        self, wanted: Collection[str], image: np.ndarray, result: SegmentationResult
    ) -> Iterator[tuple[str, np.ndarray]]:
        """One after the other, so that labels leave before colours are painted."""
        if "labels" in wanted:
            yield "labels", result.labels
        if "confidence" in wanted and result.confidence is not None:
            yield "confidence", result.confidence
        if "color" in wanted or "overlay" in wanted:
            color = self._classes.colorize(result.labels)
            if "color" in wanted:
                yield "color", color
            if "overlay" in wanted:
                yield "overlay", blend(image, color, self._overlay_opacity)


def _create_publisher(node: Node, topic: str) -> Publisher:
    # Reliable and as deep as is usual in ROS: it fits subscribers that ask for either reliability,
    # and a reader which is late for a moment misses nothing.
    with naming_qos_overrides(node.resolve_topic_name(topic), "publisher"):
        return node.create_publisher(
            Image,
            topic,
            QoSProfile(depth=QOS_DEPTH),
            qos_overriding_options=QoSOverridingOptions.with_default_policies(),
        )
