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


def _nv12(picture: np.ndarray, order: int = 1) -> np.ndarray:
    planes = cv2.cvtColor(picture, cv2.COLOR_RGB2YUV_I420)
    height, width = picture.shape[:2]
    u, v = planes[height:].reshape(2, -1)
    colors = np.stack([u, v][::order], axis=1).reshape(height // 2, width)
    return np.vstack([planes[:height], colors])


def _nv24(picture: np.ndarray) -> np.ndarray:
    """As many samples of each of two colours as there are pixels."""
    height, width = picture.shape[:2]
    # Only pictures of twice the size have as much colour in an encoding that OpenCV writes.
    double = _nv12(picture.repeat(2, axis=0).repeat(2, axis=1))
    return np.vstack([double[: 2 * height : 2, ::2], double[2 * height :].reshape(-1, width)])


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
    "nv21": lambda picture: _nv12(picture, order=-1),
    "nv24": _nv24,
    "8UC1": lambda picture: cv2.cvtColor(picture, cv2.COLOR_RGB2GRAY),
    "8UC3": lambda picture: picture[:, :, ::-1],
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
        # No sample looks the same with its bytes swapped, and none becomes another of 8 bits.
        samples = samples * np.uint16(257) + np.uint16(100) * (samples < 255)
        samples = samples.astype(">u2" if big_endian else "<u2")
    if encoding == "nv24":
        return _nv24_message(samples, picture.shape[0], **options)
    message = image_message(samples, encoding, **options)
    message.is_bigendian = int(big_endian)
    # nv12 and nv21 have more rows than the picture.
    message.height = picture.shape[0]
    return message


def _nv24_message(samples: np.ndarray, height: int, padding: int = 0, **options: Any) -> Image:
    message = image_message(samples[:height], "nv24", padding=padding, **options)
    colors = image_message(samples[height:].reshape(height, -1), padding=2 * padding)
    message.data = message.data + colors.data
    return message
