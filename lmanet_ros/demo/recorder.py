"""Topics into a rosbag2, as they come over the wire."""

from __future__ import annotations

import time
from collections import Counter
from collections.abc import Mapping
from functools import partial
from typing import Any

from rclpy.node import Node
from rclpy.qos import QoSProfile
from rosbags.interfaces import Connection
from rosbags.rosbag2 import Writer
from rosbags.typesys import Stores, get_typestore

QUEUE_DEPTH = 50
"""Messages of a topic that may wait while others are written."""


class Recorder:
    """Subscribes to topics and writes each message unopened, with the time it was received.

    Args:
        node: the node to subscribe with; whoever spins it, records.
        writer: an open bag.
        topics: message type of each topic.
    """

    def __init__(self, node: Node, writer: Writer, topics: Mapping[str, Any]) -> None:
        self.counts: Counter[str] = Counter()
        """Messages written so far, by topic."""
        self._writer = writer
        typestore = get_typestore(Stores.ROS2_JAZZY)
        for topic, message_type in topics.items():
            package = message_type.__module__.partition(".")[0]
            connection = writer.add_connection(
                topic, f"{package}/msg/{message_type.__name__}", typestore=typestore
            )
            write = partial(self._write, connection)
            node.create_subscription(
                message_type, topic, write, QoSProfile(depth=QUEUE_DEPTH), raw=True
            )

    def _write(self, connection: Connection, data: bytes) -> None:
        self._writer.write(connection, time.time_ns(), data)
        self.counts[connection.topic] += 1
