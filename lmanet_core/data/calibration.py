"""Frames to calibrate a quantised network with: of a recording, a video, a folder or the street."""

from __future__ import annotations

from collections.abc import Iterator
from itertools import islice
from pathlib import Path
from typing import Any

import numpy as np

from lmanet_core.data.synthetic import StreetConfig, StreetVideo
from lmanet_core.data.video_files import read_video
from lmanet_core.extras import needs_extra

SYNTHETIC = "synthetic"

_SEEDS = (2**31 + 1000, 2**31 + 1001)
"""Of streets that neither training nor the benchmarks draw."""
_IMAGE_TYPES = ("sensor_msgs/msg/Image", "sensor_msgs/msg/CompressedImage")


def calibration_frames(
    source: str, frames: int, held_out: int, size: tuple[int, int], topic: str = ""
) -> tuple[list[np.ndarray], list[np.ndarray]]:
    """Frames to calibrate with, and those that follow them to compare on.

    Args:
        source: `SYNTHETIC`, or path of a rosbag2, of a video file or of a folder of images.
        frames, held_out: how many of each at most; of a shorter source a quarter is held out.
        size: (width, height) of the street.
        topic: of the recording; empty: its only one with images.

    Returns:
        (H, W, 3) uint8, RGB, each.

    Raises:
        ValueError: the source cannot be read, or has less than two frames.
        MissingExtraError: a package is missing.
    """
    if source == SYNTHETIC:
        config = StreetConfig(size=size, noise=8, flicker=0.05)
        streets = [(image for image, _ in StreetVideo(seed, config)) for seed in _SEEDS]
        return list(islice(streets[0], frames)), list(islice(streets[1], held_out))
    path = Path(source)
    images = _bag_images(path, topic) if _is_bag(path) else read_video(path)
    read = list(islice(images, frames + held_out))
    if len(read) < 2:
        raise ValueError(f"{source}: expected two images or more, got {len(read)}")
    held_out = min(held_out, max(1, len(read) // 4))
    return read[:-held_out], read[-held_out:]


def _is_bag(path: Path) -> bool:
    return path.suffix in (".mcap", ".db3", ".bag") or (path / "metadata.yaml").is_file()


def _bag_images(path: Path, topic: str) -> Iterator[np.ndarray]:
    with needs_extra("evaluation", "reading a recording"):
        from rosbags.highlevel import AnyReader
        from rosbags.image import message_to_cvimage
        from rosbags.typesys import Stores, get_typestore
    with AnyReader([path], default_typestore=get_typestore(Stores.ROS2_JAZZY)) as reader:
        connections = [c for c in reader.connections if c.msgtype in _IMAGE_TYPES]
        topics = sorted({connection.topic for connection in connections})
        if not topic and len(topics) == 1:
            (topic,) = topics
        if topic not in topics:
            raise ValueError(
                f"{path}: expected one of its topics with images, {topics}, got '{topic}'"
            )
        chosen = [connection for connection in connections if connection.topic == topic]
        for connection, _, raw in reader.messages(connections=chosen):
            message: Any = reader.deserialize(raw, connection.msgtype)
            yield message_to_cvimage(message, "rgb8")
