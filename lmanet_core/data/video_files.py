"""Frames of a video file, of a folder of images, or of what other packages can read."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from pathlib import Path

import cv2
import numpy as np

from lmanet_core.data.image_files import IMAGE_SUFFIXES, is_hidden, list_images, read_image
from lmanet_core.data.video import VideoError
from lmanet_core.program.registry import Registry

READERS: Registry[Callable[..., Iterator[np.ndarray]]] = Registry("recording", "lmanet.videos", {})
"""Readers of other recordings, by the suffix of their files: functions of a path, and of a topic
where one is asked for, that give what `read_video` gives. `lmanet_ros` announces rosbags."""

_COUNTING_SUFFIXES = frozenset({".avi", ".m4v", ".mov", ".mp4"})
"""Endings of video files that record their number of frames."""
_FRAMES_SPARED, _SHARE_SPARED = 3, 0.01
"""What may be missing at the end of a video that is whole: its record may be off by that."""


def read_video(path: str | Path, topic: str = "") -> Iterator[np.ndarray]:
    """Frames as (H, W, 3) uint8, RGB, one after the other.

    Args:
        path: a video file, a folder whose images are the frames, in `natural_order`, or a
            recording that an installed package can read, see `READERS`.
        topic: topic of the recording; empty: its only camera.

    Raises:
        VideoError: there is no such file or folder, or nothing in it that can be read; while
            iterating: an image of the folder cannot be read, or the video is damaged: frames that
            it is to have do not come.
        ValueError: of another package's reader.

    Example:
        >>> import tempfile, cv2, numpy as np
        >>> folder = tempfile.TemporaryDirectory()
        >>> for number in range(2):
        ...     _ = cv2.imwrite(f"{folder.name}/{number}.png", np.zeros((4, 6, 3), np.uint8))
        >>> [image.shape for image in read_video(folder.name)]
        [(4, 6, 3), (4, 6, 3)]
    """
    path = Path(path)
    files = path.iterdir() if path.is_dir() else [path]
    for suffix in {file.suffix[1:] for file in files if not is_hidden(file)}:
        if suffix in READERS.names():
            return _reader(suffix, path)(path, *([topic] if topic else []))
    if topic:
        raise VideoError(f"topic '{topic}' is of a recording, and {path} is none")
    if path.is_dir():
        if not (images := list_images(path)):
            raise VideoError(f"no images in {path}: expected {', '.join(sorted(IMAGE_SUFFIXES))}")
        return map(read_image, images)
    if not path.is_file():
        raise VideoError(f"no video '{path}': expected a video file or a folder of images")
    capture = cv2.VideoCapture(str(path))
    if not capture.isOpened():
        raise VideoError(f"{path} is not a video that OpenCV can read")
    return _read_capture(capture, path)


def _reader(suffix: str, path: Path) -> Callable[..., Iterator[np.ndarray]]:
    try:
        return READERS.find(suffix)
    except ImportError as error:
        raise VideoError(f"{path} cannot be read here: {error}") from None


def _read_capture(capture: cv2.VideoCapture, path: Path) -> Iterator[np.ndarray]:
    count, seconds = 0, 0.0
    try:
        while (frame := capture.read()[1]) is not None:
            count += 1
            seconds = capture.get(cv2.CAP_PROP_POS_MSEC) / 1000
            yield cv2.cvtColor(frame, cv2.COLOR_BGR2RGB)
        _check_is_whole(capture, path, count, seconds)
    finally:
        capture.release()


def _check_is_whole(capture: cv2.VideoCapture, path: Path, count: int, seconds: float) -> None:
    """Make sure that a video has not ended before its end, for which OpenCV has no word.

    Args:
        capture: that has no more frames.
        path: path of the video.
        count: frames that came.
        seconds: time of the last of them.
    """
    expected, rate = capture.get(cv2.CAP_PROP_FRAME_COUNT), capture.get(cv2.CAP_PROP_FPS)
    if expected <= 0 or rate <= 0:
        return
    # Where the number of frames is not recorded, OpenCV makes it of duration and rate.
    missing = expected - count if path.suffix.lower() in _COUNTING_SUFFIXES else 0.0
    missing = max(missing, expected - 1 - seconds * rate)
    if missing > max(_FRAMES_SPARED, _SHARE_SPARED * expected):
        raise VideoError(
            f"{path} is damaged: of some {expected:.0f} frames {count} could be read, the last at "
            f"{seconds:.1f} s; a whole copy is needed, or one that is cut before the damage"
        )
