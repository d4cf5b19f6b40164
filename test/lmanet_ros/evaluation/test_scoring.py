"""Figures of a node's answers, on pictures small enough to count by hand."""

from dataclasses import replace

import numpy as np
import pytest

from lmanet_core import CITYSCAPES, ClassTable
from lmanet_core.network.classes import CAMVID
from lmanet_ros.bags.survey import BagFrame
from lmanet_ros.evaluation.answers import AnsweredFrame
from lmanet_ros.evaluation.html_report import picture
from lmanet_ros.evaluation.playback import Playback, PlayedFrame
from lmanet_ros.evaluation.scoring import score
from lmanet_ros.evaluation.summary import worst_frames

CLASSES = ClassTable(("road", "sky", "car"), ((0, 0, 0), (1, 1, 1), (2, 2, 2)))
SIZE = (64, 32)
PICTURE = np.random.default_rng(0).integers(0, 256, (32, 64, 3), np.uint8)


def labels(value: int, height: int = 32) -> np.ndarray:
    return np.full((height, 2 * height), value, np.uint8)


def halves(left: int, right: int) -> np.ndarray:
    return np.hstack([labels(left)[:, :32], labels(right)[:, :32]])


def answer(number: int, predicted: np.ndarray, true: np.ndarray | None = None, stamp=None):
    stamp = round(1e8 * (number + 10)) if stamp is None else stamp
    frame = BagFrame(number, stamp, stamp, "camera", SIZE, problem=None)
    played = PlayedFrame(frame, "answered", "", 0.1)
    return AnsweredFrame(played, PICTURE, predicted, true, label_problem=None)


def test_iou_is_of_all_frames_with_truth_and_of_each_by_itself():
    answers = [
        answer(0, halves(0, 1), halves(0, 1)),
        answer(1, halves(0, 0), halves(0, 1)),
        answer(2, halves(2, 2)),
    ]
    result = score(answers, CLASSES, None)
    assert result.evaluation.frames == 2
    assert result.evaluation.iou == {"road": pytest.approx(2 / 3), "sky": 0.5, "car": None}
    assert result.evaluation.miou == pytest.approx((2 / 3 + 0.5) / 2)
    assert [frame.miou for frame in result.frames.values()] == [1.0, 0.25, None]


def test_truth_in_other_classes_is_compared_by_their_names():
    other = ClassTable(("tree", "road", "car"), ((0, 0, 0), (1, 1, 1), (2, 2, 2)))
    # Road and tree against road and sky: of the tree nothing can be said.
    result = score([answer(0, halves(0, 1), halves(1, 0))], CLASSES, other)
    assert result.evaluation.iou == {"road": 1.0, "sky": None, "car": None}
    assert result.unknown_classes == ("tree",)
    # Sky is wrong where the truth, which has no such class, says road.
    result = score([answer(0, halves(0, 1), halves(1, 1))], CLASSES, other)
    assert result.evaluation.iou["road"] == 0.5
    assert result.evaluation.miou == 0.5


def test_classes_that_are_several_of_the_others_are_compared_as_one():
    """CamVid's tree is Cityscapes' vegetation and terrain, whichever the network knows."""
    tree, terrain = CAMVID.names.index("tree"), CITYSCAPES.names.index("terrain")
    sky, train = CITYSCAPES.names.index("sky"), CITYSCAPES.names.index("train")
    fine, coarse = halves(terrain, sky), halves(tree, CAMVID.names.index("sky"))
    for predicted, of_network, true, of_truth in (
        (fine, CITYSCAPES, coarse, CAMVID),
        (coarse, CAMVID, fine, CITYSCAPES),
    ):
        result = score([answer(0, predicted, true)], of_network, of_truth)
        assert {name: iou for name, iou in result.evaluation.iou.items() if iou is not None} == {
            "sky": 1.0,
            "tree": 1.0,
        }
        assert not result.unknown_classes
    pictured = picture(answer(0, labels(train), labels(tree)), CITYSCAPES, CAMVID)
    assert "truth" in pictured.pictures


def test_without_a_class_in_common_nothing_is_scored():
    other = ClassTable(("tree",), ((0, 0, 0),))
    result = score([answer(0, labels(0), labels(0))], CLASSES, other)
    assert result.evaluation.frames == 0
    assert result.unknown_classes == ("tree",)


@pytest.mark.parametrize("size", [(400, 1), (1, 400), (1, 1)])
def test_pictures_of_any_shape_fit_into_the_report(size):
    height, width = size
    blank = np.zeros((height, width), np.uint8)
    flat = replace(answer(0, blank, blank), image=np.zeros((height, width, 3), np.uint8))
    assert list(picture(flat, CLASSES, None).pictures) == ["input", "prediction", "truth", "errors"]


def test_labels_are_compared_at_the_size_of_the_truth():
    result = score([answer(0, labels(1, height=16), halves(1, 0))], CLASSES, None)
    assert result.evaluation.iou["sky"] == 0.5


def test_consistency_is_of_frames_that_follow_each_other():
    answers = [
        answer(0, halves(0, 1)),
        answer(1, halves(0, 1)),
        answer(2, halves(1, 0)),
        answer(3, halves(1, 0), stamp=round(1e10)),
    ]
    result = score(answers, CLASSES, None)
    assert [frame.consistency for frame in result.frames.values()] == [None, 1.0, 0.0, None]
    assert result.evaluation.temporal_consistency == 0.5


def test_truth_that_cannot_be_used_is_named_and_the_rest_counts():
    result = score(
        [answer(0, labels(0), labels(7)), answer(1, labels(0), labels(0))], CLASSES, None
    )
    assert result.evaluation.miou == 1.0
    assert result.evaluation.frames == 1
    assert "[7]" in result.label_problems[0]


def test_truth_beyond_the_classes_of_the_recording_is_named_too():
    other = ClassTable(("tree", "road"), ((0, 0, 0), (1, 1, 1)))
    result = score(
        [answer(0, labels(0), halves(1, 2)), answer(1, labels(0), halves(1, 255))], CLASSES, other
    )
    assert result.evaluation.miou == 1.0
    assert result.evaluation.frames == 1
    assert result.label_problems == {0: "true labels must be in 0..1 or 255, got [2]"}


def test_equal_labels_have_equal_hashes():
    first, same, other = (
        score([answer(0, labels(value))], CLASSES, None).labels_sha256 for value in (1, 1, 2)
    )
    assert first == same != other


def test_the_worst_frames_are_pictured_worst_first_and_one_of_each_place():
    true, half_wrong, wrong = halves(0, 1), halves(0, 0), halves(1, 0)
    shown = [true, true, true, half_wrong, true, wrong, wrong, true]
    stamps = [0, 10, 20, 30, 40, 50, 51, 60]
    answers = [answer(n, shown[n], true, stamp=10**8 * stamps[n]) for n in range(len(shown))]
    playback = Playback(tuple(a.played for a in answers), {}, "network", CLASSES, 1.0, {})
    assert worst_frames(playback, score(answers, CLASSES, None)) == [5, 3, 0, 1, 2, 4]
