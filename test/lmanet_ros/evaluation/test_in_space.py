"""Figures in space: of a recording with depth, from its file to what is printed."""

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from lmanet_core import CITYSCAPES
from lmanet_core.data.synthetic import StreetConfig, StreetVideo
from lmanet_ros.bags.reading import Bag
from lmanet_ros.bags.survey import BagFrame, Survey, survey_bag
from lmanet_ros.evaluation.answers import AnsweredFrame
from lmanet_ros.evaluation.depths import Depths
from lmanet_ros.evaluation.playback import PlayedFrame
from lmanet_ros.evaluation.report_comparison import compare
from lmanet_ros.evaluation.scoring import Score, score
from lmanet_ros.evaluation.summary import cloud_figures, in_space
from lmanet_ros.make_bag import main

SIZE = (128, 64)
FRAMES = 4
CAR, ROAD = CITYSCAPES.names.index("car"), CITYSCAPES.names.index("road")


@pytest.fixture(scope="module")
def survey(tmp_path_factory) -> Survey:
    bag = tmp_path_factory.mktemp("street") / "bag"
    options = ["--frames", str(FRAMES), "--size", "128x64", "--seed", "5", "--noise", "0"]
    assert main(["--output", str(bag), *options]) == 0
    with Bag(bag) as opened:
        return survey_bag(opened)


def scored(survey: Survey, ghost: bool = False) -> Score:
    """Of the true labels, with a car painted onto the road if asked for."""
    video = StreetVideo(5, StreetConfig(size=SIZE))
    answers = []
    for frame in survey.frames:
        image, true = next(video)
        predicted = true.copy()
        if ghost:
            predicted[52:56, 60:66] = CAR
            assert (true[52:56, 60:66] == ROAD).all()
        played = PlayedFrame(frame, "answered", "", 0.1)
        answers.append(AnsweredFrame(played, image, predicted, true, None))
    return score(answers, CITYSCAPES, CITYSCAPES, Depths(survey))


def test_the_depth_topic_is_found_and_every_frame_finds_its_depth(survey):
    assert survey.depth_topic == "/camera/depth"
    assert survey.depth_info_topic == "/camera/camera_info"
    depths = Depths(survey)
    video = StreetVideo(5, StreetConfig(size=SIZE), depth=True)
    for frame in survey.frames:
        camera, depth = depths.of(frame, SIZE)
        exact = video.next_frame()
        near = (exact.depth > 0) & (exact.depth < 60)
        np.testing.assert_allclose(depth[near], exact.depth[near], atol=1e-3)
        assert camera.center == exact.camera.center


def test_a_frame_without_depth_at_its_moment_has_none(survey):
    (first, *_) = survey.frames
    late: BagFrame = replace(first, stamp=first.stamp - 10**9)
    assert Depths(survey).of(late, SIZE) is None


def test_exact_labels_have_no_ghosts_and_painted_ones_have(survey):
    exact, wrong = (cloud_figures(scored(survey, ghost).cloud) for ghost in (False, True))
    assert exact["frames"] == FRAMES
    assert set(exact["accuracy"].values()) == {1.0}
    assert exact["ghost_points"] == exact["edge_error"]["mean"] == 0
    assert wrong["ghost_points"] == 24
    assert wrong["frames_with_ghosts"] == 1
    assert wrong["edge_error"]["mean"] > 0
    assert in_space(wrong)["ghost obstacles, points per frame"] == 24


def test_single_frame_and_memory_are_set_side_by_side(survey):
    summaries = []
    for ghost in (True, False):
        figures = cloud_figures(scored(survey, ghost).cloud)
        summary = {"miou": 0.5, "temporal_consistency": 0.5, "vc8": None, "vc16": None}
        summary |= {"fps": 1.0, "latency_ms": {"p50": 1.0}, "iou": {}, "scored_frames": FRAMES}
        summaries.append(summary | {"cloud": figures})
    rows = {row.name: row for row in compare(*summaries, ("single frame", "memory")).rows}
    ghosts = rows["ghost obstacles, points per frame"]
    assert (ghosts.values, ghosts.verdict) == ((24, 0), "better")


def test_a_recording_without_depth_has_no_figures_in_space(tmp_path: Path):
    options = ["--frames", "1", "--size", "64x32", "--no-depth"]
    assert main(["--output", str(tmp_path / "bag"), *options]) == 0
    with Bag(tmp_path / "bag") as bag:
        assert survey_bag(bag).depth_topic is None
