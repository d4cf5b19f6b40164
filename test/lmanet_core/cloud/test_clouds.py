"""Labelled points of depth images and lidars."""

import numpy as np
import pytest

from lmanet_core import CITYSCAPES
from lmanet_core.cloud.camera_model import CameraModel
from lmanet_core.cloud.depth import depth_in_metres, organized_points
from lmanet_core.cloud.lidar import seen_points
from lmanet_core.cloud.points import CERTAIN, POINT, coordinates, packed_colors
from lmanet_core.cloud.selection import OBSTACLE_CLASSES, Selection, known_names, label_table
from lmanet_core.cloud.transform import Transform
from lmanet_core.cloud.voxels import thin
from lmanet_core.network.classes import CAMVID

SIZE = (8, 6)
CAMERA = CameraModel(SIZE, (10.0, 10.0), (3.5, 2.5))
COLORS = packed_colors(CITYSCAPES)
ROAD, CAR = CITYSCAPES.names.index("road"), CITYSCAPES.names.index("car")


def cloud(depth: np.ndarray, labels: np.ndarray, confidence=None) -> np.ndarray:
    points = np.empty(labels.shape, POINT)
    metres = depth_in_metres(depth, labels.shape[::-1])
    rays = CAMERA.rays(labels.shape[::-1])
    organized_points(points, rays, metres, labels, confidence, COLORS)
    return points


def points_at(xyz, labels) -> np.ndarray:
    points = np.zeros(len(xyz), POINT)
    coordinates(points)[:] = xyz
    points["label"] = labels
    points["confidence"] = CERTAIN
    return points


def test_each_pixel_becomes_the_point_that_it_sees():
    labels = np.full(SIZE[::-1], ROAD, np.uint8)
    labels[0, 0] = CAR
    confidence = np.arange(48, dtype=np.uint8).reshape(6, 8)
    depth = np.full(SIZE[::-1], 2000, np.uint16)
    points = cloud(depth, labels, confidence)
    corner = points[0, 0]
    assert (corner["x"], corner["y"], corner["z"]) == pytest.approx((-0.7, -0.5, 2.0))
    assert (corner["label"], corner["rgb"]) == (CAR, 0x00008E)
    assert points[5, 7]["x"] == pytest.approx(0.7)
    assert (points["confidence"] == confidence).all()
    assert (cloud(depth, labels)["confidence"] == CERTAIN).all()


@pytest.mark.parametrize(
    "depth",
    [
        np.array(((0, 1500),), np.uint16),
        np.array(((0.0, 1.5),), np.float32),
        np.array(((np.nan, 1.5),), np.float32),
        np.array(((np.inf, 1.5),), np.float32),
        np.array(((-1.0, 1.5),), np.float64),
    ],
)
def test_what_was_not_measured_is_no_point(depth):
    before = depth.copy()
    metres = depth_in_metres(depth, (2, 1))
    assert np.isnan(metres[0, 0])
    assert metres[0, 1] == pytest.approx(1.5)
    np.testing.assert_array_equal(depth, before)


def test_depth_of_another_size_is_the_nearest_pixels():
    depth = np.arange(1, 13, dtype=np.float32).reshape(3, 4)
    np.testing.assert_array_equal(depth_in_metres(depth, (8, 6)), np.kron(depth, np.ones((2, 2))))
    # Nothing is mixed at the edge of a thing.
    assert set(depth_in_metres(depth, (3, 2)).ravel()) <= set(depth.ravel())


def test_a_lidars_points_get_the_labels_of_their_pixels_and_keep_their_place():
    # The lidar looks along x, with z up, and is half a metre above the camera.
    to_camera = Transform.from_quaternion((0, -0.5, 0), (0.5, -0.5, 0.5, 0.5))
    np.testing.assert_allclose(to_camera(np.array(((4.0, 1.0, 0.2),))), [(-1.0, -0.7, 4.0)])
    labels = np.full(SIZE[::-1], ROAD, np.uint8)
    labels[:, :4] = CAR
    left, right = (5.0, 0.5, 0.5), (5.0, -0.5, 0.5)
    behind, aside, nowhere = (-5.0, 0.5, 0.5), (5.0, 9.0, 0.5), (np.nan, 0.0, 0.0)
    xyz = np.array((behind, right, aside, left, nowhere), np.float32)
    points = seen_points(xyz, to_camera, CAMERA, labels, None, COLORS)
    np.testing.assert_allclose(coordinates(points), (right, left))
    assert points["label"].tolist() == [ROAD, CAR]


def test_a_voxel_keeps_a_point_of_its_most_frequent_label():
    xyz = np.array(
        ((0.01, 0.0, 1.0), (0.02, 0.0, 1.0), (0.03, 0.0, 1.0), (0.55, 0.0, 1.0), (np.nan,) * 3)
    )
    points = points_at(xyz, (ROAD, CAR, CAR, ROAD, CAR))
    thinned = thin(points, 0.5)
    assert sorted(zip(thinned["label"], thinned["x"].tolist(), strict=True)) == [
        (ROAD, pytest.approx(0.55)),
        (CAR, pytest.approx(0.03)),
    ]
    assert len(thin(points[4:], 0.5)) == len(thin(points[:0], 0.5)) == 0


def test_voxels_are_those_of_counting_one_by_one():
    random = np.random.default_rng(0)
    for reach, side in ((3, 0.7), (60, 0.005)):
        xyz = random.uniform(-reach, reach, (4000, 3))
        points = points_at(xyz, random.integers(0, 4, 4000))
        expected: dict[tuple, list] = {}
        cells = np.floor(coordinates(points) * np.float32(1 / side)).astype(np.int64)
        for cell, label in zip(map(tuple, cells.tolist()), points["label"].tolist(), strict=True):
            expected.setdefault(cell, []).append(label)
        most = {cell: np.bincount(labels).argmax() for cell, labels in expected.items()}
        thinned = thin(points, side)
        kept = np.floor(coordinates(thinned) * np.float32(1 / side)).astype(np.int64)
        assert dict(zip(map(tuple, kept.tolist()), thinned["label"], strict=True)) == most


def test_points_are_selected_by_class_confidence_and_range():
    labels = np.array((CAR, CAR, CAR, ROAD, CAR), np.uint8)
    confidence = np.array((255, 100, 255, 255, 255), np.uint8)
    distance = np.array((1, 5, 30, 4, np.nan), np.float32)
    cars = label_table(CITYSCAPES, ["car"])

    def selected(**limits: float) -> list[int]:
        return Selection(cars, **limits).indices(labels, confidence, distance).tolist()

    assert selected() == [0, 1, 2]
    assert selected(min_range=2) == [1, 2]
    assert selected(max_range=5) == [0, 1]
    assert selected(min_confidence=0.5) == [0, 2]
    certain = Selection(cars, min_confidence=0.5).indices(labels, None, distance)
    assert certain.tolist() == [0, 1, 2]
    assert Selection(cars).indices(labels[:0], None, distance[:0]).size == 0


def test_unknown_classes_are_refused_with_the_list():
    with pytest.raises(ValueError, match=r"no such classes \['lorry'\]; expected some of \['road'"):
        label_table(CITYSCAPES, ["car", "lorry"])
    assert "pedestrian" in known_names(CAMVID, OBSTACLE_CLASSES)


def test_no_rotation_is_refused():
    with pytest.raises(ValueError, match="a quaternion x, y, z, w other than zero"):
        Transform.from_quaternion((0, 0, 0), (0, 0, 0, 0))
