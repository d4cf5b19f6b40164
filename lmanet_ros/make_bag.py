"""`lmanet make-bag`, also `ros2 run lmanet_ros make_bag`: records a data set as rosbag2.

lmanet make-bag --frames 50
"""

from __future__ import annotations

import argparse
import sys
from pathlib import Path
from typing import TYPE_CHECKING

from lmanet_core.data.datasets import DATASETS
from lmanet_core.program.arguments import image_size
from lmanet_core.program.verb import run_verb
from lmanet_ros.bags.bag_format import IMAGE_FORMATS, STORAGES, BagFormat

if TYPE_CHECKING:
    from lmanet_core.data.video import VideoDataset

HELP = "record a labelled data set, such as the synthetic street, as rosbag2"
EXTRA = "evaluation"
STREET_FRAMES = 200


def main(args: list[str] | None = None) -> int:
    """Be the program `make_bag`.

    Args:
        args: command line without the program's name; None: that of the process.

    Returns:
        Exit status: 0, or 1 if the data set cannot be used.
    """
    from lmanet_ros import make_bag as verb

    return run_verb(verb, "make_bag", args)


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Declare the verb's options."""
    parser.add_argument("--output", type=Path, default=Path("bag_output"), help="folder to write")
    parser.add_argument("--dataset", choices=DATASETS.names(), default="synthetic")
    parser.add_argument("--root", type=Path, help="folder of the data set")
    parser.add_argument("--split", default="val", help="part of the data set; default: val")
    parser.add_argument(
        "--frames",
        type=int,
        help=f"frames at most; default: {STREET_FRAMES} of the street, else all",
    )
    parser.add_argument("--rate", type=float, default=15.0, help="frames per second; default: 15")
    parser.add_argument("--size", type=image_size, help="WIDTHxHEIGHT; default: as stored")
    parser.add_argument("--storage", choices=STORAGES, default="mcap")
    parser.add_argument("--images", choices=IMAGE_FORMATS, default="raw")
    street = parser.add_argument_group("the synthetic street")
    street.add_argument("--seed", type=int, default=0)
    street.add_argument("--noise", type=float, default=8.0, help="sensor noise in grey levels")
    street.add_argument("--flicker", type=float, default=0.05)
    street.add_argument(
        "--occlusion-rate", type=float, default=0.5, help="covered patches per second"
    )
    street.add_argument("--no-depth", action="store_true", help="record no depth image")
    street.add_argument(
        "--depth-noise", type=float, default=0.0, help="noise of the depth at 10 m, in metres"
    )
    street.add_argument(
        "--depth-holes", type=float, default=0.0, help="share of the image without depth, 0..1"
    )


def run(arguments: argparse.Namespace) -> None:
    """Record a data set.

    Raises:
        ValueError, OSError: it cannot be used, or not be written.
    """
    from lmanet_core.program.run_program import require_writable
    from lmanet_ros.bags.labelled_bag import NAMESPACE, dataset_frames, write_bag

    if arguments.rate <= 0 or (arguments.frames is not None and arguments.frames < 1):
        raise ValueError("--frames and --rate must be more than 0")
    if arguments.output.exists():
        raise ValueError(f"{arguments.output} exists already: choose another --output")
    require_writable(arguments.output, folder=True)
    dataset = _open(arguments)
    frames = dataset_frames(dataset, arguments.rate, arguments.frames)
    bag_format = BagFormat(arguments.storage, arguments.images)
    count = write_bag(arguments.output, frames, dataset.classes, bag_format)
    print(f"{count} frames in {arguments.output}, under {NAMESPACE}/")


def _open(arguments: argparse.Namespace) -> VideoDataset:
    from lmanet_core.data.datasets import open_dataset
    from lmanet_core.data.street_dataset import RenderedVideo
    from lmanet_core.data.video import VideoDataset
    from lmanet_core.network.classes import CITYSCAPES
    from lmanet_ros.street import STREET_SIZE, street_config

    if arguments.dataset != "synthetic":
        return open_dataset(arguments.dataset, arguments.root, arguments.split, arguments.size)
    config = street_config(arguments.size or STREET_SIZE, arguments.rate, vars(arguments))
    count = arguments.frames or STREET_FRAMES
    video = RenderedVideo(arguments.seed, count, config, depth=not arguments.no_depth)
    return VideoDataset("synthetic", CITYSCAPES, (video,))


if __name__ == "__main__":
    sys.exit(main())
