"""Depth image messages to arrays and back."""

from __future__ import annotations

import sys
from array import array

import numpy as np
from sensor_msgs.msg import Image
from std_msgs.msg import Header

from lmanet_ros.messages.message_error import MessageError

_TYPES = {"16UC1": np.uint16, "mono16": np.uint16, "32FC1": np.float32}
DEPTH_ENCODINGS = ("16UC1", "32FC1")
"""Millimetres, and metres."""


def to_depth(message: Image) -> np.ndarray:
    """Convert a depth image.

    Args:
        message: 16UC1 (or mono16, which some drivers say), in millimetres, or 32FC1, in metres.

    Returns:
        (H, W) uint16 or float32. May share memory with the message: read only.

    Raises:
        MessageError: the message is neither, or not consistent.
    """
    if message.encoding not in _TYPES:
        raise MessageError(
            "wrong depth encoding",
            f"expected 16UC1 (millimetres) or 32FC1 (metres), got '{message.encoding}'; "
            "is this the topic of the depth image?",
        )
    kind = np.dtype(_TYPES[message.encoding])
    row_bytes = message.width * kind.itemsize
    size = message.step * message.height
    if row_bytes == 0 or message.step < row_bytes or not size == len(message.data) > 0:
        raise MessageError(
            "wrong depth length",
            f"expected {message.height} rows of step {message.step} for {message.width} pixels of "
            f"{message.encoding}, got {len(message.data)} bytes",
        )
    rows = np.frombuffer(message.data, np.uint8).reshape(-1, message.step)[:, :row_bytes]
    depth = np.ascontiguousarray(rows).view(kind)
    is_foreign = bool(message.is_bigendian) != (sys.byteorder == "big")
    return depth.byteswap() if is_foreign else depth


def from_depth(depth: np.ndarray, header: Header, encoding: str) -> Image:
    """Make a message of distances.

    Args:
        depth: (H, W) float32 in metres; 0 is no measurement.
        header: taken over as it is.
        encoding: 16UC1, whose millimetres end at 65 m: what is beyond is no measurement; or 32FC1.
    """
    if encoding == "16UC1":
        millimetres = np.rint(depth * 1000)
        depth = np.where(millimetres < 2**16, millimetres, 0).astype(np.uint16)
    height, width = depth.shape
    message = Image(header=header, height=height, width=width, encoding=encoding)
    message.step = width * depth.itemsize
    message.is_bigendian = sys.byteorder == "big"
    # rclpy checks every single element of anything but an array('B').
    message.data = array("B")
    message.data.frombytes(np.ascontiguousarray(depth).view(np.uint8).data)
    return message
