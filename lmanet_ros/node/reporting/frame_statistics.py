"""What happened to the frames of a camera: counted as it happens, read as a whole."""

from __future__ import annotations

from collections import Counter, deque
from dataclasses import dataclass
from statistics import median
from threading import Lock
from time import perf_counter

COUNTERS = (
    "received",
    "processed",
    "dropped",
    "skipped",
    "refused",
    "failed",
    "lost",
    "resets",
)
"""There from the start. Dropped: displaced by newer frames; skipped: above `max_rate`; lost: never
handed over by ROS."""

RECENT_FRAMES = 100
"""Frames that the reported times are of."""

RECENT_BREAKS = 10
"""Frames of which it is known whether they began with an empty memory."""

RATE_WINDOW = 5.0
"""Seconds that rates are averaged over."""


@dataclass(frozen=True)
class FrameTimes:
    """What a frame took, in seconds."""

    step: float
    """Seconds in the network."""
    overhead: float
    """Seconds in this process, besides the network and the wait for frames before it."""
    from_receipt: float
    """From its receipt until its results were published."""
    from_stamp: float
    """Seconds from the stamp in its header to its results, by the node's clock."""


@dataclass(frozen=True)
class FrameFigures:
    """The statistics of one moment."""

    counts: Counter[str]
    input_rate: float
    """Frames per second, as the next."""
    output_rate: float
    silence: float
    """Seconds since a frame was received; if there was none, since the camera was listened to."""
    waiting: float
    """Seconds since the receipt of a frame that is not answered yet; 0 if there is none."""
    times: tuple[FrameTimes, ...]
    """Times of the last frames."""
    breaks: tuple[str, ...] = ()
    """Why each of the last frames did not continue the one before; empty where it did."""


class FrameStatistics:
    """Counters and times of one camera; usable from all threads of the node."""

    def __init__(self) -> None:
        self._lock = Lock()
        self._counts: Counter[str] = Counter(dict.fromkeys(COUNTERS, 0))
        self._times: deque[FrameTimes] = deque(maxlen=RECENT_FRAMES)
        self._breaks: deque[str] = deque(maxlen=RECENT_BREAKS)
        self.restart()

    def restart(self) -> None:
        """Let rates and silence begin anew; counters go on."""
        with self._lock:
            self._begin = self._last_receipt = perf_counter()
            self._waiting_since: float | None = None
            self._received: deque[float] = deque()
            self._answered: deque[float] = deque()
            self._breaks.clear()

    def count(self, *events: str, times: int = 1) -> None:
        """Add `times` to each of the named counters."""
        with self._lock:
            self._counts.update(dict.fromkeys(events, times))

    def add_received(self, now: float) -> None:
        """Count a frame that came in at `now`, of `perf_counter`."""
        with self._lock:
            self._counts["received"] += 1
            self._last_receipt = now
            self._received.append(now)
            _forget(self._received, now)

    def begin_waiting(self, arrival: float) -> None:
        """Note a frame, received at `arrival`, that waits for the network or is in it."""
        with self._lock:
            if self._waiting_since is None:
                self._waiting_since = arrival

    def end_waiting(self) -> None:
        """The frame in the network is done with, whatever became of it."""
        with self._lock:
            self._waiting_since = None

    def add_processed(self, times: FrameTimes) -> None:
        """Count a frame whose results have just been published."""
        now = perf_counter()
        with self._lock:
            self._counts["processed"] += 1
            self._times.append(times)
            self._answered.append(now)
            _forget(self._answered, now)

    def add_continuity(self, reason: str | None) -> None:
        """Note why a frame does not continue the one before, or None if it does."""
        with self._lock:
            self._breaks.append(reason or "")

    def median_processing_time(self) -> float:
        """Seconds that a frame takes without waiting, the median of late; 0 before the first."""
        with self._lock:
            processing = [times.step + times.overhead for times in self._times]
        return median(processing) if processing else 0.0

    def mean_period(self) -> float:
        """Seconds from one receipt to the next, the mean of late; 0 before the second.

        Not the median: of frames that come in bursts, most come right after another.
        """
        with self._lock:
            if len(self._received) < 2:
                return 0.0
            return (self._received[-1] - self._received[0]) / (len(self._received) - 1)

    def figures(self) -> FrameFigures:
        """All that is known now."""
        now = perf_counter()
        with self._lock:
            duration = max(min(now - self._begin, RATE_WINDOW), 1e-9)
            for moments in (self._received, self._answered):
                _forget(moments, now)
            return FrameFigures(
                counts=Counter(self._counts),
                input_rate=len(self._received) / duration,
                output_rate=len(self._answered) / duration,
                silence=now - self._last_receipt,
                waiting=0.0 if self._waiting_since is None else now - self._waiting_since,
                times=tuple(self._times),
                breaks=tuple(self._breaks),
            )


def _forget(moments: deque[float], now: float) -> None:
    while moments and moments[0] < now - RATE_WINDOW:
        moments.popleft()
