"""What is counted where labels are wrong in space."""

import numpy as np
import pytest

from lmanet_core import CITYSCAPES
from lmanet_core.cloud.camera_model import CameraModel
from lmanet_core.cloud.cloud_scorer import CloudAccumulator, CloudScorer
from lmanet_core.network.classes import IGNORE_LABEL

ROAD, CAR, SKY = (CITYSCAPES.names.index(name) for name in ("road", "car", "sky"))
HEIGHT, FOCAL = 1.5, 40.0
CAMERA = CameraModel((40, 30), (FOCAL, FOCAL), (19.5, 9.5))
RAYS = CAMERA.rays()


@pytest.fixture
def street() -> tuple[np.ndarray, np.ndarray]:
    """Depth and labels: a flat road, and a car across it at 12 m from the row 14 up to the sky."""
    rows = np.arange(30)[:, None] - 9.5
    depth = np.where(rows > 0, FOCAL * HEIGHT / rows.clip(0.1), np.nan) * np.ones((1, 40))
    labels = np.full((30, 40), ROAD, np.uint8)
    depth[8:15], labels[8:15] = 12.0, CAR
    depth[:8], labels[:8] = np.nan, SKY
    return depth.astype(np.float32), labels


def score(street, predicted) -> CloudAccumulator:
    return CloudScorer(CITYSCAPES).score(RAYS, street[0], predicted, street[1])


def test_what_is_right_is_all_right(street):
    figures = score(street, street[1]).figures()
    assert figures.accuracy == {"0-10 m": 1.0, "10-20 m": 1.0, "20-40 m": None}
    assert figures.edge_error == {"mean": 0, "p50": 0, "p95": 0}
    assert (figures.ghost_points, figures.ghost_cells, figures.missed_cells) == (0, 0, 0)


def test_a_ghost_on_the_road_is_counted_and_where_the_ground_ends_then(street):
    predicted = street[1].copy()
    # Six pixels some 4 m ahead.
    predicted[24:26, 10:13] = CAR
    figures = score(street, predicted).figures()
    assert figures.ghost_points == 6
    assert 1 <= figures.ghost_cells <= 6
    assert figures.frames_with_ghosts == 1
    assert figures.missed_cells == 0
    assert 0 < figures.accuracy["0-10 m"] < 1
    assert figures.accuracy["10-20 m"] == 1
    # In 3 of 40 columns the ground ends 8 m too early.
    assert figures.edge_error["mean"] == pytest.approx(8.5 * 3 / 40, abs=0.05)
    assert figures.edge_error["p50"] == 0
    assert figures.edge_error["p95"] > 7


def test_what_lies_right_before_an_obstacle_is_no_ghost(street):
    depth, true = street
    predicted = true.copy()
    predicted[15], depth[15] = CAR, 11.7
    figures = score((depth, true), predicted).figures()
    assert figures.ghost_points == figures.ghost_cells == 0
    assert figures.edge_error["mean"] == pytest.approx(0.3, abs=0.1)


def test_a_car_that_is_not_seen_is_missed_and_the_ground_goes_on(street):
    predicted = np.where(street[1] == CAR, np.uint8(ROAD), street[1])
    figures = score(street, predicted).figures()
    assert figures.missed_cells > 10
    assert figures.ghost_points == 0
    assert figures.edge_error["mean"] == pytest.approx(28, abs=1)


def test_what_has_no_truth_is_not_scored(street):
    depth, true = street[0], np.full_like(street[1], IGNORE_LABEL)
    counts = score((depth, true), street[1])
    assert sum(counts.points) == sum(counts.edge_errors) == 0


def test_counts_of_frames_are_added_also_by_way_of_json(street):
    right = score(street, street[1])
    predicted = street[1].copy()
    predicted[25, 10] = CAR
    wrong = score(street, predicted)
    both = CloudAccumulator() + right + CloudAccumulator.from_dict(wrong.to_dict())
    assert both.frames == 2
    assert both.figures().ghost_points == 0.5
    assert CloudAccumulator().figures() is None
