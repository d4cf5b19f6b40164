"""What the node publishes for a frame, made only for those who listen."""

from __future__ import annotations

from collections.abc import Collection, Iterator

import cv2
import numpy as np
from rclpy.node import Node
from rclpy.publisher import Publisher
from sensor_msgs.msg import CameraInfo, CompressedImage, Image
from std_msgs.msg import Header

from lmanet_core import ClassTable, SegmentationResult
from lmanet_core.network.classes import without_uncertain
from lmanet_core.output.pictures import blend
from lmanet_ros.messages.camera_info import scaled
from lmanet_ros.messages.image_conversion import compressed_from_array, from_array
from lmanet_ros.node.publishing.publisher import create_publisher
from lmanet_ros.node.segmentation_parameters import NodeParameters

PICTURES = ("labels", "confidence", "color", "overlay")
# Flat colours are smaller without loss, and stay what they are.
COLOR_PNG, OVERLAY_JPEG = "color/compressed", "overlay/compressed"
CAMERA_INFO = "camera_info"


class ImageOutputs:
    """Publishers of `labels`, `confidence`, `color`, `overlay` and `camera_info`.

    Colours and overlay are there compressed, too, for slow networks.

    Args:
        node: the node that publishes.
        prefix: of the topics: `~` or, of one of several cameras, `~/<camera>`.
        classes: names and colours.
        parameters: of the node.
    """

    def __init__(
        self, node: Node, prefix: str, classes: ClassTable, parameters: NodeParameters
    ) -> None:
        self.classes = classes
        self.parameters = parameters
        self._node = node
        self._publishers: dict[str, Publisher] = {}
        types = {
            **dict.fromkeys(PICTURES, Image),
            **dict.fromkeys((COLOR_PNG, OVERLAY_JPEG), CompressedImage),
            CAMERA_INFO: CameraInfo,
        }
        try:
            for name, message_type in types.items():
                self._publishers[name] = create_publisher(node, message_type, f"{prefix}/{name}")
        except BaseException:
            self.destroy()
            raise

    @property
    def topics(self) -> list[str]:
        """Full names of all topics."""
        return [publisher.topic_name for publisher in self._publishers.values()]

    def wanted(self) -> frozenset[str]:
        """Names of the outputs that somebody subscribes to."""
        return frozenset(
            name
            for name, publisher in self._publishers.items()
            if publisher.get_subscription_count() > 0
        )

    def needs_confidence(self, wanted: Collection[str]) -> bool:
        """Whether the network has to say how certain it is of what is wanted."""
        return "confidence" in wanted or self.parameters.min_confidence > 0

    def publish(
        self,
        wanted: Collection[str],
        header: Header,
        image: np.ndarray,
        result: SegmentationResult,
        info: CameraInfo | None,
    ) -> list[str]:
        """Make and publish what is wanted.

        Args:
            wanted: some of `wanted()`.
            header: that of the input; each output gets it as it is.
            image: the input, (H, W, 3) uint8 RGB.
            result: what the network says about it; with a confidence if that is needed.
            info: the camera's calibration, if it is known.

        Returns:
            Names of what was published.
        """
        published = []
        if CAMERA_INFO in wanted and info is not None:
            sizes = (image.shape[1::-1], result.labels.shape[1::-1])
            self._publishers[CAMERA_INFO].publish(scaled(info, header, *sizes))
            published.append(CAMERA_INFO)
        for name, picture in self._pictures(wanted, image, result):
            self._publishers[name].publish(self._message(name, picture, header))
            published.append(name)
        return published

    def destroy(self) -> None:
        """Take the topics away."""
        for publisher in self._publishers.values():
            self._node.destroy_publisher(publisher)

    def _pictures(
        self, wanted: Collection[str], image: np.ndarray, result: SegmentationResult
    ) -> Iterator[tuple[str, np.ndarray]]:
        """One after the other, so that labels leave before colours are painted."""
        labels = result.labels
        if result.confidence is not None:
            labels = without_uncertain(labels, result.confidence, self.parameters.min_confidence)
        if "labels" in wanted:
            yield "labels", labels
        if "confidence" in wanted and result.confidence is not None:
            yield "confidence", result.confidence
        colors, overlays = (
            [name for name in names if name in wanted]
            for names in (("color", COLOR_PNG), ("overlay", OVERLAY_JPEG))
        )
        if colors or overlays:
            color = self.classes.colorize(labels)
            yield from ((name, color) for name in colors)
        if overlays:
            overlay = blend(_fitted(image, color), color, self.parameters.overlay_opacity)
            yield from ((name, overlay) for name in overlays)

    def _message(self, name: str, picture: np.ndarray, header: Header) -> Image | CompressedImage:
        if name == COLOR_PNG:
            return compressed_from_array(picture, header, "png")
        if name == OVERLAY_JPEG:
            return compressed_from_array(picture, header, "jpeg", self.parameters.jpeg_quality)
        return from_array(picture, header)


def _fitted(image: np.ndarray, picture: np.ndarray) -> np.ndarray:
    """The image at the picture's size."""
    if image.shape == picture.shape:
        return image
    return cv2.resize(image, picture.shape[1::-1], interpolation=cv2.INTER_AREA)
