"""`lmanet label`: a video without labels becomes one to train on."""

from __future__ import annotations

import argparse
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING

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
from lmanet_core.network.classes import IGNORE_LABEL
from lmanet_core.network.resizing import resize_image
from lmanet_core.output.files import write_picture
from lmanet_core.program.arguments import add_renamed, image_size

if TYPE_CHECKING:
    from lmanet_core.training.teacher import Teacher

HELP = "label a video with a network, to train on it as the data set 'recording'"
EXTRA = "torch"


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Declare the verb's options."""
    parser.add_argument("checkpoint", help="the teacher: .safetensors file or shipped name")
    parser.add_argument("video", type=Path, help="video file, folder of images, or rosbag2")
    parser.add_argument("output", type=Path, metavar="OUT", help="folder of the data set")
    parser.add_argument("--name", help="of the video in OUT; default: the name of its file")
    parser.add_argument("--size", type=image_size, help="WIDTHxHEIGHT to bring frames to")
    parser.add_argument("--every", type=int, default=1, help="label every so many-th frame only")
    parser.add_argument("--scales", type=float, nargs="+", default=[0.75, 1.0, 1.5])
    parser.add_argument("--no-mirror", action="store_true", help="do not ask for mirrored frames")
    parser.add_argument(
        "--min-confidence",
        type=float,
        default=0.7,
        help="0..1, probability below which a pixel has no label; default: %(default)s",
    )
    add_renamed(parser, "--sure", "--min-confidence", type=float)


def run(arguments: argparse.Namespace) -> None:
    """Write frames and labels, and say how much of them is labelled.

    Raises:
        ValueError: checkpoint, video, output or an option cannot be used.
    """
    if arguments.every < 1:
        raise ValueError(f"--every must be at least 1, got {arguments.every}")
    from lmanet_core.training.teacher import Teacher

    teacher = Teacher(
        load(arguments.checkpoint),
        arguments.scales,
        not arguments.no_mirror,
        arguments.min_confidence,
    )
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


def _telling_what_is_kept(frames: Iterator[np.ndarray], images: Path) -> Iterator[np.ndarray]:
    """Frames of a video; where it turns out to be damaged, what is labelled by then is told."""
    count = 0
    try:
        for frame in frames:
            count += 1
            yield frame
    except ValueError as error:
        raise ValueError(f"{error}. {images} has the {count} frames that could be read") from None


def _check_classes(path: Path, teacher: Teacher) -> None:
    """Write the classes down, or make sure that they are those of the other videos."""
    if not path.exists():
        write_classes(teacher.classes, path)
    elif read_classes(path).names != teacher.classes.names:
        raise ValueError(f"the teacher's classes are not those of the videos in {path.parent}")
