"""Frames of a video file or of a folder of images."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import cv2
import numpy as np

IMAGE_SUFFIXES = frozenset({".bmp", ".jpeg", ".jpg", ".png", ".ppm", ".tif", ".tiff", ".webp"})


class VideoError(ValueError):
    """A video cannot be read; the message says which and why."""


def read_video(path: str | Path) -> Iterator[np.ndarray]:
    """Frames as (H, W, 3) uint8, RGB, one after the other.

    Args:
        path: a video file, or a folder whose images are the frames, in the order of their names.

    Raises:
        VideoError: there is no such file or folder, or nothing in it that can be read; while
            iterating: an image of the folder cannot be read.
    """
    path = Path(path)
    if path.is_dir():
        return _read_images(_list_images(path))
    if not path.is_file():
        raise VideoError(f"no video '{path}': expected a video file or a folder of images")
    capture = cv2.VideoCapture(str(path))
    if not capture.isOpened():
        raise VideoError(f"{path} is not a video that OpenCV can read")
    return _read_capture(capture)


def _list_images(folder: Path) -> list[Path]:
    images = sorted(file for file in folder.iterdir() if file.suffix.lower() in IMAGE_SUFFIXES)
    if not images:
        raise VideoError(f"no images in {folder}: expected {', '.join(sorted(IMAGE_SUFFIXES))}")
    return images


def _read_images(files: list[Path]) -> Iterator[np.ndarray]:
    for file in files:
        picture = cv2.imread(str(file))
        if picture is None:
            raise VideoError(f"{file} is not an image that OpenCV can read")
        yield cv2.cvtColor(picture, cv2.COLOR_BGR2RGB)


def _read_capture(capture: cv2.VideoCapture) -> Iterator[np.ndarray]:
    try:
        while (frame := capture.read()[1]) is not None:
            yield cv2.cvtColor(frame, cv2.COLOR_BGR2RGB)
    finally:
        capture.release()
