"""Topics into a rosbag2, as they come over the wire."""

from __future__ import annotations

import time
from collections import Counter
from collections.abc import Callable, Mapping
from functools import partial
from typing import Any

from rclpy.node import Node
from rclpy.qos import QoSProfile

from lmanet_ros.bags.writing import BagWriter

QUEUE_DEPTH = 50
"""Messages of a topic that may wait while others are written."""


class Recorder:
    """Subscribes to topics and writes each message unopened, with the time it was received.

    Args:
        node: the node to subscribe with; whoever spins it, records.
        writer: an open bag.
        topics: message type of each topic.
    """

    def __init__(self, node: Node, writer: BagWriter, topics: Mapping[str, Any]) -> None:
        self.counts: Counter[str] = Counter()
        """Messages written so far, by topic."""
        for topic, message_type in topics.items():
            record = partial(self._record, topic, writer.add_topic(topic, message_type))
            node.create_subscription(
                message_type, topic, record, QoSProfile(depth=QUEUE_DEPTH), raw=True
            )

    def _record(self, topic: str, write: Callable[[int, bytes], None], data: bytes) -> None:
        write(time.time_ns(), data)
        self.counts[topic] += 1
