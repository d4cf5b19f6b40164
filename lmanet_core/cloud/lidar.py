"""Points of a lidar that the camera sees."""

from __future__ import annotations

import numpy as np

from lmanet_core.cloud.camera_model import CameraModel
from lmanet_core.cloud.points import POINT, fill_points
from lmanet_core.cloud.transform import Transform

NEAREST = 0.01
"""Points that are less than this (m) in front of the camera are none that it sees."""


def seen_points(
    xyz: np.ndarray,
    to_camera: Transform,
    camera: CameraModel,
    labels: np.ndarray,
    confidence: np.ndarray | None,
    colors: np.ndarray,
) -> np.ndarray:
    """The points that lie in the camera's image, each with the label of its pixel.

    Args:
        xyz: (N, 3) float32, in the lidar's frame; NaN is no point.
        to_camera: from the lidar's frame to the camera's.
        camera: of any size of image.
        labels: (H, W) uint8.
        confidence: (H, W) uint8; None: all are certain.
        colors: of `packed_colors`.

    Returns:
        (M,) of `POINT`, in the lidar's frame and in the order of `xyz`.
    """
    height, width = labels.shape
    in_camera = to_camera(xyz)
    with np.errstate(invalid="ignore"):
        ahead = np.flatnonzero((in_camera[:, 2] > NEAREST) & np.isfinite(in_camera).all(1))
    pixels = camera.resized((width, height)).project(in_camera[ahead])
    with np.errstate(invalid="ignore"):
        column, row = pixels.T
        # A pixel reaches half a pixel beyond its centre.
        inside = (column >= -0.5) & (column < width - 0.5) & (row >= -0.5) & (row < height - 0.5)
    place = np.rint(pixels[inside]).astype(np.intp)
    flat = place[:, 1].clip(0, height - 1) * width + place[:, 0].clip(0, width - 1)
    seen = xyz[ahead[inside]]
    points = np.empty((1, len(seen)), POINT)
    if len(seen):
        x, y, z = np.ascontiguousarray(seen.T)[:, None]
        fill_points(
            points,
            x,
            y,
            z,
            labels.reshape(1, -1)[:, flat],
            None if confidence is None else confidence.reshape(1, -1)[:, flat],
            colors,
        )
    return points[0]
