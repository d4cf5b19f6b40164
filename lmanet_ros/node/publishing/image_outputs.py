"""The topics of what the node publishes for a frame, made only for those who listen."""

from __future__ import annotations

from collections.abc import Collection

import numpy as np
from rclpy.node import Node
from rclpy.publisher import Publisher
from sensor_msgs.msg import CameraInfo
from std_msgs.msg import Header

from lmanet_core import ClassTable, SegmentationResult
from lmanet_core.network.classes import without_uncertain
from lmanet_ros.messages.node_outputs import OUTPUTS, SegmentedFrame
from lmanet_ros.node.publishing.publisher import create_publisher
from lmanet_ros.node.segmentation_parameters import NodeParameters


class ImageOutputs:
    """Publishers of `OUTPUTS`.

    Args:
        node: the node that publishes.
        prefix: prefix of the topics: `~` or, of one of several cameras, `~/<camera>`.
        classes: names and colours.
        parameters: parameters of the node.
    """

    def __init__(
        self, node: Node, prefix: str, classes: ClassTable, parameters: NodeParameters
    ) -> None:
        self._node = node
        self._publishers: dict[str, Publisher] = {}
        self.apply(parameters, classes)
        try:
            for output in OUTPUTS:
                self._publishers[output.name] = create_publisher(
                    node, output.message_type, f"{prefix}/{output.name}"
                )
        except BaseException:
            self.destroy()
            raise

    @property
    def topics(self) -> list[str]:
        """Full names of all topics."""
        return [publisher.topic_name for publisher in self._publishers.values()]

    def apply(self, parameters: NodeParameters, classes: ClassTable) -> None:
        """Take over the parameters that may change at any time, and the classes' colours."""
        self._parameters, self._classes = parameters, classes

    def wanted(self) -> frozenset[str]:
        """Names of the outputs that somebody subscribes to."""
        return frozenset(
            name
            for name, publisher in self._publishers.items()
            if publisher.get_subscription_count() > 0
        )

    def needs_confidence(self, wanted: Collection[str]) -> bool:
        """Whether the network has to say how certain it is of what is wanted."""
        if self._parameters.min_confidence > 0:
            return True
        return any(output.needs_confidence and output.name in wanted for output in OUTPUTS)

    def publish(
        self,
        wanted: Collection[str],
        header: Header,
        image: np.ndarray,
        result: SegmentationResult,
        info: CameraInfo | None,
    ) -> list[str]:
        """Make and publish what is wanted, one after the other.

        Args:
            wanted: some of `wanted()`.
            header: header of the input.
            image: the input, (H, W, 3) uint8 RGB.
            result: what the network says about it; with a confidence if that is needed.
            info: the camera's calibration, if it is known.

        Returns:
            Names of what was published.
        """
        parameters, labels = self._parameters, result.labels
        if result.confidence is not None:
            labels = without_uncertain(labels, result.confidence, parameters.min_confidence)
        frame = SegmentedFrame(
            header=header,
            image=image,
            info=info,
            labels=labels,
            confidence=result.confidence,
            classes=self._classes,
            overlay_opacity=parameters.overlay_opacity,
            jpeg_quality=parameters.jpeg_quality,
        )
        published = []
        for output in OUTPUTS:
            message = output.make(frame) if output.name in wanted else None
            if message is not None:
                self._publishers[output.name].publish(message)
                published.append(output.name)
        return published

    def destroy(self) -> None:
        """Take the topics away."""
        for publisher in self._publishers.values():
            self._node.destroy_publisher(publisher)
