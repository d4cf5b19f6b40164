"""The run itself: node and publisher as processes, and the recorder that listens to both."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path

import rclpy
from diagnostic_msgs.msg import DiagnosticArray
from geometry_msgs.msg import PoseStamped
from rclpy.node import Node
from sensor_msgs.msg import CameraInfo, Image
from tqdm import tqdm

from lmanet_ros.bags.writing import BagWriter
from lmanet_ros.demo import topics
from lmanet_ros.demo.recorder import Recorder
from lmanet_ros.messages.frame_counts import frame_counts
from lmanet_ros.processes import NodeProcess, ProcessError, own_network, started

RECORDED = {
    **dict.fromkeys((topics.IMAGE, topics.GROUND_TRUTH, *topics.OUTPUTS), Image),
    topics.DEPTH: Image,
    topics.CAMERA_INFO: CameraInfo,
    topics.POSE: PoseStamped,
    topics.DIAGNOSTICS: DiagnosticArray,
}
# Every frame is to reach the node, so that those it drops are those it is too slow for.
NODE_QOS = {f"qos_overrides.{topics.IMAGE}.subscription.reliability": "reliable"}
CONNECTION_TIMEOUT = 60.0
ANSWER_TIMEOUT = 15.0
"""Seconds to wait for the answers to the last frames."""


def record(
    bag: Path,
    node_parameters: Mapping[str, object],
    publisher_parameters: Mapping[str, object],
    frames: int,
    log_folder: Path,
) -> None:
    """Play a video to the segmentation node and record both into a bag.

    Args:
        bag: folder to make; an MCAP rosbag2.
        node_parameters: of segmentation_node.
        publisher_parameters: of video_publisher.
        frames: number of frames to publish at most.
        log_folder: where what the processes say goes.

    Raises:
        ProcessError: one of the processes died, or the node does not come up.
    """
    with own_network(), BagWriter(bag) as writer:
        listener = _Listener(writer)
        with started("segmentation_node", {**node_parameters, **NODE_QOS}, log_folder) as node:
            print("starting segmentation_node", flush=True)
            if not listener.listen(listener.is_connected, (node,), CONNECTION_TIMEOUT):
                raise ProcessError(f"segmentation_node is silent for {CONNECTION_TIMEOUT:.0f} s")
            # The node and the recorder.
            parameters = {**publisher_parameters, "frames": frames, "wait_for_subscribers": 2}
            with (
                started("video_publisher", parameters, log_folder) as publisher,
                listener.showing_progress(frames),
            ):
                listener.listen(lambda: not publisher.is_running(), (node, publisher))
                listener.listen(listener.is_complete, (node,), ANSWER_TIMEOUT)


class _Listener:
    """A recorder that knows how far the node is."""

    def __init__(self, writer: BagWriter) -> None:
        self._node = Node("demo_recorder")
        self._recorder = Recorder(self._node, writer, RECORDED)
        self._frame_counts: dict[str, int] = {}
        self._progress: tqdm | None = None
        self._node.create_subscription(
            DiagnosticArray, topics.DIAGNOSTICS, self._on_diagnostics, 10
        )

    def listen(
        self,
        condition: Callable[[], bool],
        processes: tuple[NodeProcess, ...],
        timeout: float = float("inf"),
    ) -> bool:
        """Record until a condition holds; False if it does not within `timeout` seconds.

        Raises:
            ProcessError: one of `processes` has died meanwhile.
        """
        end = time.monotonic() + timeout
        while not condition():
            if time.monotonic() > end:
                return False
            for process in processes:
                process.is_running()
            rclpy.spin_once(self._node, timeout_sec=0.1)
            self._show_progress()
        return True

    def is_connected(self) -> bool:
        """Whether the node is up and all its topics are found."""
        return bool(self._frame_counts) and all(map(self._node.count_publishers, topics.OUTPUTS))

    def is_complete(self) -> bool:
        """Whether the node accounts for every frame, and every answer is recorded."""
        counts, recorded = self._frame_counts, self._recorder.counts
        ends = sum(counts[end] for end in ("processed", "dropped", "refused", "failed"))
        return (
            counts["received"] + counts["lost"] >= recorded[topics.IMAGE]
            and counts["received"] == ends
            and all(
                recorded[topic] >= counts.get(f"{topic.rpartition('/')[2]}_published", 0)
                for topic in topics.OUTPUTS
            )
        )

    @contextmanager
    def showing_progress(self, frames: int) -> Iterator[None]:
        """Show a progress bar of answered frames."""
        with tqdm(total=frames, desc="playing", unit="frame") as self._progress:
            yield
            # A video may be shorter than that.
            self._progress.total = self._progress.n
        self._progress = None

    def _show_progress(self) -> None:
        if self._progress is not None:
            published = self._recorder.counts[topics.IMAGE]
            answered = self._recorder.counts[topics.LABELS]
            self._progress.set_postfix(answered=answered, refresh=False)
            self._progress.update(published - self._progress.n)

    def _on_diagnostics(self, message: DiagnosticArray) -> None:
        self._frame_counts = frame_counts(message)
