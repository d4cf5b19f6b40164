"""Shows a recording in Rerun: `ros2 run lmanet_ros rerun_view evaluation_output/predictions`."""

from __future__ import annotations

import argparse
import sys
from pathlib import Path

import numpy as np
from std_msgs.msg import String

from lmanet_core import CheckpointError, ClassTable, load
from lmanet_ros.bags.reading import BagError, BagMessage, read_bag
from lmanet_ros.bags.topics import IMAGE_TYPES, LABEL_NAMES, deserialize
from lmanet_ros.bags.writing import type_name
from lmanet_ros.messages.class_json import from_json
from lmanet_ros.messages.image_conversion import check, to_labels, to_rgb

try:
    import rerun
except ModuleNotFoundError:
    raise ModuleNotFoundError("rerun_view needs Rerun: pip install rerun-sdk") from None


def main(args: list[str] | None = None) -> int:
    """Show a recording, or write a file of Rerun's.

    Args:
        args: command line with the program's name; None: that of the process.

    Returns:
        Exit status: 0, or 1 if the recording or the checkpoint cannot be used.
    """
    parser = argparse.ArgumentParser(
        prog="rerun_view", description="Show images and labels of a rosbag2 in Rerun."
    )
    parser.add_argument("bag", type=Path, help="rosbag2 (MCAP or SQLite), or a file of one")
    parser.add_argument("--save", type=Path, help="an .rrd file to write, and no window to open")
    parser.add_argument(
        "--checkpoint",
        help="whose classes the labels are, where the recording does not say; default: shipped",
    )
    arguments = parser.parse_args((sys.argv if args is None else args)[1:])
    rerun.init("lmanet_ros", spawn=arguments.save is None)
    if arguments.save:
        rerun.save(arguments.save)
    try:
        _log_classes("/", load(arguments.checkpoint).config.classes)
        for message in read_bag(arguments.bag):
            _log(message)
    except (BagError, CheckpointError) as error:
        print(f"rerun_view: {error}", file=sys.stderr)
        return 1
    return 0


def _log(message: BagMessage) -> None:
    """What there is to see in a message; damaged ones have nothing."""
    rerun.set_time("recorded", timestamp=np.datetime64(message.received, "ns"))
    try:
        if message.message_type in IMAGE_TYPES:
            _log_image(message)
        elif message.topic.endswith("/classes") and message.message_type == type_name(String):
            namespace = message.topic.removesuffix("/classes")
            _log_classes(namespace, from_json(deserialize(message, String).data))
    except ValueError as error:
        rerun.log(message.topic, rerun.TextLog(str(error), level=rerun.TextLogLevel.WARN))


def _log_image(message: BagMessage) -> None:
    image = deserialize(message, IMAGE_TYPES[message.message_type])
    if message.topic.removesuffix("/compressed").rpartition("/")[2] in LABEL_NAMES:
        rerun.log(message.topic, rerun.SegmentationImage(to_labels(image)))
    else:
        check(image)
        rerun.log(message.topic, rerun.Image(to_rgb(image)))


def _log_classes(namespace: str, classes: ClassTable) -> None:
    entries = zip(classes.names, classes.palette, strict=True)
    infos = [
        rerun.AnnotationInfo(id=label, label=name, color=color)
        for label, (name, color) in enumerate(entries)
    ]
    rerun.log(namespace, rerun.AnnotationContext(infos), static=True)


if __name__ == "__main__":
    sys.exit(main())
