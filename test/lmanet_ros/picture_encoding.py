"""Pictures in every encoding of sensor_msgs/Image, as a camera driver would send them."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import cv2
import numpy as np
from ros_harness import image_message
from sensor_msgs.msg import Image


def gray(picture: np.ndarray) -> np.ndarray:
    """The RGB picture that is left of an RGB picture without its colours."""
    return np.repeat(cv2.cvtColor(picture, cv2.COLOR_RGB2GRAY)[:, :, None], 3, axis=2)


def _nv12(picture: np.ndarray) -> np.ndarray:
    planes = cv2.cvtColor(picture, cv2.COLOR_RGB2YUV_I420)
    height, width = picture.shape[:2]
    u, v = planes[height:].reshape(2, -1)
    colors = np.stack([u, v], axis=1).reshape(height // 2, width)
    return np.vstack([planes[:height], colors])


def _bayer(picture: np.ndarray, pattern: str) -> np.ndarray:
    mosaic = np.empty(picture.shape[:2], np.uint8)
    for place, color in enumerate(pattern):
        row, column = divmod(place, 2)
        mosaic[row::2, column::2] = picture[row::2, column::2, "rgb".index(color)]
    return mosaic


_ENCODERS: dict[str, Callable[[np.ndarray], np.ndarray]] = {
    "mono8": lambda picture: cv2.cvtColor(picture, cv2.COLOR_RGB2GRAY),
    "rgb8": lambda picture: picture,
    "bgr8": lambda picture: picture[:, :, ::-1],
    "rgba8": lambda picture: cv2.cvtColor(picture, cv2.COLOR_RGB2RGBA),
    "bgra8": lambda picture: cv2.cvtColor(picture, cv2.COLOR_RGB2BGRA),
    "yuv422": lambda picture: cv2.cvtColor(picture, cv2.COLOR_RGB2YUV_UYVY),
    "uyvy": lambda picture: cv2.cvtColor(picture, cv2.COLOR_RGB2YUV_UYVY),
    "yuv422_yuy2": lambda picture: cv2.cvtColor(picture, cv2.COLOR_RGB2YUV_YUY2),
    "yuyv": lambda picture: cv2.cvtColor(picture, cv2.COLOR_RGB2YUV_YUY2),
    "nv12": _nv12,
    "bayer_rggb8": lambda picture: _bayer(picture, "rggb"),
    "bayer_bggr8": lambda picture: _bayer(picture, "bggr"),
    "bayer_gbrg8": lambda picture: _bayer(picture, "gbrg"),
    "bayer_grbg8": lambda picture: _bayer(picture, "grbg"),
}


def encoded_message(
    picture: np.ndarray, encoding: str, *, big_endian: bool = False, **options: Any
) -> Image:
    """An RGB picture as a message; further `options` as `image_message` takes them."""
    samples = _ENCODERS[encoding.replace("16", "8")](picture)
    if encoding.endswith("16"):
        samples = (samples * np.uint16(257)).astype(">u2" if big_endian else "<u2")
    message = image_message(samples, encoding, **options)
    message.is_bigendian = int(big_endian)
    # nv12 has more rows than the picture.
    message.height = picture.shape[0]
    return message
