"""Pictures on their way to a network and back: the one place where they are resized."""

from __future__ import annotations

import sys

import cv2
import numpy as np

ANTIALIASED_FROM = 1.5
"""Reduction from which on fine structure would turn into patterns that are not in the scene."""


def is_reduced(image: np.ndarray, size: tuple[int, int]) -> bool:
    """Whether (H, W, 3) at (width, height) is smaller by `ANTIALIASED_FROM` or more."""
    height, width = image.shape[:2]
    return max(width / size[0], height / size[1]) >= ANTIALIASED_FROM


def resize_image(
    image: np.ndarray, size: tuple[int, int], *, antialias: bool | None = None
) -> np.ndarray:
    """An image at another size; itself if that is its size already.

    Args:
        image: (H, W, 3) uint8.
        size: (width, height).
        antialias: whether shrinking averages over the area that a pixel covers, weighted by a
            triangle, as the published pipeline does (Pillow's bilinear filter); otherwise only the
            four nearest pixels count, which is faster. None: where `is_reduced`. Growing is the
            same either way.
    """
    if (image.shape[1], image.shape[0]) == size:
        return image
    if antialias is None:
        antialias = is_reduced(image, size)
    if not antialias:
        return cv2.resize(image, size, interpolation=cv2.INTER_LINEAR)
    if sys.modules.get("torch"):
        return _resize_with_torch(image, size)
    from PIL import Image

    return np.asarray(Image.fromarray(image).resize(size, Image.Resampling.BILINEAR))


def resize(picture: np.ndarray, size: tuple[int, int], interpolation: int) -> np.ndarray:
    """The picture at (width, height); itself if that is its size already."""
    if (picture.shape[1], picture.shape[0]) == size:
        return picture
    return cv2.resize(picture, size, interpolation=interpolation)


def as_buffer(picture: np.ndarray) -> np.ndarray:
    """The picture as other libraries take an array over: contiguous and not read-only."""
    return np.require(picture, requirements=("C", "W"))


def _resize_with_torch(image: np.ndarray, size: tuple[int, int]) -> np.ndarray:
    """The same filter in a third of the time, if PyTorch is loaded already; it is not worth loading
    it."""
    import torch
    from torch.nn import functional

    pixels = torch.from_numpy(np.require(image, requirements=("C", "W"))).permute(2, 0, 1)[None]
    resized = functional.interpolate(pixels, size[::-1], mode="bilinear", antialias=True)
    return resized[0].permute(1, 2, 0).contiguous().numpy()
