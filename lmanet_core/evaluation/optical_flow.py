"""Where the pixels of a frame were in another one, by OpenCV's optical flow."""

from __future__ import annotations

from typing import NamedTuple

import cv2
import numpy as np

SMALLEST, FLATTEST = 32, 8
"""Pixels of a side, and ratio of the sides, beyond which OpenCV's flow fails or is no number."""


class Trace(NamedTuple):
    """Where a frame's pixels were in another frame."""

    places: np.ndarray
    """(H, W, 2) float32, (x, y) in pixels of the other frame."""
    visible: np.ndarray
    """(H, W) bool, whether the other frame shows it, too."""


class OpticalFlow:
    """OpenCV's DIS, in both directions."""

    def __init__(self) -> None:
        self._flow = cv2.DISOpticalFlow.create(cv2.DISOPTICAL_FLOW_PRESET_FAST)

    def trace(self, now: np.ndarray, other: np.ndarray) -> Trace:
        """Find the pixels of `now` in `other`, (H, W) uint8 both."""
        height, width = now.shape
        now, other = _continued(now), _continued(other)
        # OpenCV's annotations do not know None, which asks for a new array.
        to_other = self._flow.calc(now, other, None)  # type: ignore[call-overload]
        to_now = self._flow.calc(other, now, None)  # type: ignore[call-overload]
        places = grid(now.shape) + to_other
        visible = _visible(places, to_other, to_now)
        return Trace(places[:height, :width], visible[:height, :width])


def grid(shape: tuple[int, ...]) -> np.ndarray:
    """(H, W, 2) float32, (x, y) of each pixel."""
    rows, columns = np.mgrid[: shape[0], : shape[1]].astype(np.float32)
    return np.dstack((columns, rows))


def look_up(picture: np.ndarray, places: np.ndarray, interpolation: int) -> np.ndarray:
    """What `picture` has at (H, W, 2) places; what it has at its border beyond it."""
    columns, rows = places[..., 0], places[..., 1]
    return cv2.remap(picture, columns, rows, interpolation, borderMode=cv2.BORDER_REPLICATE)


def _visible(places: np.ndarray, to_other: np.ndarray, to_now: np.ndarray) -> np.ndarray:
    """(H, W) bool, which pixels of a frame the other one shows, too.

    Going there and back must lead to about where one started; the bound is that of Sundaram et
    al., "Dense Point Trajectories by GPU-accelerated Large Displacement Optical Flow", ECCV 2010.
    """
    height, width = places.shape[:2]
    inside = ((places >= 0) & (places <= (width - 1, height - 1))).all(2)
    back = look_up(to_now, places, cv2.INTER_LINEAR)
    deviation = ((to_other + back) ** 2).sum(2)
    bound = 0.01 * ((to_other**2).sum(2) + (back**2).sum(2)) + 0.5
    return inside & (deviation < bound)


def _continued(picture: np.ndarray) -> np.ndarray:
    """An (H, W) picture that is large enough for the optical flow, by what is at its border."""
    smallest = max(SMALLEST, max(picture.shape) // FLATTEST)
    missing = [max(0, smallest - side) for side in picture.shape]
    if not any(missing):
        return picture
    return cv2.copyMakeBorder(picture, 0, missing[0], 0, missing[1], cv2.BORDER_REPLICATE)
