"""One camera's video: what is done with a frame, from the message to the published pictures."""

from __future__ import annotations

from collections import deque
from dataclasses import dataclass
from threading import Lock
from time import perf_counter

from rclpy.clock import Clock
from rclpy.impl.rcutils_logger import RcutilsLogger
from sensor_msgs.msg import CameraInfo, CompressedImage, Image

from lmanet_core import VideoSegmenter
from lmanet_ros.continuity import NANOSECONDS, FrameIdentity, find_break
from lmanet_ros.frame_statistics import FrameStatistics, FrameTimes
from lmanet_ros.image_conversion import ImageError, to_rgb
from lmanet_ros.outputs import Outputs

LOG_PERIOD = 5.0
"""Seconds between two log lines about frames that could not be used."""


@dataclass(frozen=True)
class Frame:
    """An image message that passed `image_conversion.check`."""

    message: Image | CompressedImage
    info: CameraInfo | None
    """What the camera last said about its lens; None if it said nothing."""
    arrival: float
    """`perf_counter` when it was received."""


class Stream:
    """The video of one camera: its memory, its outputs and what happens to its frames.

    `process` is called by the worker's thread, all else by the thread that receives messages. It
    begins closed.
    """

    def __init__(
        self,
        segmenter: VideoSegmenter,
        outputs: Outputs,
        logger: RcutilsLogger,
        clock: Clock,
        max_frame_gap: float,
    ) -> None:
        self.outputs = outputs
        self.statistics = FrameStatistics()
        self.max_frame_gap = max_frame_gap
        self._segmenter = segmenter
        self._logger = logger
        self._clock = clock
        self._previous: FrameIdentity | None = None
        # At most one: a second request changes nothing.
        self._reset_requests: deque[str] = deque(maxlen=1)
        self._publishing = Lock()
        self._is_open = False

    @property
    def memory_size(self) -> int:
        """Number of past frames that are remembered at most."""
        return self._segmenter.memory_size

    @property
    def memory_filled(self) -> int:
        """Number of past frames that the next one will see."""
        return 0 if self._reset_requests else self._segmenter.filled

    def request_reset(self, reason: str) -> None:
        """Let the next frame that is begun find an empty memory."""
        self._reset_requests.append(reason)

    def open(self) -> None:
        """Let results be published."""
        self.statistics.restart()
        self._is_open = True

    def close(self) -> None:
        """Publish nothing any more, not even of a frame that the network is working on."""
        with self._publishing:
            self._is_open = False

    def refuse(self, error: ImageError) -> None:
        """Count and report a frame that cannot be used; it leaves the memory as it is."""
        self.statistics.count("refused", f"refused_{error.kind.replace(' ', '_')}")
        self._logger.error(f"frame refused: {error}", throttle_duration_sec=LOG_PERIOD)

    def process(self, frame: Frame, idle_since: float) -> None:
        """Segment a frame and publish what is wanted of it.

        Args:
            frame: the frame.
            idle_since: `perf_counter` when the worker had finished the frame before.
        """
        try:
            self._process(frame, max(frame.arrival, idle_since))
        except ImageError as error:
            self.refuse(error)
        except Exception as error:
            # One frame may fail, for want of memory for instance; the node must live on.
            self._fail(error)

    def _process(self, frame: Frame, begin: float) -> None:
        header = frame.message.header
        stamp = header.stamp.sec * NANOSECONDS + header.stamp.nanosec
        image = to_rgb(frame.message)
        size = (image.shape[1], image.shape[0])
        self._keep_continuous(FrameIdentity(stamp, header.frame_id, size))
        wanted = self.outputs.wanted()
        step_begin = perf_counter()
        # Also if nobody listens: whoever begins to finds a memory that is warm.
        result = self._segmenter.step(image, confidence="confidence" in wanted)
        step_time = perf_counter() - step_begin
        with self._publishing:
            if not self._is_open:
                self.statistics.count("dropped")
                return
            published = self.outputs.publish(wanted, header, image, result, frame.info)
        end = perf_counter()
        self.statistics.count(*(f"{name}_published" for name in published))
        self.statistics.add_processed(
            FrameTimes(
                step=step_time,
                overhead=end - begin - step_time,
                from_receipt=end - frame.arrival,
                from_stamp=(self._clock.now().nanoseconds - stamp) / NANOSECONDS,
            )
        )

    def _keep_continuous(self, current: FrameIdentity) -> None:
        """Empty the memory if the frame does not continue what is in it, or if asked to."""
        if self._reset_requests:
            self._reset(self._reset_requests.popleft())
        elif self._previous and (reason := find_break(self._previous, current, self.max_frame_gap)):
            self._reset(reason)
        self._previous = current

    def _reset(self, reason: str) -> None:
        self._logger.info(f"memory of {self._segmenter.filled} frames emptied: {reason}")
        self._segmenter.reset()
        self.statistics.count("resets")

    def _fail(self, error: Exception) -> None:
        if not self._is_open:
            self.statistics.count("dropped")
            return
        self.statistics.count("failed")
        self._logger.error(
            f"frame failed: {type(error).__name__}: {error}", throttle_duration_sec=LOG_PERIOD
        )
