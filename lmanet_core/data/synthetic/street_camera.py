"""Pinhole camera that drives along the street."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

NEAR = 0.5
"""Points nearer than this (m) are moved onto this plane: lines along the road stay exact."""

VIEW_DISTANCE = 150.0
"""Nothing beyond this (m) is drawn."""

_FARTHEST_PIXEL = 16000.0


@dataclass(frozen=True)
class Camera:
    """Projects street coordinates onto the image.

    Street coordinates in metres: x to the right of the centre line, y up, s along the road.

    Attributes:
        width, height: of the image, in pixels.
        x, y, s: position of the camera.
        yaw, pitch: in radians; to the right, down.
        curvature: curvature of the road ahead, in 1/m; right bends are positive.
    """

    width: int
    height: int
    x: float = 0.0
    y: float = 1.5
    s: float = 0.0
    yaw: float = 0.0
    pitch: float = 0.0
    curvature: float = 0.0

    @property
    def focal(self) -> float:
        return 0.8 * self.width

    @property
    def center_u(self) -> float:
        return 0.5 * self.width - self.focal * self.yaw

    @property
    def horizon(self) -> float:
        """Image row of the horizon."""
        return 0.44 * self.height - self.focal * self.pitch

    def project(self, points: np.ndarray) -> np.ndarray:
        """(N, 3) street points (x, y, s) -> (N, 2) pixel coordinates (u, v), float64."""
        z = np.maximum(points[:, 2] - self.s, NEAR)
        x = points[:, 0] - self.x + 0.5 * self.curvature * z * z
        scale = self.focal / z
        pixels = np.empty((len(points), 2))
        pixels[:, 0] = self.center_u + x * scale
        pixels[:, 1] = self.horizon + (self.y - points[:, 1]) * scale
        return pixels.clip(-_FARTHEST_PIXEL, _FARTHEST_PIXEL, out=pixels)
