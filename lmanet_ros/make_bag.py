"""Records a labelled data set as rosbag2: `ros2 run lmanet_ros make_bag --help`.

Written to the file directly, without nodes: the same arguments give the same recording.
"""

from __future__ import annotations

import argparse
import sys
from array import array
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import NamedTuple

from lmanet_core.program.run_program import program_needs, require_writable, run_program

with program_needs("make_bag", "evaluation"):
    import cv2
    import numpy as np
    from builtin_interfaces.msg import Time
    from rclpy.serialization import serialize_message
    from sensor_msgs.msg import CameraInfo, CompressedImage, Image
    from std_msgs.msg import Header, String

    from lmanet_core import ClassTable
    from lmanet_core.cloud.camera_model import CameraModel
    from lmanet_core.data.datasets import DATASETS, open_dataset
    from lmanet_core.data.street_dataset import RenderedVideo
    from lmanet_core.data.synthetic import StreetConfig
    from lmanet_core.data.video import DatasetError, VideoDataset
    from lmanet_core.network.classes import CITYSCAPES
    from lmanet_core.program.arguments import image_size
    from lmanet_ros.bags.writing import STORAGES, BagWriter
    from lmanet_ros.messages.camera_info import camera_info
    from lmanet_ros.messages.class_json import to_json
    from lmanet_ros.messages.depth_image import from_depth
    from lmanet_ros.messages.image_conversion import from_array
    from lmanet_ros.progress import progress_bar

NAMESPACE = "/camera"
IMAGE_FORMATS = ("raw", "jpeg", "png")
DEPTH_ENCODING = "16UC1"
FRAME_ID = "camera"
VIDEO_GAP = 10.0
"""Seconds between two videos of a data set: more than any memory should bridge."""
STREET_SIZE = (512, 256)
STREET_FRAMES = 200


class RecordedFrame(NamedTuple):
    """A frame of a data set and when it was taken."""

    stamp: int
    """Nanoseconds."""
    image: np.ndarray
    """(H, W, 3) uint8, RGB."""
    labels: np.ndarray | None
    """(H, W) uint8, or None where there is no truth."""
    camera: CameraModel | None = None
    """That of the street; of others nobody knows it."""
    depth: np.ndarray | None = None
    """(H, W) float32 in metres, 0 for no measurement; None where there is none."""


@dataclass(frozen=True)
class BagFormat:
    """How a recording is written."""

    storage: str = "mcap"
    """A key of `STORAGES`."""
    images: str = "raw"
    """One of `IMAGE_FORMATS`."""


def main(args: list[str] | None = None) -> int:
    """Record a data set.

    Args:
        args: command line without the program's name; None: that of the process.

    Returns:
        Exit status: 0, or 1 if the data set cannot be used.
    """
    arguments = _parse_arguments(args)
    return run_program("make_bag", lambda: _make_bag(arguments), extra="evaluation")


def _make_bag(arguments: argparse.Namespace) -> None:
    if arguments.output.exists():
        raise DatasetError(f"{arguments.output} exists already: choose another --output")
    require_writable(arguments.output, folder=True)
    dataset = _open(arguments)
    frames = _frames(dataset, arguments.rate, arguments.frames)
    bag_format = BagFormat(arguments.storage, arguments.images)
    count = write_bag(arguments.output, frames, dataset.classes, bag_format)
    print(f"{count} frames in {arguments.output}, under {NAMESPACE}/")


def write_bag(
    path: Path,
    frames: Iterator[RecordedFrame],
    classes: ClassTable,
    bag_format: BagFormat,
) -> int:
    """Write frames as a camera with a labelling driver would publish them.

    Topics below `NAMESPACE`, each with the same header: `image` (rgb8) or `image/compressed`,
    `labels` (mono8), `camera_info` and, where there is any, `depth` (16UC1); and once, at the
    beginning, `classes` (JSON in a std_msgs/String). The `camera_info` of a camera that nobody
    knows has zeros for a calibration, which is how ROS says that there is none.

    Args:
        path: folder to make.
        frames: in the order of their stamps.
        classes: what the labels mean.
        bag_format: storage and image format.

    Returns:
        Number of frames written.
    """
    compressed = bag_format.images != "raw"
    count = 0
    with BagWriter(path, bag_format.storage) as bag:
        write_classes = bag.add_topic(f"{NAMESPACE}/classes", String)
        write_info = bag.add_topic(f"{NAMESPACE}/camera_info", CameraInfo)
        write_labels = bag.add_topic(f"{NAMESPACE}/labels", Image)
        write_image = (
            bag.add_topic(f"{NAMESPACE}/image/compressed", CompressedImage)
            if compressed
            else bag.add_topic(f"{NAMESPACE}/image", Image)
        )
        write_depth = None
        for count, frame in enumerate(progress_bar(frames, path.name, unit="frame"), 1):
            header = Header(frame_id=FRAME_ID, stamp=_time(frame.stamp))
            if count == 1:
                write_classes(frame.stamp, serialize_message(String(data=to_json(classes))))
            write_info(frame.stamp, serialize_message(_camera_info(frame, header)))
            image = (
                _compress(frame.image, header, bag_format.images)
                if compressed
                else from_array(frame.image, header)
            )
            write_image(frame.stamp, serialize_message(image))
            if frame.labels is not None:
                write_labels(frame.stamp, serialize_message(from_array(frame.labels, header)))
            if frame.depth is not None:
                write_depth = write_depth or bag.add_topic(f"{NAMESPACE}/depth", Image)
                depth = from_depth(frame.depth, header, DEPTH_ENCODING)
                write_depth(frame.stamp, serialize_message(depth))
    return count


def _parse_arguments(args: list[str] | None) -> argparse.Namespace:
    parser = argparse.ArgumentParser(
        prog="make_bag", description="Record a labelled data set as rosbag2."
    )
    parser.add_argument("--output", type=Path, default=Path("bag_output"), help="folder to make")
    parser.add_argument("--dataset", choices=DATASETS, default="synthetic")
    parser.add_argument("--root", type=Path, help="folder of the data set")
    parser.add_argument("--split", default="val", help="of the data set; default: val")
    parser.add_argument("--frames", type=int, help=f"at most; street: {STREET_FRAMES}, else all")
    parser.add_argument("--rate", type=float, default=15.0, help="frames per second; default: 15")
    parser.add_argument("--size", type=image_size, help="WIDTHxHEIGHT; default: as stored")
    parser.add_argument("--storage", choices=STORAGES, default="mcap")
    parser.add_argument("--images", choices=IMAGE_FORMATS, default="raw")
    street = parser.add_argument_group("the synthetic street")
    street.add_argument("--seed", type=int, default=0)
    street.add_argument("--noise", type=float, default=8.0, help="of 255")
    street.add_argument("--flicker", type=float, default=0.05)
    street.add_argument("--occlusion-rate", type=float, default=0.5, help="per second")
    street.add_argument("--no-depth", action="store_true", help="record no depth image")
    street.add_argument("--depth-noise", type=float, default=0.0, help="in metres, at 10 m")
    street.add_argument("--depth-holes", type=float, default=0.0, help="share of the image, 0..1")
    arguments = parser.parse_args(args)
    if arguments.rate <= 0 or (arguments.frames is not None and arguments.frames < 1):
        parser.error("--frames and --rate must be more than 0")
    return arguments


def _open(arguments: argparse.Namespace) -> VideoDataset:
    if arguments.dataset != "synthetic":
        return open_dataset(arguments.dataset, arguments.root, arguments.split, arguments.size)
    config = StreetConfig(
        size=arguments.size or STREET_SIZE,
        frame_rate=arguments.rate,
        noise=arguments.noise,
        flicker=arguments.flicker,
        occlusion_rate=arguments.occlusion_rate,
        depth_noise=arguments.depth_noise,
        depth_holes=arguments.depth_holes,
    )
    count = arguments.frames or STREET_FRAMES
    video = RenderedVideo(arguments.seed, count, config, depth=not arguments.no_depth)
    return VideoDataset("synthetic", CITYSCAPES, (video,))


def _frames(dataset: VideoDataset, rate: float, limit: int | None) -> Iterator[RecordedFrame]:
    begin, count = 1.0, 0  # A stamp of 0 would mean that there is none.
    for video in dataset.videos:
        for index in range(len(video)):
            if count == limit:
                return
            stamp = round((begin + index / rate) * 1e9)
            if isinstance(video, RenderedVideo):
                frame = video.frame(index)
                yield RecordedFrame(stamp, frame.image, frame.labels, frame.camera, frame.depth)
            else:
                yield RecordedFrame(stamp, video.image(index), video.labels(index))
            count += 1
        begin += len(video) / rate + VIDEO_GAP


def _camera_info(frame: RecordedFrame, header: Header) -> CameraInfo:
    if frame.camera:
        return camera_info(frame.camera, header)
    height, width = frame.image.shape[:2]
    return CameraInfo(header=header, width=width, height=height)


def _compress(image: np.ndarray, header: Header, image_format: str) -> CompressedImage:
    _, data = cv2.imencode(f".{image_format}", cv2.cvtColor(image, cv2.COLOR_RGB2BGR))
    message = CompressedImage(header=header, format=f"rgb8; {image_format} compressed bgr8")
    message.data = array("B", data.tobytes())
    return message


def _time(nanoseconds: int) -> Time:
    return Time(sec=nanoseconds // 1_000_000_000, nanosec=nanoseconds % 1_000_000_000)


if __name__ == "__main__":
    sys.exit(main())
