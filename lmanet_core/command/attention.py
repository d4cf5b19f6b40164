"""`lmanet attention`: a picture of where the memory looks.

lmanet attention street drive.mp4 --at 320,200
"""

from __future__ import annotations

import argparse
from itertools import islice
from pathlib import Path

import cv2

from lmanet_core.checkpoint import load
from lmanet_core.data.video_files import read_video
from lmanet_core.network.resizing import resize_image
from lmanet_core.output.files import write_picture
from lmanet_core.program.arguments import image_size, place

HELP = "draw where in past frames the memory reads for places of a frame"
EXTRA = "torch"


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Declare the verb's options."""
    parser.add_argument("checkpoint", help=".safetensors file or name of shipped weights")
    parser.add_argument("video", type=Path, help="video file, folder of images, or rosbag2")
    parser.add_argument(
        "--at",
        type=place,
        nargs="+",
        required=True,
        metavar="X,Y",
        help="places to look at, in pixels of the frame",
    )
    parser.add_argument(
        "--frame",
        type=int,
        help="number of the frame in the video; default: the first with a full memory",
    )
    parser.add_argument("--size", type=image_size, help="size to which frames are resized")
    parser.add_argument(
        "--output",
        type=Path,
        default=Path("attention.png"),
        help="picture to write; default: %(default)s",
    )


def run(arguments: argparse.Namespace) -> None:
    """Write the picture and print its figures.

    Raises:
        ValueError: checkpoint, video or an option cannot be used.
    """
    from lmanet_core.evaluation.attention_maps import (
        attention_error,
        attention_maps_at,
        attention_sheet,
    )

    if not cv2.haveImageWriter(str(arguments.output)):
        raise ValueError(f"expected a picture such as attention.png, got '{arguments.output}'")
    model = load(arguments.checkpoint)
    config = model.config
    full = config.memory_size * config.write_interval
    number = full if arguments.frame is None else arguments.frame
    numbers = model.remembered(number)[-config.memory_size :]
    frames = {
        index: frame
        for index, frame in enumerate(islice(read_video(arguments.video), number + 1))
        if index in {*numbers, number}
    }
    if number not in frames:
        raise ValueError(f"{arguments.video} has no frame {number}")
    if arguments.size is not None:
        frames = {
            index: resize_image(frame, arguments.size, antialias=True)
            for index, frame in frames.items()
        }
    past = {index: frames[index] for index in numbers}
    maps = attention_maps_at(model, frames[number], list(past.values()), arguments.at)
    sheet = attention_sheet(frames[number], past, maps)
    write_picture(arguments.output, sheet)
    for attention in maps:
        shares = ", ".join(
            f"{100 * weights.sum():.0f} % frame {index}"
            for index, weights in zip(past, attention.weights, strict=True)
        )
        print(
            f"{attention.place}: {attention.label_alone} alone, {attention.label} with memory; "
            f"read from {shares}, {100 * attention.outside:.0f} % beyond the border; gates "
            f"{100 * attention.gate:.0f} % open"
        )
    newest = max(past)
    if found := attention_error(model, frames[number], past[newest]):
        print(
            f"all places: {found.distance:.1f} cells from where optical flow finds them in frame "
            f"{newest}; they moved by {found.moved:.1f}"
        )
    print(f"written to {arguments.output}")
