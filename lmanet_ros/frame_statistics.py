"""What happened to the frames: counted as it happens, reported as diagnostics."""

from __future__ import annotations

from collections import Counter, deque
from statistics import median
from threading import Lock

from diagnostic_msgs.msg import DiagnosticStatus, KeyValue

COUNTERS = ("received", "processed", "dropped", "refused", "failed", "lost", "resets")
"""Reported from the start. Dropped: displaced by a newer frame; lost: never handed over by ROS."""

RECENT_FRAMES = 100
"""Frames that the reported times are medians of."""


class FrameStatistics:
    """Counters and times of one node; usable from all of its threads."""

    def __init__(self) -> None:
        self._lock = Lock()
        self._counts: Counter[str] = Counter(dict.fromkeys(COUNTERS, 0))
        self._step_times: deque[float] = deque(maxlen=RECENT_FRAMES)
        self._overhead_times: deque[float] = deque(maxlen=RECENT_FRAMES)
        self._reported: Counter[str] = Counter()

    def count(self, *events: str, times: int = 1) -> None:
        """Add `times` to each of the named counters."""
        with self._lock:
            self._counts.update(dict.fromkeys(events, times))

    def add_times(self, step: float, overhead: float) -> None:
        """Note what a processed frame took, in seconds."""
        with self._lock:
            self._step_times.append(step)
            self._overhead_times.append(overhead)

    def report(self, node_name: str, memory_filled: int, memory_size: int) -> DiagnosticStatus:
        """All figures so far; the level is judged by what is new since the last report."""
        with self._lock:
            counts = Counter(self._counts)
            values: dict[str, object] = dict(counts)
            if self._step_times:
                values["step_ms_last"] = f"{self._step_times[-1] * 1e3:.2f}"
                values["step_ms_median"] = f"{median(self._step_times) * 1e3:.2f}"
                values["overhead_ms_median"] = f"{median(self._overhead_times) * 1e3:.2f}"
            new = counts - self._reported
            self._reported = counts
        values |= {"memory_filled": memory_filled, "memory_size": memory_size}
        level, message = _judge(new)
        return DiagnosticStatus(
            level=level,
            name=f"{node_name}: segmentation",
            message=message,
            values=[KeyValue(key=key, value=str(value)) for key, value in values.items()],
        )


def _judge(new: Counter[str]) -> tuple[bytes, str]:
    if bad := new["refused"] + new["failed"]:
        return DiagnosticStatus.WARN, f"{bad} of {new['received']} frames could not be used"
    if new["received"] == 0:
        return DiagnosticStatus.STALE, "no frames received"
    return DiagnosticStatus.OK, "segmenting"
