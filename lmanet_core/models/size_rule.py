"""Which image sizes a network accepts."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True)
class SizeRule:
    """Width and height must each be k * multiple + offset pixels, k >= 1."""

    multiple: int
    offset: int = 0

    @property
    def smallest(self) -> int:
        """The shortest side in pixels."""
        return self.multiple + self.offset

    def nearest(self, side: float) -> int:
        """The allowed side, in pixels, that is closest to `side`."""
        steps = round((side - self.offset) / self.multiple)
        return max(1, steps) * self.multiple + self.offset
