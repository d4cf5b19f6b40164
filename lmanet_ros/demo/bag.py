"""Reading a recording back."""

from __future__ import annotations

import math
from collections import defaultdict
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from rosbags.highlevel import AnyReader

from lmanet_core.cloud.birds_eye_view import Place
from lmanet_core.cloud.camera_model import CameraModel
from lmanet_core.cloud.depth import depth_in_metres
from lmanet_ros.demo import topics
from lmanet_ros.messages.camera_info import camera_model
from lmanet_ros.messages.depth_image import to_depth
from lmanet_ros.messages.frame_counts import frame_counts

NO_PICTURES = (topics.DEPTH, topics.CAMERA_INFO, topics.POSE)


@dataclass(frozen=True)
class Measurement:
    """What is known of the street in space at a moment."""

    camera: CameraModel
    depth: np.ndarray
    """(H, W) float32 in metres, NaN where it is not known."""
    place: Place
    """Of the camera."""


@dataclass(frozen=True)
class AnsweredFrame:
    """An image and what the node published under the same stamp; pictures are uint8."""

    stamp: int
    """Nanoseconds."""
    latency: float
    """Seconds from the image's stamp to the arrival of its labels."""
    image: np.ndarray
    labels: np.ndarray
    color: np.ndarray
    overlay: np.ndarray
    ground_truth: np.ndarray | None
    """Exact labels, of the synthetic street."""
    measurement: Measurement | None = None
    """Of the street, likewise."""


def answered_frames(bag: Path) -> Iterator[AnsweredFrame]:
    """The frames that the node answered, in the order of the answers."""
    with AnyReader([bag]) as reader:
        wanted = {topics.IMAGE, topics.LABELS, topics.COLOR, topics.OVERLAY}
        of_street = (topics.GROUND_TRUTH, topics.DEPTH, topics.CAMERA_INFO, topics.POSE)
        wanted |= {topic for topic in of_street if reader.topics[topic].msgcount}
        pending: dict[int, dict[str, Any]] = defaultdict(dict)
        latencies: dict[int, float] = {}
        connections = [c for c in reader.connections if c.topic in wanted]
        for connection, received, data in reader.messages(connections):
            message: Any = reader.deserialize(data, connection.msgtype)
            stamp = message.header.stamp.sec * 1_000_000_000 + message.header.stamp.nanosec
            is_picture = connection.topic not in NO_PICTURES
            pending[stamp][connection.topic] = _pixels(message) if is_picture else message
            if connection.topic == topics.LABELS:
                latencies[stamp] = (received - stamp) * 1e-9
            if pending[stamp].keys() == wanted:
                yield _answered_frame(stamp, latencies[stamp], pending[stamp])
                # Frames are answered in order: what is older will not be.
                pending = defaultdict(dict, {s: p for s, p in pending.items() if s > stamp})


def last_frame_counts(bag: Path) -> dict[str, int]:
    """What happened to the frames, as the node's last diagnostics have it; with `published`."""
    counts: dict[str, int] = {}
    with AnyReader([bag]) as reader:
        connections = [c for c in reader.connections if c.topic == topics.DIAGNOSTICS]
        for connection, _, data in reader.messages(connections):
            message: Any = reader.deserialize(data, connection.msgtype)
            counts = frame_counts(message)
        return {"published": reader.topics[topics.IMAGE].msgcount, **counts}


def _answered_frame(stamp: int, latency: float, pictures: dict[str, Any]) -> AnsweredFrame:
    return AnsweredFrame(
        stamp=stamp,
        latency=latency,
        image=pictures[topics.IMAGE],
        labels=pictures[topics.LABELS],
        color=pictures[topics.COLOR],
        overlay=pictures[topics.OVERLAY],
        ground_truth=pictures.get(topics.GROUND_TRUTH),
        measurement=_measurement(pictures) if set(NO_PICTURES) <= set(pictures) else None,
    )


def _measurement(messages: dict[str, Any]) -> Measurement:
    depth, info, pose = (messages[topic] for topic in NO_PICTURES)
    camera = camera_model(info)
    position, turn = pose.pose.position, pose.pose.orientation
    # As `video_publisher` has it: x ahead, y to the left.
    place = Place(-position.y, position.x, -2 * math.atan2(turn.z, turn.w))
    return Measurement(camera, depth_in_metres(to_depth(depth), camera.size), place)


def _pixels(message: Any) -> np.ndarray:
    """Of an rgb8 or mono8 image as `image_conversion.from_array` makes them: nothing to convert."""
    shape = (message.height, message.width)
    return message.data.reshape(shape if message.encoding == "mono8" else (*shape, 3))
