"""`lmanet label`: a video without labels becomes one to train on.

lmanet label street drive.mp4 recording --size 640x320
"""

from __future__ import annotations

import argparse
from collections.abc import Iterator
from pathlib import Path
from typing import Protocol

import numpy as np

from lmanet_core.checkpoint import load
from lmanet_core.data.recording import (
    CLASSES,
    IMAGE_SUFFIX,
    IMAGES,
    LABEL_SUFFIX,
    LABELS,
    read_classes,
    write_classes,
)
from lmanet_core.data.video_files import read_video
from lmanet_core.network.classes import IGNORE_LABEL, ClassTable, without_uncertain
from lmanet_core.network.resizing import resize_image
from lmanet_core.output.files import write_picture
from lmanet_core.program.arguments import add_renamed, image_size
from lmanet_core.runtime.network_classes import find_graph_info
from lmanet_core.runtime.opening import open_segmenter

HELP = "label a video with a network, to train on it as the data set 'recording'"
EXTRA = "torch"


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Declare the verb's options."""
    parser.add_argument(
        "network",
        help="the teacher: .safetensors file or shipped name; or a file of `lmanet export`, which "
        "needs no PyTorch but sees each frame at one scale only",
    )
    parser.add_argument("video", type=Path, help="video file, folder of images, or rosbag2")
    parser.add_argument("output", type=Path, metavar="OUT", help="folder of the data set")
    parser.add_argument("--name", help="name of the video in OUT; default: that of its file")
    parser.add_argument("--size", type=image_size, help="size to which frames are resized")
    parser.add_argument(
        "--every", type=int, default=1, help="label every N-th frame only; default: 1"
    )
    parser.add_argument(
        "--scales",
        type=float,
        nargs="+",
        help="scales at which a checkpoint sees a frame; their average counts; "
        "default: 0.75 1.0 1.5",
    )
    parser.add_argument(
        "--no-mirror", action="store_true", help="do not average over mirrored frames"
    )
    parser.add_argument(
        "--min-confidence",
        type=float,
        default=0.7,
        help="probability (0..1) below which a pixel gets no label; default: %(default)s",
    )
    add_renamed(parser, "--sure", "--min-confidence", type=float)


def run(arguments: argparse.Namespace) -> None:
    """Write frames and labels, and say how much of them is labelled.

    Raises:
        ValueError: checkpoint, video, output or an option cannot be used.
    """
    if arguments.every < 1:
        raise ValueError(f"--every must be at least 1, got {arguments.every}")
    teacher = _open_teacher(arguments)
    name = arguments.name or arguments.video.stem
    images, labels = (arguments.output / part / name for part in (IMAGES, LABELS))
    if images.exists():
        raise ValueError(f"{images} is there already: choose another --name")
    frames = read_video(arguments.video)
    arguments.output.mkdir(parents=True, exist_ok=True)
    _check_classes(arguments.output / CLASSES, teacher)
    images.mkdir(parents=True)
    labels.mkdir(parents=True, exist_ok=True)
    count, shares = 0, []
    for count, frame in enumerate(_telling_what_is_kept(frames, images), 1):
        if arguments.size is not None:
            frame = resize_image(frame, arguments.size, antialias=True)
        number = f"{count - 1:06}"
        write_picture(images / f"{number}{IMAGE_SUFFIX}", frame)
        # The teacher sees every frame: it may have a memory.
        predicted = teacher.label(frame)
        if (count - 1) % arguments.every == 0:
            write_picture(labels / f"{number}{LABEL_SUFFIX}", predicted)
            shares.append(float((predicted != IGNORE_LABEL).mean()))
    if not count:
        raise ValueError(f"there are no frames in {arguments.video}")
    print(
        f"{arguments.output}: {count} frames of '{name}', {len(shares)} of them with labels for "
        f"{100 * np.mean(shares):.1f} % of their pixels"
    )


def _open_teacher(arguments: argparse.Namespace) -> Labeller:
    """What is asked for labels: a checkpoint in several ways, an exported file once a frame."""
    if not 0 <= arguments.min_confidence <= 1:
        raise ValueError(f"--min-confidence must be in 0..1, got {arguments.min_confidence}")
    if find_graph_info(Path(arguments.network)) is not None:
        if arguments.scales is not None or arguments.no_mirror:
            raise ValueError(
                f"--scales and --no-mirror are for checkpoints: {arguments.network} is asked once "
                "for each frame, at its own size"
            )
        return ExportedLabeller(arguments.network, arguments.min_confidence)
    from lmanet_core.training.teacher import SCALES, Teacher

    scales = SCALES if arguments.scales is None else arguments.scales
    return Teacher(
        load(arguments.network), scales, not arguments.no_mirror, arguments.min_confidence
    )


class Labeller(Protocol):
    """Labels the frames of a video, one after the other."""

    @property
    def classes(self) -> ClassTable:
        """What the labels mean."""

    def label(self, image: np.ndarray) -> np.ndarray:
        """(H, W) uint8 of an image, (H, W, 3) uint8, RGB; 255 where it is not sure."""


class ExportedLabeller:
    """A network in a file that `lmanet export` wrote, as it segments a stream."""

    def __init__(self, file: str, min_confidence: float) -> None:
        self._segmenter = open_segmenter(model_file=file)
        self._min_confidence = min_confidence
        self.classes = self._segmenter.classes

    def label(self, image: np.ndarray) -> np.ndarray:
        result = self._segmenter.step(image)
        assert result.confidence is not None
        return without_uncertain(result.labels, result.confidence, self._min_confidence)


def _telling_what_is_kept(frames: Iterator[np.ndarray], images: Path) -> Iterator[np.ndarray]:
    """Frames of a video; where it turns out to be damaged, what is labelled by then is told."""
    count = 0
    try:
        for frame in frames:
            count += 1
            yield frame
    except ValueError as error:
        raise ValueError(f"{error}. {images} has the {count} frames that could be read") from None


def _check_classes(path: Path, teacher: Labeller) -> None:
    """Write the classes down, or make sure that they are those of the other videos."""
    if not path.exists():
        write_classes(teacher.classes, path)
    elif read_classes(path).names != teacher.classes.names:
        raise ValueError(f"the teacher's classes are not those of the videos in {path.parent}")
