"""Which image sizes a network accepts."""

from __future__ import annotations

import math
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

    def fit(self, image_size: tuple[int, int], pixels: int | None = None) -> tuple[int, int]:
        """The allowed (width, height) closest to an image's.

        Args:
            image_size: (width, height) of the image.
            pixels: as many as the image is to have, about, in its own proportions; None: its own.
        """
        width, height = image_size
        scale = 1.0 if pixels is None else math.sqrt(pixels / (width * height))
        return self.nearest(scale * width), self.nearest(scale * height)
