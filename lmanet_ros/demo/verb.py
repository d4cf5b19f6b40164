"""`lmanet demo`: a video through the real node, recorded, scored and pictured.

lmanet demo --frames 50
"""

from __future__ import annotations

import argparse
from pathlib import Path

from lmanet_core.program.arguments import add_renamed, image_size

HELP = "segment a video with the real node; record, score and picture what it says"
EXTRA = "ros"


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Declare the verb's options."""
    parser.add_argument("--video", help="video file or folder of images; default: synthetic street")
    parser.add_argument("--output", type=Path, default=Path("demo_output"), help="folder to write")
    parser.add_argument("--frames", type=int, default=200, help="frames at most; default: 200")
    parser.add_argument("--rate", type=float, default=10.0, help="frames per second; default: 10")
    parser.add_argument("--size", type=image_size, help="WIDTHxHEIGHT; default: fits the video")
    parser.add_argument("--checkpoint", help="file or name of shipped weights; default: shipped")
    exported = parser.add_mutually_exclusive_group()
    exported.add_argument(
        "--model-file", help="file of `lmanet export` to run in place of a checkpoint"
    )
    add_renamed(exported, "--engine", "--model-file")
    parser.add_argument("--seed", type=int, default=0, help="random seed of the synthetic street")


def run(arguments: argparse.Namespace) -> None:
    """Play, score and picture.

    Raises:
        ValueError, OSError: the network, the video or the node cannot be used.
    """
    from lmanet_ros.demo.play import play

    if arguments.frames < 1 or arguments.rate <= 0:
        raise ValueError("--frames and --rate must be more than 0")
    play(arguments)
