"""Reading a recording back."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from rosbags.highlevel import AnyReader

from lmanet_ros.demo import topics
from lmanet_ros.messages.frame_counts import frame_counts


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


def answered_frames(bag: Path) -> Iterator[AnsweredFrame]:
    """The frames that the node answered, in the order of the answers."""
    with AnyReader([bag]) as reader:
        wanted = {topics.IMAGE, topics.LABELS, topics.COLOR, topics.OVERLAY}
        if reader.topics[topics.GROUND_TRUTH].msgcount:
            wanted.add(topics.GROUND_TRUTH)
        pending: dict[int, dict[str, np.ndarray]] = defaultdict(dict)
        latencies: dict[int, float] = {}
        connections = [c for c in reader.connections if c.topic in wanted]
        for connection, received, data in reader.messages(connections):
            message: Any = reader.deserialize(data, connection.msgtype)
            stamp = message.header.stamp.sec * 1_000_000_000 + message.header.stamp.nanosec
            pending[stamp][connection.topic] = _pixels(message)
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


def _answered_frame(stamp: int, latency: float, pictures: dict[str, np.ndarray]) -> AnsweredFrame:
    return AnsweredFrame(
        stamp=stamp,
        latency=latency,
        image=pictures[topics.IMAGE],
        labels=pictures[topics.LABELS],
        color=pictures[topics.COLOR],
        overlay=pictures[topics.OVERLAY],
        ground_truth=pictures.get(topics.GROUND_TRUTH),
    )


def _pixels(message: Any) -> np.ndarray:
    """Of an rgb8 or mono8 image as `image_conversion.from_array` makes them: nothing to convert."""
    shape = (message.height, message.width)
    return message.data.reshape(shape if message.encoding == "mono8" else (*shape, 3))
