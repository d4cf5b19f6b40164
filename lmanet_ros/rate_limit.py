"""Letting frames through at no more than a rate."""

from __future__ import annotations


class RateLimit:
    """Says which frames to take so that a camera is segmented at a rate of its own."""

    def __init__(self) -> None:
        self._due = float("-inf")

    def admits(self, now: float, rate: float) -> bool:
        """Whether a frame that comes at `now`, in seconds, is one of `rate` per second; 0: any."""
        if rate <= 0:
            return True
        period = 1 / rate
        # Half a period too early is as good as half a period too late.
        if now < self._due - period / 2:
            return False
        # The schedule stays what it was, unless it has been missed.
        self._due = (self._due if now < self._due + period else now) + period
        return True
