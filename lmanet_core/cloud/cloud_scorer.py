"""How good labels are in space: by distance, and by what a robot would make of them."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from itertools import pairwise

import cv2
import numpy as np

from lmanet_core.cloud.camera_model import Rays
from lmanet_core.cloud.selection import (
    GROUND_CLASSES,
    OBSTACLE_CLASSES,
    known_names,
    label_table,
)
from lmanet_core.network.classes import IGNORE_LABEL, ClassTable
from lmanet_core.output.counts import Counts

BANDS = (0.0, 10.0, 20.0, 40.0)
"""Metres from the camera: borders of the ranges that are scored apart; nothing beyond is."""
EDGE_STEP = 0.1
"""Metres: errors of the ground's edge are counted in classes of this width."""
GHOST_RANGE = 20.0
"""Metres; obstacles that are farther away concern no costmap."""
CELL = 0.5
"""Side of a cell of the ground, in metres."""


@dataclass(frozen=True)
class CloudFigures:
    """Figures of all frames.

    Attributes:
        accuracy: share of the points, 0..1, that have the scene's own class, by distance; None
            where there are no points.
        edge_error: metres between where the ground ends in an image column and where it does in
            truth: its mean, median and 95th percentile.
        ghost_points: points within `GHOST_RANGE` of an obstacle class with no obstacle in their
            cell of the ground or beside it, per frame.
        ghost_cells: cells of the ground with such points, per frame.
        frames_with_ghosts: share of the frames with any, 0..1.
        missed_cells: cells of the ground with an obstacle of which no point has an obstacle class,
            nor one of a neighbouring cell, per frame.
        frames: number of frames.
    """

    accuracy: dict[str, float | None]
    edge_error: dict[str, float | None]
    ghost_points: float
    ghost_cells: float
    frames_with_ghosts: float
    missed_cells: float
    frames: int


@dataclass(frozen=True)
class CloudAccumulator(Counts):
    """What the figures are made of. The sum of two is that of both together.

    Attributes:
        points, correct: by distance, number of points and of those with the scene's own class.
        edge_errors: number of image columns by the error of the ground's edge, in steps of
            `EDGE_STEP`.
        edge_sum: of these errors, in metres.
        ghost_points, ghost_cells, missed_cells, frames_with_ghosts, frames: see `CloudFigures`;
            numbers, of all frames.
    """

    points: tuple[int, ...] = (0,) * (len(BANDS) - 1)
    correct: tuple[int, ...] = (0,) * (len(BANDS) - 1)
    edge_errors: tuple[int, ...] = (0,) * (round(BANDS[-1] / EDGE_STEP) + 1)
    edge_sum: float = 0.0
    ghost_points: int = 0
    ghost_cells: int = 0
    missed_cells: int = 0
    frames_with_ghosts: int = 0
    frames: int = 0

    def figures(self) -> CloudFigures | None:
        """The figures; None if there is no frame."""
        if not self.frames:
            return None
        names = [f"{near:g}-{far:g} m" for near, far in pairwise(BANDS)]
        shares = [
            correct / points if points else None
            for correct, points in zip(self.correct, self.points, strict=True)
        ]
        return CloudFigures(
            accuracy=dict(zip(names, shares, strict=True)),
            edge_error=self._edge_error(),
            ghost_points=self.ghost_points / self.frames,
            ghost_cells=self.ghost_cells / self.frames,
            frames_with_ghosts=self.frames_with_ghosts / self.frames,
            missed_cells=self.missed_cells / self.frames,
            frames=self.frames,
        )

    def _edge_error(self) -> dict[str, float | None]:
        counts = np.cumsum(self.edge_errors)
        columns = int(counts[-1])
        if not columns:
            return {"mean": None, "p50": None, "p95": None}
        p50, p95 = np.searchsorted(counts, (0.5 * columns, 0.95 * columns)) * EDGE_STEP
        return {"mean": self.edge_sum / columns, "p50": float(p50), "p95": float(p95)}


class CloudScorer:
    """Compares labels with the scene's own, at the places where they are.

    Args:
        classes: class table of both label images.
        ground, obstacles: names of classes; those that `classes` lacks do not matter.
    """

    def __init__(
        self,
        classes: ClassTable,
        ground: Iterable[str] = GROUND_CLASSES,
        obstacles: Iterable[str] = OBSTACLE_CLASSES,
    ) -> None:
        self._ground = label_table(classes, known_names(classes, ground))
        self._obstacles = label_table(classes, known_names(classes, obstacles))

    def score(
        self, rays: Rays, depth: np.ndarray, predicted: np.ndarray, true: np.ndarray
    ) -> CloudAccumulator:
        """The counts of one frame.

        Args:
            rays: rays of the pixels.
            depth: (H, W) float32 in metres, NaN where it is not known.
            predicted, true: (H, W) uint8; true `IGNORE_LABEL`: not scored.
        """
        distance = depth * rays.length
        with np.errstate(invalid="ignore"):
            known = (distance < BANDS[-1]) & (true != IGNORE_LABEL)
        band = np.searchsorted(BANDS, distance[known], side="right") - 1
        right = (predicted == true)[known]
        bands = len(BANDS) - 1
        errors = self._edge_errors(distance, predicted, true, known)
        steps = np.bincount(
            np.rint(errors / EDGE_STEP).astype(int), minlength=len(CloudAccumulator().edge_errors)
        )
        with np.errstate(invalid="ignore"):
            near = known & (distance < GHOST_RANGE)
        ghost_points, ghosts, missed = self._ghosts(rays, depth, predicted, true, near)
        return CloudAccumulator(
            points=tuple(np.bincount(band, minlength=bands).tolist()),
            correct=tuple(np.bincount(band[right], minlength=bands).tolist()),
            edge_errors=tuple(steps.tolist()),
            edge_sum=float(errors.sum()),
            ghost_points=ghost_points,
            ghost_cells=ghosts,
            missed_cells=missed,
            frames_with_ghosts=int(ghosts > 0),
            frames=1,
        )

    def _edge_errors(
        self, distance: np.ndarray, predicted: np.ndarray, true: np.ndarray, known: np.ndarray
    ) -> np.ndarray:
        """Metres, for each column in which anything is known."""
        columns = known.any(0)
        edges = [
            _edge(distance[:, columns], known[:, columns] & ~self._ground[labels[:, columns]])
            for labels in (predicted, true)
        ]
        return np.abs(edges[0] - edges[1])

    def _ghosts(
        self,
        rays: Rays,
        depth: np.ndarray,
        predicted: np.ndarray,
        true: np.ndarray,
        known: np.ndarray,
    ) -> tuple[int, int, int]:
        """Points and cells of obstacles where there are none, and cells of obstacles missed."""
        side = round(GHOST_RANGE / CELL)
        column = np.broadcast_to(rays.x, depth.shape)[known] * depth[known]
        # Cells of the ground: ahead, and to both sides.
        cell = (depth[known] / CELL).astype(int), (column / CELL + side).astype(int)
        said, there = (self._obstacles[labels[known]] for labels in (predicted, true))

        def cells_of(points: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
            cells = np.zeros((side, 2 * side), np.uint8)
            cells[cell[0][points], cell[1][points]] = 1
            return cells > 0, cv2.dilate(cells, np.ones((3, 3), np.uint8)) > 0

        said_cells, near_said = cells_of(said)
        true_cells, near_true = cells_of(there)
        return (
            int((said & ~near_true[cell]).sum()),
            int((said_cells & ~near_true).sum()),
            int((true_cells & ~near_said).sum()),
        )


def _edge(distance: np.ndarray, blocked: np.ndarray) -> np.ndarray:
    """Where the ground ends: the distance of each column's lowest pixel that is no ground.

    Args:
        distance: (H, W) in metres.
        blocked: (H, W) bool, the pixels that are no ground.
    """
    rows = len(blocked) - 1 - np.argmax(blocked[::-1], axis=0)
    edges = np.take_along_axis(distance, rows[None], 0)[0]
    return np.where(blocked.any(0), edges, BANDS[-1])
