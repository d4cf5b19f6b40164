"""Pictures that change their size."""

from __future__ import annotations

import cv2
import numpy as np


def resize(picture: np.ndarray, size: tuple[int, int], interpolation: int) -> np.ndarray:
    """The picture at (width, height); itself if that is its size already."""
    if (picture.shape[1], picture.shape[0]) == size:
        return picture
    return cv2.resize(picture, size, interpolation=interpolation)
