"""One camera's video: what is done with a frame, from the message to the published pictures."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from threading import Lock
from time import perf_counter

import numpy as np
from rclpy.clock import Clock
from rclpy.impl.rcutils_logger import RcutilsLogger
from sensor_msgs.msg import CameraInfo, CompressedImage, Image
from std_msgs.msg import Header

from lmanet_core import ClassTable, SegmentationResult
from lmanet_core.runtime import step_together
from lmanet_ros.messages.image_conversion import ImageError, to_rgb
from lmanet_ros.node.inference.continuity import NANOSECONDS, FrameIdentity
from lmanet_ros.node.inference.continuous_memory import ContinuousMemory
from lmanet_ros.node.publishing.image_outputs import ImageOutputs
from lmanet_ros.node.reporting.frame_statistics import FrameStatistics, FrameTimes
from lmanet_ros.node.segmentation_parameters import NodeParameters

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
    session: int
    """Session in which its stream was open, see `Stream.close`."""


@dataclass(frozen=True)
class PreparedFrame:
    """A frame as the network takes it."""

    frame: Frame
    begin: float
    """`perf_counter` when work on it began."""
    image: np.ndarray
    """(H, W, 3) uint8, RGB."""
    identity: FrameIdentity
    wanted: frozenset[str]
    """Outputs that somebody listens to."""


class Stream:
    """The video of one camera: what is done with its frames while it is listened to.

    `begin`, `finish` and `fail` are called by the worker's thread through `process`, all else by
    the thread that receives messages.

    Args:
        memory: the network and what it remembers of this video.
        statistics: statistics of its frames.
        outputs: what is published.
        logger: logger of the camera.
        clock: clock of the node.
    """

    def __init__(
        self,
        memory: ContinuousMemory,
        statistics: FrameStatistics,
        outputs: ImageOutputs,
        logger: RcutilsLogger,
        clock: Clock,
    ) -> None:
        self.memory = memory
        self.statistics = statistics
        self.outputs = outputs
        self._logger = logger
        self._clock = clock
        # Held while it is decided whether a frame is of this session, and that is acted on.
        self._deciding = Lock()
        self._session = 0

    def apply(self, parameters: NodeParameters, classes: ClassTable) -> None:
        """Take over the parameters that may change at any time, and the classes' colours."""
        self.memory.apply(parameters)
        self.outputs.apply(parameters, classes)

    def open(self) -> None:
        """Begin a session: rates and silence are of what comes from now on."""
        self.statistics.restart()

    def close(self) -> None:
        """End the session: nothing is published of its frames any more, also of one that the
        network is working on, and also if a new session has begun by then.
        """
        with self._deciding:
            self._session += 1

    def drop(self) -> None:
        """Count a frame that gave way to newer ones, or whose session is over."""
        self.statistics.count("dropped")
        self._logger.debug("frame dropped")

    def skip(self) -> None:
        """Count a frame that is above the rate asked for."""
        self.statistics.count("skipped")
        self._logger.debug("frame skipped: max_rate")

    def room(self) -> int:
        """How many frames may wait, those of other streams included, without loss to this one.

        As many as the network works off before the camera sends its next: so a burst is answered,
        and nothing waits longer than about a period. A slow network's newest frame waits alone.
        """
        processing = self.statistics.median_processing_time()
        return int(self.statistics.mean_period() / processing) if processing else 1

    def frame(
        self, message: Image | CompressedImage, info: CameraInfo | None, arrival: float
    ) -> Frame:
        """A frame of this session, which waits from now on; see `Frame`."""
        self.statistics.begin_waiting(arrival)
        return Frame(message, info, arrival, self._session)

    def refuse(self, error: ImageError) -> None:
        """Count and report a frame that cannot be used; it leaves the memory as it is."""
        self.statistics.count("refused", f"refused_{error.kind.replace(' ', '_')}")
        self._logger.error(f"frame refused: {error}", throttle_duration_sec=LOG_PERIOD)

    def begin(self, frame: Frame, idle_since: float) -> PreparedFrame | None:
        """Make an image of a message and prepare the memory for it; None if that fails.

        Args:
            frame: the frame.
            idle_since: `perf_counter` when the worker had finished the frame before.
        """
        try:
            image = to_rgb(frame.message)
            header = frame.message.header
            size = (image.shape[1], image.shape[0])
            identity = FrameIdentity(_nanoseconds(header), header.frame_id, size)
            with self._deciding:
                if frame.session != self._session:
                    self.drop()
                    return None
                self.statistics.begin_waiting(frame.arrival)
                self.memory.prepare(identity)
            begin = max(frame.arrival, idle_since)
            return PreparedFrame(frame, begin, image, identity, self.outputs.wanted())
        except ImageError as error:
            self.statistics.end_waiting()
            self.refuse(error)
        except Exception as error:
            self.fail(frame, error)
        return None

    def finish(self, prepared: PreparedFrame, result: SegmentationResult, step_time: float) -> None:
        """Publish what is wanted of a result.

        Args:
            prepared: what `begin` gave.
            result: result of the network.
            step_time: seconds that the network took.
        """
        self.memory.advance(prepared.identity)
        try:
            self._publish(prepared, result, step_time)
        except Exception as error:
            self.fail(prepared.frame, error)

    def fail(self, frame: Frame, error: Exception) -> None:
        """Count and report a frame that failed, for want of memory for instance."""
        if frame.session != self._session:
            self.drop()
            return
        self.statistics.end_waiting()
        self.statistics.count("failed")
        self._logger.error(
            f"frame failed: {type(error).__name__}: {error}", throttle_duration_sec=LOG_PERIOD
        )

    def _publish(
        self, prepared: PreparedFrame, result: SegmentationResult, step_time: float
    ) -> None:
        message = prepared.frame.message
        with self._deciding:
            if prepared.frame.session != self._session:
                self.drop()
                return
            published = self.outputs.publish(
                prepared.wanted, message.header, prepared.image, result, prepared.frame.info
            )
            self.statistics.end_waiting()
        end = perf_counter()
        self.statistics.count(*(f"{name}_published" for name in published))
        now = self._clock.now().nanoseconds
        times = FrameTimes(
            step=step_time,
            overhead=end - prepared.begin - step_time,
            from_receipt=end - prepared.frame.arrival,
            from_stamp=(now - _nanoseconds(message.header)) / NANOSECONDS,
        )
        self.statistics.add_processed(times)
        self._logger.debug(
            f"frame of {_nanoseconds(message.header) / NANOSECONDS:.3f} s segmented in "
            f"{1e3 * step_time:.1f} ms, memory of {self.memory.segmenter.backend.filled} frames, "
            f"published: {', '.join(published) or 'nothing'}"
        )


def process(frames: Sequence[tuple[Stream, Frame]], idle_since: float) -> None:
    """Segment frames of different streams of one network together, and publish what is wanted.

    Whatever happens to a frame, the node lives on.

    Args:
        frames: with the stream of each.
        idle_since: `perf_counter` when the worker had finished the frames before.
    """
    begun = [(stream, stream.begin(frame, idle_since)) for stream, frame in frames]
    batch = [(stream, prepared) for stream, prepared in begun if prepared is not None]
    if not batch:
        return
    step_begin = perf_counter()
    try:
        # Also if nobody listens: whoever begins to finds a memory that is warm.
        results = step_together(
            [stream.memory.segmenter for stream, _ in batch],
            [prepared.image for _, prepared in batch],
            confidence=any(
                stream.outputs.needs_confidence(prepared.wanted) for stream, prepared in batch
            ),
        )
    except Exception as error:
        for stream, prepared in batch:
            stream.fail(prepared.frame, error)
        return
    step_time = perf_counter() - step_begin
    for (stream, prepared), result in zip(batch, results, strict=True):
        stream.finish(prepared, result, step_time)


def _nanoseconds(header: Header) -> int:
    return int(header.stamp.sec * NANOSECONDS + header.stamp.nanosec)
