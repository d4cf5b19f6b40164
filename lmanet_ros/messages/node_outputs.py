"""What the segmentation node publishes for a frame: one table for all that make, record or read it.

Whoever adds an output adds a line here, and one to `config/segmentation_node.policy.xml`.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from functools import cached_property
from typing import Any

import cv2
import numpy as np
from sensor_msgs.msg import CameraInfo, CompressedImage, Image
from std_msgs.msg import Header

from lmanet_core import ClassTable
from lmanet_core.output.pictures import blend
from lmanet_ros.messages.camera_info import scaled
from lmanet_ros.messages.image_conversion import compressed_from_array, from_array


@dataclass(frozen=True)
class SegmentedFrame:
    """What outputs are made of; what several of them need is made once."""

    header: Header
    """Header of the input; each output gets it as it is."""
    image: np.ndarray
    """The input, (H, W, 3) uint8 RGB."""
    info: CameraInfo | None
    """The camera's calibration, if it is known."""
    labels: np.ndarray
    """(H, W) uint8, which may be of another size."""
    confidence: np.ndarray | None
    """(H, W), where it was asked for."""
    classes: ClassTable
    overlay_opacity: float
    jpeg_quality: int

    @cached_property
    def color(self) -> np.ndarray:
        """Labels in the colours of their classes."""
        return self.classes.colorize(self.labels)

    @cached_property
    def overlay(self) -> np.ndarray:
        """Colours over the image, at the labels' size."""
        image = self.image
        if image.shape != self.color.shape:
            size = self.color.shape[1::-1]
            image = cv2.resize(image, size, interpolation=cv2.INTER_AREA)
        return blend(image, self.color, self.overlay_opacity)


@dataclass(frozen=True)
class Output:
    """An output of the node.

    Attributes:
        name: of its topic, below the node or, of one of several cameras, below `<node>/<camera>`.
        message_type: message type of its messages.
        make: its message of a frame; None: there is none.
        needs_confidence: whether the network has to say how certain it is.
        identifies_node: whether nothing but a segmentation node publishes that name beside labels.
    """

    name: str
    message_type: Any
    make: Callable[[SegmentedFrame], Any]
    needs_confidence: bool = False
    identifies_node: bool = False


def _camera_info(frame: SegmentedFrame) -> CameraInfo | None:
    if frame.info is None:
        return None
    return scaled(frame.info, frame.header, frame.image.shape[1::-1], frame.labels.shape[1::-1])


def _confidence(frame: SegmentedFrame) -> Image | None:
    return None if frame.confidence is None else from_array(frame.confidence, frame.header)


OUTPUTS = (
    Output("camera_info", CameraInfo, _camera_info),
    Output("labels", Image, lambda frame: from_array(frame.labels, frame.header)),
    Output("confidence", Image, _confidence, needs_confidence=True, identifies_node=True),
    Output("color", Image, lambda frame: from_array(frame.color, frame.header)),
    # Flat colours are smaller without loss, and stay what they are.
    Output(
        "color/compressed",
        CompressedImage,
        lambda frame: compressed_from_array(frame.color, frame.header, "png"),
    ),
    Output(
        "overlay",
        Image,
        lambda frame: from_array(frame.overlay, frame.header),
        identifies_node=True,
    ),
    Output(
        "overlay/compressed",
        CompressedImage,
        lambda frame: compressed_from_array(
            frame.overlay, frame.header, "jpeg", frame.jpeg_quality
        ),
    ),
)
"""Outputs in the order in which they are published: labels leave before colours are painted."""
PICTURES = tuple(output.name for output in OUTPUTS if output.message_type is Image)
"""Outputs that are recorded and evaluated; the first is 'labels'."""
