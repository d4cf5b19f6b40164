"""The memory of a video, emptied where a frame does not continue the one before."""

from __future__ import annotations

from collections import deque

from rclpy.impl.rcutils_logger import RcutilsLogger

from lmanet_core import VideoSegmenter
from lmanet_ros.node.inference.continuity import FrameIdentity, find_break
from lmanet_ros.node.reporting.frame_statistics import FrameStatistics
from lmanet_ros.node.segmentation_parameters import NodeParameters

GAP_FRAMES = 3
"""Frames whose processing two frames may be apart, however long that takes."""


class ContinuousMemory:
    """The network and what it remembers of one video; emptied where a frame does not continue it.

    Args:
        segmenter: the network and the memory.
        statistics: statistics of the video's frames.
        logger: logger of the camera.
        stream_count: videos that share the network.
        parameters: parameters of the node.
    """

    def __init__(
        self,
        segmenter: VideoSegmenter,
        statistics: FrameStatistics,
        logger: RcutilsLogger,
        stream_count: int,
        parameters: NodeParameters,
    ) -> None:
        self.segmenter = segmenter
        self._statistics = statistics
        self._logger = logger
        self._stream_count = stream_count
        self._previous: FrameIdentity | None = None
        # At most one: a second request changes nothing.
        self._reset_requests: deque[str] = deque(maxlen=1)
        self.apply(parameters)

    @property
    def size(self) -> int:
        """Number of past frames that are remembered at most."""
        return self.segmenter.backend.memory_size

    @property
    def filled(self) -> int:
        """Number of past frames that the next one will see."""
        return 0 if self._reset_requests else self.segmenter.backend.filled

    def apply(self, parameters: NodeParameters) -> None:
        """Take over the parameters that may change at any time."""
        self._max_frame_gap = parameters.max_frame_gap

    def request_reset(self, reason: str) -> None:
        """Let the next frame find it empty."""
        self._reset_requests.append(reason)

    def prepare(self, current: FrameIdentity) -> None:
        """Empty it if a frame does not continue what is in it, or if asked to."""
        reason = None
        if self._reset_requests:
            self._reset(self._reset_requests.popleft())
        elif self._previous:
            reason = find_break(self._previous, current, self._longest_gap())
            if reason:
                self._reset(reason)
        self._statistics.add_continuity(reason)

    def advance(self, current: FrameIdentity) -> None:
        """A frame has gone through the network: the next one has to continue it."""
        self._previous = current

    def _longest_gap(self) -> float:
        """A slow network must not empty its own memory: what it drops meanwhile is no gap."""
        if self._max_frame_gap == 0:
            return 0.0
        processing = self._stream_count * self._statistics.median_processing_time()
        return max(self._max_frame_gap, GAP_FRAMES * processing)

    def _reset(self, reason: str) -> None:
        self._logger.info(f"memory of {self.segmenter.backend.filled} frames emptied: {reason}")
        self.segmenter.reset()
        self._previous = None
        self._statistics.count("resets")
