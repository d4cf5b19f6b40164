"""Points of some classes, certain enough and neither too near nor too far."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass

import numpy as np

from lmanet_core.classes import ClassTable
from lmanet_core.cloud.points import coordinates, take

GROUND_CLASSES = ("road", "sidewalk", "terrain", "pavement")
"""Of Cityscapes and CamVid: what lies flat."""
OBSTACLE_CLASSES = (
    "building", "wall", "fence", "pole", "traffic light", "traffic sign", "vegetation", "person",
    "rider", "car", "truck", "bus", "train", "motorcycle", "bicycle",
    "tree", "sign", "pedestrian", "bicyclist",
)  # fmt: skip
"""Of both: what stands on it."""


@dataclass(frozen=True)
class Selection:
    """Which points to take.

    Attributes:
        labels: (256,) bool, those of the classes.
        min_confidence: 0..1.
        min_range, max_range: distance from the sensor, in metres.
    """

    labels: np.ndarray
    min_confidence: float = 0.0
    min_range: float = 0.0
    max_range: float = np.inf

    def __call__(self, points: np.ndarray, distance: np.ndarray | None = None) -> np.ndarray:
        """The points that are taken.

        Args:
            points: of `POINT`, of any shape.
            distance: of the points from the sensor, float32; None: that from the origin.

        Returns:
            (N,) of `POINT`.
        """
        points = points.reshape(-1)
        if distance is None:
            distance = np.linalg.norm(coordinates(points), axis=1)
        distance = distance.reshape(-1)
        taken = self.labels.take(points["label"], mode="clip")
        # What is NaN is not within anything.
        taken &= distance <= self.max_range
        taken &= distance >= self.min_range
        if self.min_confidence > 0:
            taken &= points["confidence"] >= 255 * self.min_confidence
        return take(points, np.flatnonzero(taken))


def label_table(classes: ClassTable, names: Iterable[str]) -> np.ndarray:
    """(256,) bool: whether a label is that of one of the named classes.

    Raises:
        ValueError: a name is none of the classes'.
    """
    names = list(names)
    if unknown := sorted(set(names) - set(classes.names)):
        raise ValueError(f"no such classes {unknown}; expected some of {list(classes.names)}")
    table = np.zeros(256, bool)
    table[[classes.names.index(name) for name in names]] = True
    return table


def known_names(classes: ClassTable, names: Iterable[str]) -> tuple[str, ...]:
    """Those of some names that are classes of a table."""
    return tuple(name for name in names if name in classes.names)
