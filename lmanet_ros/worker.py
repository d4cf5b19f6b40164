"""The thread that turns image messages into published pictures."""

from __future__ import annotations

from dataclasses import dataclass
from threading import Event, Thread
from time import perf_counter

from rclpy.impl.rcutils_logger import RcutilsLogger
from sensor_msgs.msg import CompressedImage, Image

from lmanet_core import VideoSegmenter
from lmanet_ros.continuity import NANOSECONDS, FrameIdentity, find_break
from lmanet_ros.frame_statistics import FrameStatistics
from lmanet_ros.image_conversion import ImageError, to_rgb
from lmanet_ros.mailbox import Mailbox
from lmanet_ros.outputs import Outputs

LOG_PERIOD = 5.0
"""Seconds between two log lines about frames that could not be used."""


@dataclass(frozen=True)
class Frame:
    """An image message that passed `image_conversion.check`."""

    message: Image | CompressedImage
    arrival: float
    """`perf_counter` when it was received."""


class FrameWorker:
    """Takes frames from a mailbox, segments them and publishes the results, in its own thread.

    So the thread that receives messages never waits for the network, and a network slower than the
    camera always works on the newest frame.
    """

    def __init__(
        self,
        segmenter: VideoSegmenter,
        outputs: Outputs,
        statistics: FrameStatistics,
        logger: RcutilsLogger,
        max_frame_gap: float,
    ) -> None:
        self._segmenter = segmenter
        self._outputs = outputs
        self._statistics = statistics
        self._logger = logger
        self._max_frame_gap = max_frame_gap
        self._previous: FrameIdentity | None = None
        self._reset_requested = Event()
        self._stopping = Event()
        self._mailbox: Mailbox[Frame] = Mailbox()
        # A daemon: the end of the process need not wait for a network that takes long.
        self._thread = Thread(target=self._run, name="frame_worker", daemon=True)

    @property
    def memory_filled(self) -> int:
        """Number of past frames that the next one will see."""
        return 0 if self._reset_requested.is_set() else self._segmenter.filled

    def start(self) -> None:
        self._thread.start()

    def submit(self, frame: Frame) -> None:
        """Have a frame segmented next; one that is still waiting is dropped in its favour."""
        if self._mailbox.put(frame):
            self._statistics.count("dropped")

    def refuse(self, error: ImageError) -> None:
        """Count and report a frame that cannot be used; it leaves the memory as it is."""
        self._statistics.count("refused", f"refused_{error.kind.replace(' ', '_')}")
        self._logger.error(f"frame refused: {error}", throttle_duration_sec=LOG_PERIOD)

    def request_reset(self) -> None:
        """Let the next frame that is begun find an empty memory."""
        self._reset_requested.set()

    def stop(self, timeout: float) -> bool:
        """Finish the current frame; False if that is not done after `timeout` seconds."""
        self._stopping.set()
        self._mailbox.close()
        self._thread.join(timeout)
        return not self._thread.is_alive()

    def _run(self) -> None:
        idle_since = perf_counter()
        while frame := self._mailbox.take():
            # Waiting for the frame before to be finished is no overhead of this one.
            begin = max(frame.arrival, idle_since)
            try:
                step_time = self._process(frame.message)
            except ImageError as error:
                self.refuse(error)
            except Exception as error:
                # One frame may fail, for want of memory for instance; the node must live on.
                self._fail(error)
            else:
                self._statistics.count("processed")
                self._statistics.add_times(step_time, perf_counter() - begin - step_time)
            idle_since = perf_counter()

    def _process(self, message: Image | CompressedImage) -> float:
        """Seconds that the network took, of all that was done for the frame."""
        image = to_rgb(message)
        self._keep_continuous(message, size=(image.shape[1], image.shape[0]))
        wanted = self._outputs.wanted()
        begin = perf_counter()
        # Also if nobody listens: whoever begins to finds a memory that is warm.
        result = self._segmenter.step(image, confidence="confidence" in wanted)
        step_time = perf_counter() - begin
        if not self._stopping.is_set():
            self._outputs.publish(wanted, message.header, image, result)
            self._statistics.count(*(f"{name}_published" for name in wanted))
        return step_time

    def _keep_continuous(self, message: Image | CompressedImage, size: tuple[int, int]) -> None:
        """Empty the memory if the frame does not continue what is in it, or if asked to."""
        stamp = message.header.stamp
        current = FrameIdentity(
            stamp.sec * NANOSECONDS + stamp.nanosec, message.header.frame_id, size
        )
        if self._reset_requested.is_set():
            self._reset_requested.clear()
            self._reset("on request")
        elif self._previous and (
            reason := find_break(self._previous, current, self._max_frame_gap)
        ):
            self._reset(reason)
        self._previous = current

    def _reset(self, reason: str) -> None:
        self._logger.info(f"memory of {self._segmenter.filled} frames emptied: {reason}")
        self._segmenter.reset()
        self._statistics.count("resets")

    def _fail(self, error: Exception) -> None:
        if self._stopping.is_set():
            return
        self._statistics.count("failed")
        self._logger.error(
            f"frame failed: {type(error).__name__}: {error}", throttle_duration_sec=LOG_PERIOD
        )
