"""Calibration of a picture that is larger or smaller than the camera's."""

from __future__ import annotations

import copy
from array import array

from sensor_msgs.msg import CameraInfo
from std_msgs.msg import Header


def scaled(
    info: CameraInfo, header: Header, image_size: tuple[int, int], output_size: tuple[int, int]
) -> CameraInfo:
    """A camera's calibration for a picture that was resized.

    The centres of an image's pixels lie at whole coordinates, so its left border lies at -0.5:
    that is the point which stays where it is.

    Args:
        info: that of the camera.
        header: of the picture.
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


def _scaled_rows(matrix: array[float], columns: int, x: float, y: float) -> list[float]:
    """A projection matrix, row by row, after which pixels are scaled."""
    rows = [list(matrix[start : start + columns]) for start in range(0, 3 * columns, columns)]
    for row, scale in ((rows[0], x), (rows[1], y)):
        for column, last in enumerate(rows[2]):
            row[column] = scale * row[column] + (scale - 1) / 2 * last
    return [value for row in rows for value in row]
