"""Which image sizes a network accepts."""

from __future__ import annotations

import math
from dataclasses import dataclass

MAX_PIXELS = 2**25
"""Most pixels of an image or of labels: a little more than 8K video has."""


def check_pixels(name: str, size: tuple[int, int] | None) -> None:
    """Refuse sizes for which no machine has the memory; a runtime's own words blame other things.

    Args:
        name: of the argument.
        size: (width, height), or None.

    Raises:
        ValueError: that are too many pixels.
    """
    if size is not None and size[0] * size[1] > MAX_PIXELS:
        raise ValueError(
            f"{name} must have {MAX_PIXELS} pixels at most, as 8K video has, "
            f"got {size[0]}x{size[1]}"
        )


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
