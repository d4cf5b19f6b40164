"""The ground from above, of a camera that drives and turns."""

import numpy as np

from lmanet_core import CITYSCAPES
from lmanet_core.cloud.birds_eye_view import CELL, ZOOM, MapFromAbove, Place, draw_from_above
from lmanet_core.cloud.depth import depth_in_metres
from lmanet_core.data.synthetic import StreetConfig, StreetVideo
from lmanet_core.data.synthetic.labels import CAR, ROAD
from lmanet_core.network.classes import IGNORE_LABEL

SIZE = (128, 64)


def drive(wrong: bool = False) -> tuple[MapFromAbove, list[Place]]:
    """Some frames of a street; with a car on the road in one of them if that is asked for."""
    video = StreetVideo(2, StreetConfig(size=SIZE, frame_rate=5), depth=True)
    drawn, way = MapFromAbove(), []
    for number in range(6):
        frame = video.next_frame()
        pose = frame.pose
        way.append(Place(pose.right, pose.ahead, pose.heading))
        labels = frame.labels.copy()
        if wrong and number == 5:
            labels[40:50, 60:70] = CAR
        depth = depth_in_metres(frame.depth, SIZE)
        drawn.add(frame.camera.rays(), depth, labels, way[-1])
    return drawn, way


def test_the_road_lies_along_the_way_that_the_camera_goes():
    drawn, way = drive()
    low = (round(min(p.right for p in way) / CELL) - 60, 0)
    labels = drawn.labels(low, (120, 200))
    ahead = round(way[-1].ahead / CELL) + 40
    at = round(way[-1].right / CELL) - low[0]
    assert labels[at, ahead] == ROAD
    assert labels[0, 0] == IGNORE_LABEL
    assert drawn.labels((10**4, 10**4), (3, 3)).min() == IGNORE_LABEL
    assert MapFromAbove().labels((0, 0), (2, 2)).min() == IGNORE_LABEL


def test_what_is_wrong_in_one_frame_is_outvoted_by_nearer_ones():
    right, _ = drive()
    wrong, _ = drive(wrong=True)
    region = ((-60, 0), (120, 300))
    changed = right.labels(*region) != wrong.labels(*region)
    assert 0 < changed.mean() < 0.05


def test_maps_are_drawn_below_each_other_at_one_scale():
    drawn, way = drive()
    one = draw_from_above({"exact labels": drawn}, way, CITYSCAPES)
    two = draw_from_above({"exact labels": drawn, "labels": drawn}, way, CITYSCAPES)
    assert one.dtype == np.uint8
    assert one.shape[1] == two.shape[1] > ZOOM * 25 / CELL
    assert two.shape[0] > one.shape[0]
    assert (one == CITYSCAPES.palette[ROAD]).all(2).mean() > 0.05
