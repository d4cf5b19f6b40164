"""Letting frames through at no more than a rate."""

from __future__ import annotations


class RateLimit:
    """Says which frames to take so that a camera is segmented at a rate of its own."""

    def __init__(self) -> None:
        self._due = float("-inf")

    def admits(self, now: float, rate: float) -> bool:
        """Whether a frame that comes at `now`, in seconds, is one of `rate` per second; 0: any."""
        if rate <= 0 or now < self._due:
            return rate <= 0
        # From when it was due, not from when it came: a camera that is not quite regular is
        # followed at the rate asked for. But what was missed is not made up for.
        self._due = max(self._due + 1 / rate, now)
        return True
