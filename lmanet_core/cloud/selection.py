"""Points of some classes, certain enough and neither too near nor too far."""

from __future__ import annotations

import math
from collections.abc import Iterable
from dataclasses import dataclass

import cv2
import numpy as np

from lmanet_core.network.classes import ClassTable

GROUND_CLASSES = ("road", "sidewalk", "terrain", "pavement")
"""Classes of Cityscapes and CamVid that lie flat."""
OBSTACLE_CLASSES = (
    "building", "wall", "fence", "pole", "traffic light", "traffic sign", "vegetation", "person",
    "rider", "car", "truck", "bus", "train", "motorcycle", "bicycle",
    "tree", "sign", "pedestrian", "bicyclist",
)  # fmt: skip
"""Classes of Cityscapes and CamVid that stand on the ground."""
_FAR = 1e9
"""Metres; OpenCV has no infinite bound."""


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

    def indices(
        self, labels: np.ndarray, confidence: np.ndarray | None, distance: np.ndarray
    ) -> np.ndarray:
        """Where the points are that are taken.

        Args:
            labels: uint8 of any shape.
            confidence: uint8 of that shape; None: all are certain.
            distance: float32 of that shape, from the sensor, in metres; NaN: there is no point.

        Returns:
            (N,) indices into the flat arrays.
        """
        if labels.size == 0:
            return np.empty(0, np.intp)
        labels = np.atleast_2d(labels)
        distance = np.atleast_2d(distance)
        # What is NaN is in no range.
        near = cv2.inRange(distance, self.min_range, min(self.max_range, _FAR))
        taken = cv2.bitwise_and(near, cv2.LUT(labels, self.labels.astype(np.uint8)))
        if self.min_confidence > 0 and confidence is not None:
            certain = cv2.inRange(
                np.atleast_2d(confidence), math.ceil(255 * self.min_confidence), 255
            )
            taken = cv2.bitwise_and(taken, certain)
        return np.flatnonzero(taken.view(bool))


def label_table(classes: ClassTable, names: Iterable[str]) -> np.ndarray:
    """(256,) bool: whether a label is that of one of the named classes.

    Raises:
        ValueError: a name is not a class.
    """
    names = list(names)
    if unknown := sorted(set(names) - set(classes.names)):
        raise ValueError(f"no such classes {unknown}; expected some of {list(classes.names)}")
    table = np.zeros(256, bool)
    table[[classes.names.index(name) for name in names]] = True
    return table


def known_names(classes: ClassTable, names: Iterable[str]) -> tuple[str, ...]:
    """The names that are classes of a table."""
    return tuple(name for name in names if name in classes.names)
