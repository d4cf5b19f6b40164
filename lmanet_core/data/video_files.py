"""Frames of a video file, of a folder of images, or of what other packages can read."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from importlib.metadata import EntryPoint, entry_points
from pathlib import Path

import cv2
import numpy as np

IMAGE_SUFFIXES = frozenset({".bmp", ".jpeg", ".jpg", ".png", ".ppm", ".tif", ".tiff", ".webp"})

ENTRY_POINT_GROUP = "lmanet.videos"
"""Where installed packages announce readers of other recordings, by the suffix of their files:
functions of a path, and of a topic where one is asked for, that give what `read_video` gives.
`lmanet_ros` announces rosbags."""


class VideoError(ValueError):
    """A video cannot be read; the message says which and why."""


def read_video(path: str | Path, topic: str = "") -> Iterator[np.ndarray]:
    """Frames as (H, W, 3) uint8, RGB, one after the other.

    Args:
        path: a video file, a folder whose images are the frames, in the order of their names, or
            a recording that an installed package can read, see `ENTRY_POINT_GROUP`.
        topic: of the recording; empty: its only camera.

    Raises:
        VideoError: there is no such file or folder, or nothing in it that can be read; while
            iterating: an image of the folder cannot be read.
        ValueError: of another package's reader.
    """
    path = Path(path)
    for suffix in {file.suffix[1:] for file in (path.iterdir() if path.is_dir() else [path])}:
        for reader in entry_points(group=ENTRY_POINT_GROUP, name=suffix):
            return _load(reader, path)(path, *([topic] if topic else []))
    if topic:
        raise VideoError(f"topic '{topic}' is of a recording, and {path} is none")
    if path.is_dir():
        return _read_images(_list_images(path))
    if not path.is_file():
        raise VideoError(f"no video '{path}': expected a video file or a folder of images")
    capture = cv2.VideoCapture(str(path))
    if not capture.isOpened():
        raise VideoError(f"{path} is not a video that OpenCV can read")
    return _read_capture(capture)


def _load(reader: EntryPoint, path: Path) -> Callable[[Path], Iterator[np.ndarray]]:
    try:
        return reader.load()
    except ImportError as error:
        raise VideoError(f"{path} cannot be read here by {reader.module}: {error}") from None


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
