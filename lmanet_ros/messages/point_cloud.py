"""Point cloud messages to arrays and back, without a loop over points."""

from __future__ import annotations

import copy
from array import array

import numpy as np
from sensor_msgs.msg import PointCloud2, PointField
from std_msgs.msg import Header

from lmanet_core.cloud.points import POINT
from lmanet_ros.messages.message_error import MessageError

_COORDINATES = ("x", "y", "z")
_NUMBERS = {PointField.FLOAT32: "f4", PointField.FLOAT64: "f8"}
# As the point cloud library has it, colours are four bytes that are called a float.
_FIELD_TYPES = {"label": PointField.UINT8, "confidence": PointField.UINT8}


def check_cloud(message: PointCloud2) -> None:
    """Check that a cloud is consistent, looking at its fields but not at its points.

    Raises:
        MessageError: there are no fields x, y and z of 32 or 64 bits, or the message's length is
            not what it claims.
    """
    _point_type(message)


def to_xyz(message: PointCloud2) -> np.ndarray:
    """The places of a cloud's points.

    Args:
        message: with fields x, y and z, 32 or 64 bits each.

    Returns:
        (N, 3) float32, in the order of the message.

    Raises:
        MessageError: as of `check_cloud`.
    """
    point = _point_type(message)
    row_bytes = message.width * message.point_step
    if not row_bytes or not message.height:
        return np.empty((0, 3), np.float32)
    rows = np.frombuffer(message.data, np.uint8).reshape(message.height, message.row_step)
    points = np.ascontiguousarray(rows[:, :row_bytes]).reshape(-1).view(point)
    xyz = np.empty((len(points), 3), np.float32)
    for column, name in enumerate(_COORDINATES):
        xyz[:, column] = points[name]
    return xyz


def _point_type(message: PointCloud2) -> np.dtype:
    """What a point of a message is, as far as its place goes."""
    order = ">" if message.is_bigendian else "<"
    fields = {field.name: field for field in message.fields}
    formats = [
        order + _NUMBERS[fields[name].datatype]
        for name in _COORDINATES
        if name in fields and fields[name].datatype in _NUMBERS
    ]
    if len(formats) < len(_COORDINATES):
        raise MessageError(
            "cloud without x, y, z",
            f"expected fields x, y and z of 32 or 64 bits, got {', '.join(fields) or 'no fields'}",
        )
    offsets = [fields[name].offset for name in _COORDINATES]
    ends = [offset + int(form[-1]) for offset, form in zip(offsets, formats, strict=True)]
    is_whole = len(message.data) == message.row_step * message.height
    fits = message.row_step >= message.width * message.point_step
    if max(ends) > message.point_step or not fits or not is_whole:
        raise MessageError(
            "wrong cloud length",
            f"expected {message.height} rows of {message.row_step} bytes for {message.width} "
            f"points of {message.point_step} bytes each, got {len(message.data)} bytes",
        )
    return np.dtype(
        {
            "names": _COORDINATES,
            "formats": formats,
            "offsets": offsets,
            "itemsize": message.point_step,
        }
    )


def from_points(points: np.ndarray, header: Header) -> PointCloud2:
    """Make a message of points that all are somewhere.

    Args:
        points: (N,) of `POINT`.
        header: taken over as it is.
    """
    message = _empty(len(points), 1)
    message.header, message.is_dense = header, True
    # rclpy checks every single element of anything but an array('B').
    message.data = array("B")
    message.data.frombytes(np.ascontiguousarray(points).view(np.uint8).data)
    return message


class OrganizedCloud:
    """A message with a point for each pixel, whose memory is used again for the next one.

    Args:
        size: (width, height).
    """

    def __init__(self, size: tuple[int, int]) -> None:
        self.size = size
        self._message = _empty(*size)
        self._message.data = array("B", bytes(size[0] * size[1] * POINT.itemsize))
        self.points = np.frombuffer(self._message.data, POINT).reshape(size[::-1])
        """(H, W) of `POINT`, to write to."""

    def message(self, header: Header) -> PointCloud2:
        """The message of what is in `points`, to be published before that is written to again."""
        message = copy.copy(self._message)
        message.header = header
        return message


def _empty(width: int, height: int) -> PointCloud2:
    step = POINT.itemsize
    message = PointCloud2(width=width, height=height, point_step=step, row_step=step * width)
    message.fields = [
        PointField(
            name=name,
            offset=offset,
            datatype=_FIELD_TYPES.get(name, PointField.FLOAT32),
            count=1,
        )
        for name, (_, offset, *_) in (POINT.fields or {}).items()
    ]
    return message
