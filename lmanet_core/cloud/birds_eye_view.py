"""What labels make of the ground, seen from above, along the way that the camera went."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import cv2
import numpy as np

from lmanet_core.cloud.camera_model import Rays
from lmanet_core.network.classes import IGNORE_LABEL, ClassTable
from lmanet_core.output.pictures import BACKGROUND, FONT, GUTTER, legend

CELL = 0.2
"""Side of a cell, in metres."""
REACH = 25.0
"""Metres: how far away points are that count."""
NEAR = 6.0
"""Metres: points of that distance count half as much as near ones, farther ones even less."""
HIGHEST = -1.0
"""Metres above (negative) the camera's height to which points count: crowns of trees do not."""
ASIDE = 14.0
"""Metres to both sides of the way that are shown."""
WAY, UNSEEN = (255, 255, 255), (20, 20, 20)
ZOOM = 2
"""Pixels of the picture for a cell."""
_LABELS = 256
_SHIFT = 2**20


@dataclass(frozen=True)
class Place:
    """Where a camera was, seen from above: metres to the right and ahead, radians to the right."""

    right: float
    ahead: float
    heading: float


class MapFromAbove:
    """The labels that cells of the ground got, of all frames together."""

    def __init__(self) -> None:
        self._keys: list[np.ndarray] = []
        self._weights: list[np.ndarray] = []

    def add(self, rays: Rays, depth: np.ndarray, labels: np.ndarray, place: Place) -> None:
        """Add a frame.

        Args:
            rays: rays of the pixels; the camera looks along the ground.
            depth: (H, W) float32 in metres, NaN where it is not known.
            labels: (H, W) uint8.
            place: place of the camera.
        """
        with np.errstate(invalid="ignore"):
            seen = (depth < REACH) & (rays.y * depth > HIGHEST) & (labels != IGNORE_LABEL)
        z = depth[seen].astype(np.float64)
        x = np.broadcast_to(rays.x, depth.shape)[seen] * z
        sin, cos = np.sin(place.heading), np.cos(place.heading)
        right = place.right + x * cos + z * sin
        ahead = place.ahead + z * cos - x * sin
        cells = np.floor(np.stack((right, ahead)) / CELL).astype(np.int64) + _SHIFT
        keys = (cells[0] * 2 * _SHIFT + cells[1]) * _LABELS + labels[seen]
        # A pixel that is farther away is larger on the ground, and less is to be seen in it.
        unique, index = np.unique(keys, return_inverse=True)
        self._keys.append(unique)
        self._weights.append(np.bincount(index, weights=1 / (1 + (z / NEAR) ** 2)))

    def labels(self, low: tuple[int, int], shape: tuple[int, int]) -> np.ndarray:
        """The label that most of what was seen in each cell has.

        Args:
            low: (right, ahead) of the first cell, in cells.
            shape: number of cells to the right and ahead.

        Returns:
            uint8 of this shape; `IGNORE_LABEL` where nothing was seen.
        """
        result = np.full(shape, IGNORE_LABEL, np.uint8)
        if not self._keys:
            return result
        keys, index = np.unique(np.concatenate(self._keys), return_inverse=True)
        weights = np.bincount(index, weights=np.concatenate(self._weights))
        order = np.argsort(weights, kind="stable")
        keys = keys[order]
        right, ahead = np.divmod(keys // _LABELS, 2 * _SHIFT)
        right, ahead = right - _SHIFT - low[0], ahead - _SHIFT - low[1]
        inside = (right >= 0) & (right < shape[0]) & (ahead >= 0) & (ahead < shape[1])
        # Of a cell's labels the heaviest is written last.
        result[right[inside], ahead[inside]] = (keys % _LABELS)[inside]
        return result


def draw_from_above(
    maps: Mapping[str, MapFromAbove], way: Sequence[Place], classes: ClassTable
) -> np.ndarray:
    """Maps below each other, the drive from left to right, with the way that the camera went.

    Args:
        maps: by their titles.
        way: the camera's places, in order; at least one.
        classes: classes of the labels.

    Returns:
        (H, W, 3) uint8, RGB.
    """
    places = np.array([(place.right, place.ahead) for place in way])
    low = np.floor((places.min(0) - (ASIDE, 3)) / CELL).astype(int)
    high = np.ceil((places.max(0) + np.array((ASIDE, REACH))) / CELL).astype(int)
    shape = (int(high[0] - low[0]), int(high[1] - low[1]))
    line = np.rint(ZOOM * (places / CELL - low))[:, ::-1].astype(np.int32)
    rows = []
    for title, drawn in maps.items():
        labels = _without_gaps(drawn.labels((int(low[0]), int(low[1])), shape))
        picture = classes.colorize(labels)
        picture[labels == IGNORE_LABEL] = UNSEEN
        picture = picture.repeat(ZOOM, 0).repeat(ZOOM, 1)
        # Right is down, where ahead is to the right.
        cv2.polylines(picture, [line], False, WAY, 1, cv2.LINE_AA)
        for end, size in ((0, 3), (-1, 6)):
            cv2.circle(picture, tuple(line[end].tolist()), size, WAY, -1, cv2.LINE_AA)
        _draw_scale(picture)
        _write(picture, title, (10, 24), 0.7)
        rows += [picture, np.full((GUTTER, picture.shape[1], 3), BACKGROUND, np.uint8)]
    return np.vstack([*rows, legend(classes, rows[0].shape[1])])


def _draw_scale(picture: np.ndarray) -> None:
    """A bar of ten metres in the lower left corner."""
    left, bottom, length = 10, picture.shape[0] - 10, round(ZOOM * 10 / CELL)
    cv2.line(picture, (left, bottom), (left + length, bottom), WAY, 2)
    _write(picture, "10 m", (left, bottom - 6), 0.45)


def _write(picture: np.ndarray, text: str, place: tuple[int, int], size: float) -> None:
    cv2.putText(picture, text, place, FONT, size, WAY, 1, cv2.LINE_AA)


def _without_gaps(labels: np.ndarray) -> np.ndarray:
    """Cells between others that nothing fell into get the label of one beside them."""
    for _ in range(2):
        known = labels != IGNORE_LABEL
        # Larger labels win; it is a matter of single cells.
        spread = cv2.dilate(np.where(known, labels, 0).astype(np.uint8), np.ones((3, 3), np.uint8))
        near = cv2.filter2D(known.astype(np.float32), -1, np.ones((3, 3), np.float32))
        labels = np.where(~known & (near >= 4), spread, labels)
    return labels
