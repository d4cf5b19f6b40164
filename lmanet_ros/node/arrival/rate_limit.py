"""Letting frames through at no more than a rate."""

from __future__ import annotations


class RateLimit:
    """Says which frames to take so that a camera is segmented at a rate of its own.

    Args:
        rate: frames per second; 0: all that come.
    """

    def __init__(self, rate: float) -> None:
        self.rate = rate
        self._due = float("-inf")

    def admits(self, now: float) -> bool:
        """Whether to take a frame that comes at `now`, in seconds."""
        if self.rate <= 0:
            return True
        period = 1 / self.rate
        # Half a period too early is as good as half a period too late.
        if now < self._due - period / 2:
            return False
        # The schedule stays what it was, unless it has been missed.
        self._due = (self._due if now < self._due + period else now) + period
        return True
