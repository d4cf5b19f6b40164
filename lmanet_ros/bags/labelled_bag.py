"""Recordings of labelled videos, as a camera with a labelling driver would publish them.

Written to the file directly, without nodes: the same frames give the same recording.
"""

from __future__ import annotations

from array import array
from collections.abc import Iterator
from pathlib import Path
from typing import NamedTuple

import cv2
import numpy as np
from builtin_interfaces.msg import Time
from rclpy.serialization import serialize_message
from sensor_msgs.msg import CameraInfo, CompressedImage, Image
from std_msgs.msg import Header, String

from lmanet_core import ClassTable
from lmanet_core.cloud.camera_model import CameraModel
from lmanet_core.data.street_dataset import RenderedVideo
from lmanet_core.data.video import VideoDataset
from lmanet_core.program.progress import progress_bar
from lmanet_ros.bags.bag_format import BagFormat
from lmanet_ros.bags.writing import BagWriter
from lmanet_ros.messages.camera_info import camera_info
from lmanet_ros.messages.class_json import to_json
from lmanet_ros.messages.depth_image import from_depth
from lmanet_ros.messages.image_conversion import from_array

NAMESPACE = "/camera"
DEPTH_ENCODING = "16UC1"
FRAME_ID = "camera"
FIRST_STAMP = 1.0
"""Seconds; a stamp of 0 would mean that there is none."""
VIDEO_GAP = 10.0
"""Seconds between two videos of a data set: more than any memory should bridge."""


class RecordedFrame(NamedTuple):
    """A frame of a data set and when it was taken."""

    stamp: int
    """Nanoseconds."""
    image: np.ndarray
    """(H, W, 3) uint8, RGB."""
    labels: np.ndarray | None = None
    """(H, W) uint8, or None where there is no truth."""
    camera: CameraModel | None = None
    """The street's camera; nobody knows that of other data sets."""
    depth: np.ndarray | None = None
    """(H, W) float32 in metres, 0 for no measurement; None where there is none."""


def dataset_frames(
    dataset: VideoDataset, rate: float, limit: int | None = None
) -> Iterator[RecordedFrame]:
    """Frames of a data set, `limit` at most, at `rate` per second."""
    begin, count = FIRST_STAMP, 0
    for video in dataset.videos:
        for index in range(len(video)):
            if count == limit:
                return
            stamp = nanoseconds(begin + index / rate)
            if isinstance(video, RenderedVideo):
                frame = video.frame(index)
                yield RecordedFrame(stamp, frame.image, frame.labels, frame.camera, frame.depth)
            else:
                yield RecordedFrame(stamp, video.image(index), video.labels(index))
            count += 1
        begin += len(video) / rate + VIDEO_GAP


def nanoseconds(seconds: float) -> int:
    """A time as stamps have it."""
    return round(seconds * 1e9)


def write_bag(
    path: Path,
    frames: Iterator[RecordedFrame],
    classes: ClassTable | None,
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
        classes: what the labels mean; None: there are none.
        bag_format: storage and image format.

    Returns:
        Number of frames written.
    """
    compressed = bag_format.images != "raw"
    count = 0
    with BagWriter(path, bag_format.storage) as bag:
        write_info = bag.add_topic(f"{NAMESPACE}/camera_info", CameraInfo)
        write_image = (
            bag.add_topic(f"{NAMESPACE}/image/compressed", CompressedImage)
            if compressed
            else bag.add_topic(f"{NAMESPACE}/image", Image)
        )
        if classes:
            write_classes = bag.add_topic(f"{NAMESPACE}/classes", String)
            write_labels = bag.add_topic(f"{NAMESPACE}/labels", Image)
        write_depth = None
        for count, frame in enumerate(progress_bar(frames, path.name, unit="frame"), 1):
            header = Header(frame_id=FRAME_ID, stamp=_time(frame.stamp))
            if classes and count == 1:
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
