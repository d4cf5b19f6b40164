"""Which way each pixel of a calibrated camera looks."""

from __future__ import annotations

from dataclasses import dataclass, replace
from functools import cached_property, lru_cache

import cv2
import numpy as np

KNOWN_CALIBRATIONS = 8
"""Number of calibrations and sizes whose rays are kept."""
LARGEST_ERROR = 0.5
"""Pixels that a direction may miss its pixel by."""
MARGIN = 1.02
"""How far beyond an image's corners points are looked for: its outer pixels have borders."""
_SEARCH = (cv2.TERM_CRITERIA_COUNT | cv2.TERM_CRITERIA_EPS, 50, 1e-9)


@dataclass(frozen=True)
class CameraModel:
    """Pinhole camera with a lens.

    Attributes:
        size: (width, height) of the image that the other values are of, in pixels.
        focal: (fx, fy).
        center: (cx, cy), where the optical axis meets the image.
        distortion: coefficients in OpenCV's order: plumb_bob has 5 of them, rational_polynomial 8;
            empty: no distortion. Of a fisheye lens 4.
        fisheye: whether the coefficients are of an equidistant (fisheye) lens.
    """

    size: tuple[int, int]
    focal: tuple[float, float]
    center: tuple[float, float]
    distortion: tuple[float, ...] = ()
    fisheye: bool = False

    def __post_init__(self) -> None:
        if min(self.size) < 1:
            raise ValueError(f"expected an image of at least 1x1 pixels, got {_text(self.size)}")
        values = (*self.focal, *self.center, *self.distortion)
        if not np.isfinite(values).all() or min(self.focal) <= 0:
            raise ValueError(
                f"expected finite values and focal lengths of more than 0, got focal lengths "
                f"{self.focal}, centre {self.center}, distortion {self.distortion}"
            )

    @property
    def is_distorted(self) -> bool:
        """Whether straight lines are bent."""
        return self.fisheye or any(self.distortion)

    @property
    def matrix(self) -> np.ndarray:
        """(3, 3) float64."""
        (fx, fy), (cx, cy) = self.focal, self.center
        return np.array(((fx, 0, cx), (0, fy, cy), (0, 0, 1)))

    def resized(self, size: tuple[int, int]) -> CameraModel:
        """The same camera, its image resized to (width, height)."""
        scale = [new / old for new, old in zip(size, self.size, strict=True)]
        fx, fy = (f * s for f, s in zip(self.focal, scale, strict=True))
        # An image's border lies half a pixel beyond the centres of its outer pixels.
        cx, cy = ((c + 0.5) * s - 0.5 for c, s in zip(self.center, scale, strict=True))
        return replace(self, size=size, focal=(fx, fy), center=(cx, cy))

    def rays(self, size: tuple[int, int] | None = None) -> Rays:
        """Where the pixels look.

        Args:
            size: (width, height) to which the image is resized; None: not at all.
        """
        return _rays(self if size in (None, self.size) else self.resized(size))

    def project(self, points: np.ndarray) -> np.ndarray:
        """Pixels of points in front of the camera.

        Args:
            points: (N, 3) float, z more than 0.

        Returns:
            (N, 2) float: column and row. NaN for what this lens cannot show.
        """
        points = np.asarray(points, np.float64)
        directions = points[:, :2] / points[:, 2:]
        if not self.is_distorted:
            return directions * self.focal + self.center
        pixels = np.full((len(points), 2), np.nan)
        # Far outside of the image the polynomials of a lens turn back into it.
        reach = MARGIN * self.rays().largest
        visible = np.flatnonzero(np.hypot(*directions.T) <= reach)
        if len(visible) == 0:
            return pixels
        pixels[visible] = _distorted(self, points[visible, None])[:, 0]
        return pixels


@dataclass(frozen=True)
class Rays:
    """Where the pixels of an image look: through (x, y, 1).

    Attributes:
        x, y: float32, (H, W) together: of a camera without distortion x is (1, W) and y (H, 1).
    """

    x: np.ndarray
    y: np.ndarray

    @cached_property
    def length(self) -> np.ndarray:
        """(H, W) float32: metres along the ray for each metre of depth."""
        return np.sqrt(1 + self.x * self.x + self.y * self.y)

    @cached_property
    def largest(self) -> float:
        """How far any of them leans off the axis: the tangent of the angle."""
        tangents = np.hypot(self.x, self.y)
        return float(tangents[np.isfinite(tangents)].max(initial=0.0))


@lru_cache(maxsize=KNOWN_CALIBRATIONS)
def _rays(model: CameraModel) -> Rays:
    (width, height), (fx, fy), (cx, cy) = model.size, model.focal, model.center
    if not model.is_distorted:
        x = ((np.arange(width) - cx) / fx).astype(np.float32)
        y = ((np.arange(height) - cy) / fy).astype(np.float32)
        return Rays(x[None], y[:, None])
    pixels = np.stack(np.meshgrid(np.arange(width), np.arange(height)), 2).astype(np.float64)
    pixels = pixels.reshape(-1, 1, 2)
    rays = _undistorted(model, pixels)
    # Where the search for a direction has failed, there is none.
    points = np.concatenate((rays, np.ones_like(rays[..., :1])), 2)
    error = np.abs(_distorted(model, points) - pixels).max(2)
    rays[~(error < LARGEST_ERROR)] = np.nan
    x, y = rays.reshape(height, width, 2).astype(np.float32).transpose(2, 0, 1)
    return Rays(np.ascontiguousarray(x), np.ascontiguousarray(y))


def _undistorted(model: CameraModel, pixels: np.ndarray) -> np.ndarray:
    """(N, 1, 2) directions of (N, 1, 2) pixels."""
    coefficients = np.array(model.distortion)
    if model.fisheye:
        return cv2.fisheye.undistortPoints(pixels, model.matrix, coefficients, criteria=_SEARCH)
    return cv2.undistortPoints(pixels, model.matrix, coefficients, None, None, None, _SEARCH)


def _distorted(model: CameraModel, points: np.ndarray) -> np.ndarray:
    """(N, 1, 2) pixels of (N, 1, 3) points."""
    project = cv2.fisheye.projectPoints if model.fisheye else cv2.projectPoints
    zero = np.zeros(3)
    return project(points, zero, zero, model.matrix, np.array(model.distortion))[0]


def _text(size: tuple[int, int]) -> str:
    return f"{size[0]}x{size[1]}"
