"""Points of a depth image that is registered to the camera."""

from __future__ import annotations

import cv2
import numpy as np

from lmanet_core.cloud.camera_model import Rays
from lmanet_core.cloud.points import fill_points

MILLIMETRE = 0.001


def depth_in_metres(depth: np.ndarray, size: tuple[int, int]) -> np.ndarray:
    """Depth as it is measured, at the size of the labels.

    Args:
        depth: (H, W) uint16 in millimetres or float32 in metres; 0, negative, NaN and infinite
            values are no measurement.
        size: (width, height) of the result. Each of its pixels gets the nearest one's value:
            between two surfaces there is nothing.

    Returns:
        float32; NaN where nothing was measured.
    """
    if depth.shape != size[::-1]:
        depth = cv2.resize(depth, size, interpolation=cv2.INTER_NEAREST_EXACT)
    if depth.dtype == np.uint16:
        metres = depth * np.float32(MILLIMETRE)
        metres[depth == 0] = np.nan
        return metres
    metres = depth.astype(np.float32)
    # In one comparison: NaN is not less than anything.
    metres[~((depth > 0) & (depth < np.inf))] = np.nan
    return metres


def organized_points(
    points: np.ndarray,
    rays: Rays,
    depth: np.ndarray,
    labels: np.ndarray,
    confidence: np.ndarray | None,
    colors: np.ndarray,
) -> None:
    """A point for each pixel.

    Args:
        points: (H, W) of `POINT`, to write to.
        rays: rays of the pixels.
        depth: (H, W) float32, of `depth_in_metres`.
        labels: (H, W) uint8.
        confidence: (H, W) uint8; None: all are certain.
        colors: of `packed_colors`.
    """
    fill_points(points, rays.x * depth, rays.y * depth, depth, labels, confidence, colors)
