"""Pictures on their way to a network and back."""

from __future__ import annotations

import cv2
import numpy as np


def resize(picture: np.ndarray, size: tuple[int, int], interpolation: int) -> np.ndarray:
    """The picture at (width, height); itself if that is its size already."""
    if (picture.shape[1], picture.shape[0]) == size:
        return picture
    return cv2.resize(picture, size, interpolation=interpolation)


def as_buffer(picture: np.ndarray) -> np.ndarray:
    """The picture as other libraries take an array over: contiguous and not read-only."""
    return np.require(picture, requirements=("C", "W"))
