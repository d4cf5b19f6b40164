"""Small recordings for tests."""

from __future__ import annotations

from collections.abc import Iterable
from pathlib import Path

import numpy as np
from rclpy.serialization import serialize_message
from sensor_msgs.msg import CompressedImage, Image
from std_msgs.msg import Header

from lmanet_ros.bags.writing import BagWriter
from lmanet_ros.messages.image_conversion import from_array


def write_messages(
    path: Path, messages: Iterable[tuple[str, Image | CompressedImage]], storage: str = "mcap"
) -> Path:
    """Record pairs of topic and message, each as received at its stamp, but in this order."""
    with BagWriter(path, storage) as bag:
        topics = {}
        received = 0
        for topic, message in messages:
            write = topics.get(topic) or topics.setdefault(
                topic, bag.add_topic(topic, type(message))
            )
            received = max(received, nanoseconds(message))
            write(received, serialize_message(message))
    return path


def nanoseconds(message: Image | CompressedImage) -> int:
    return message.header.stamp.sec * 1_000_000_000 + message.header.stamp.nanosec


def noise_message(stamp: float, size: tuple[int, int] = (64, 32)) -> Image:
    """An image that does not compress."""
    width, height = size
    random = np.random.default_rng(round(stamp * 1000))
    message = from_array(random.integers(0, 256, (height, width, 3), np.uint8), Header())
    seconds, rest = divmod(round(stamp * 1e9), 1_000_000_000)
    message.header.stamp.sec, message.header.stamp.nanosec = seconds, rest
    message.header.frame_id = "camera"
    return message
