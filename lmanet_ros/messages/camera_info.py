"""Calibration of a picture that is larger or smaller than the camera's, and as rays of pixels."""

from __future__ import annotations

import copy
from array import array

from sensor_msgs.msg import CameraInfo
from std_msgs.msg import Header

from lmanet_core.cloud.camera_model import CameraModel
from lmanet_ros.messages.message_error import MessageError

PINHOLE, FISHEYE = ("", "plumb_bob", "rational_polynomial"), ("equidistant", "fisheye")
"""Names of what a lens does."""
COEFFICIENTS = (0, 4, 5, 8, 12, 14)
"""How many a pinhole camera's lens may have."""


def scaled(
    info: CameraInfo, header: Header, image_size: tuple[int, int], output_size: tuple[int, int]
) -> CameraInfo:
    """A camera's calibration for a picture that was resized.

    The centres of an image's pixels lie at whole coordinates, so its left border lies at -0.5:
    that is the point which stays where it is.

    Args:
        info: the camera's calibration.
        header: header of the picture.
        image_size: (width, height) of the camera's image.
        output_size: (width, height) of the picture.
    """
    result = copy.copy(info)
    result.header = header
    if image_size == output_size:
        return result
    x, y = (new / old for new, old in zip(output_size, image_size, strict=True))
    # Of the sensor's full resolution; binning and region of interest stay what they are to it.
    result.width, result.height = round(info.width * x), round(info.height * y)
    result.roi = copy.copy(info.roi)
    result.roi.x_offset, result.roi.width = round(info.roi.x_offset * x), round(info.roi.width * x)
    result.roi.y_offset = round(info.roi.y_offset * y)
    result.roi.height = round(info.roi.height * y)
    result.k = array("d", _scaled_rows(info.k, 3, x, y))
    result.p = array("d", _scaled_rows(info.p, 4, x, y))
    return result


def camera_model(info: CameraInfo, rectified: bool = False) -> CameraModel:
    """The camera that a calibration describes.

    Args:
        info: of a raw or a rectified image; region of interest and binning are taken into account.
        rectified: whether the image is rectified: then the projection matrix holds, and nothing is
            distorted.

    Raises:
        MessageError: there is no calibration in it, or one that is not known here.
    """
    numbers = info.p if rectified else info.k
    fx, cx, fy, cy = (numbers[i] for i in ((0, 2, 5, 6) if rectified else (0, 2, 4, 5)))
    if fx == 0:
        raise MessageError(
            "no calibration",
            f"camera_info has zeros for {'p' if rectified else 'k'}: the camera is not calibrated",
        )
    distortion = () if rectified or not any(info.d) else tuple(info.d)
    is_fisheye = info.distortion_model in FISHEYE and bool(distortion)
    expected = (4,) if is_fisheye else COEFFICIENTS
    if distortion and info.distortion_model not in (*PINHOLE, *FISHEYE):
        raise MessageError(
            "unknown lens",
            f"expected distortion_model {', '.join(filter(None, PINHOLE + FISHEYE[:1]))}, "
            f"got '{info.distortion_model}'",
        )
    if len(distortion) not in expected:
        raise MessageError(
            "unknown lens",
            f"expected {' or '.join(map(str, expected))} coefficients of distortion, "
            f"got {len(distortion)}",
        )
    x_binning, y_binning = max(info.binning_x, 1), max(info.binning_y, 1)
    width, height = info.roi.width or info.width, info.roi.height or info.height
    try:
        return CameraModel(
            (width // x_binning, height // y_binning),
            (fx / x_binning, fy / y_binning),
            ((cx - info.roi.x_offset) / x_binning, (cy - info.roi.y_offset) / y_binning),
            distortion,
            is_fisheye,
        )
    except ValueError as error:
        raise MessageError("no calibration", f"camera_info: {error}") from None


def camera_info(camera: CameraModel, header: Header) -> CameraInfo:
    """The message that describes a pinhole camera without distortion."""
    (fx, fy), (cx, cy) = camera.focal, camera.center
    info = CameraInfo(header=header, width=camera.size[0], height=camera.size[1])
    info.distortion_model, info.d = "plumb_bob", [0.0] * 5
    info.k = [fx, 0.0, cx, 0.0, fy, cy, 0.0, 0.0, 1.0]
    info.r = [1.0, 0.0, 0.0, 0.0, 1.0, 0.0, 0.0, 0.0, 1.0]
    info.p = [fx, 0.0, cx, 0.0, 0.0, fy, cy, 0.0, 0.0, 0.0, 1.0, 0.0]
    return info


def _scaled_rows(matrix: array[float], columns: int, x: float, y: float) -> list[float]:
    """A projection matrix, row by row, after which pixels are scaled."""
    rows = [list(matrix[start : start + columns]) for start in range(0, 3 * columns, columns)]
    for row, scale in ((rows[0], x), (rows[1], y)):
        for column, last in enumerate(rows[2]):
            row[column] = scale * row[column] + (scale - 1) / 2 * last
    return [value for row in rows for value in row]
