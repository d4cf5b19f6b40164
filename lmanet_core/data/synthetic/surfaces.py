"""How far away what is painted is: which surface each pixel shows, and where that lies."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np

from lmanet_core.data.synthetic.street_camera import NEAR, Camera

Place = float | np.ndarray | None
"""Where a painted surface is: facing the camera at a distance (m), in the plane of street points
(N, 3), or, None, on the ground."""

_NOTHING, _GROUND = 0, 1
_FARTHEST = 1000.0
"""Metres; what is beyond has no depth."""


class Surfaces:
    """The number of the surface that each canvas pixel shows, and the plane of each.

    The distance along the camera's axis is 1 / (a u + b v + c) on a plane, u and v being pixels.
    """

    def __init__(self, width: int, height: int) -> None:
        self.numbers = np.zeros((height, width), np.int32)
        self._planes: list[tuple[float, float, float, float, float]] = []

    def begin(self, camera: Camera) -> None:
        """Begin a frame: nothing but the ground is there."""
        self._camera = camera
        self.numbers[:] = _NOTHING
        self.numbers[max(round(camera.horizon), 0) :] = _GROUND
        scale = 1 / (camera.focal * camera.y)
        ground = (0.0, scale, -camera.horizon * scale, -np.inf, np.inf)
        self._planes = [(0.0, 0.0, 0.0, 0.0, 0.0), ground]

    def paint(self, draw: Callable[[np.ndarray, Any], object], place: Place) -> None:
        """Draw a surface as its colour is drawn.

        Args:
            draw: takes an image and the value to draw.
            place: place of the surface.
        """
        draw(self.numbers, self._number(place))

    def depth(self, supersampling: int) -> np.ndarray:
        """Metres along the camera's axis to what each image pixel shows, 0 for the sky.

        Args:
            supersampling: canvas pixels for each pixel, of which the last one's surface counts, as
                with labels. A pixel's centre is its first canvas pixel's, as the camera has it.

        Returns:
            (H, W) float32.
        """
        shown = self.numbers[supersampling - 1 :: supersampling, supersampling - 1 :: supersampling]
        a, b, c, low, high = np.array(self._planes).T[:, shown]
        v, u = np.ogrid[: shown.shape[0], : shown.shape[1]]
        inverse = (a * (supersampling * u) + b * (supersampling * v) + c).clip(low, high)
        seen = inverse > 1 / _FARTHEST
        return np.where(seen, 1 / np.where(seen, inverse, 1), 0).astype(np.float32)

    def _number(self, place: Place) -> int:
        if place is None or (isinstance(place, np.ndarray) and not place[:, 1].any()):
            return _GROUND
        if isinstance(place, np.ndarray):
            plane = self._plane_of(place)
        else:
            inverse = 1 / max(place, NEAR)
            plane = (0.0, 0.0, inverse, inverse, inverse)
        self._planes.append(plane)
        return len(self._planes) - 1

    def _plane_of(self, points: np.ndarray) -> tuple[float, float, float, float, float]:
        inverse = 1 / np.maximum(points[:, 2] - self._camera.s, NEAR)
        pixels = self._camera.project(points)
        # A plane that is seen edge on has no more than its ends.
        center = pixels.mean(0)
        (a, b, c), *_ = np.linalg.lstsq(
            np.column_stack((pixels - center, np.ones(len(points)))), inverse, rcond=1e-6
        )
        return a, b, c - center @ (a, b), inverse.min(), inverse.max()
