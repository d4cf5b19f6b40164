"""Intersection over union."""

import numpy as np
import pytest

from lmanet_core.evaluation.confusion_matrix import ConfusionMatrix
from lmanet_core.evaluation.paired_comparison import paired_bootstrap


def labels(*values: int) -> np.ndarray:
    return np.array([values], np.uint8)


def test_iou_by_hand():
    matrix = ConfusionMatrix(4)
    matrix.update(labels(0, 0, 1, 1), labels(0, 1, 1, 1))
    matrix.update(labels(2, 0), labels(0, 0))
    np.testing.assert_allclose(matrix.iou(), [2 / 4, 2 / 3, 0.0, np.nan])
    assert matrix.miou() == pytest.approx((2 / 4 + 2 / 3 + 0.0) / 3)


def test_ignored_pixels_do_not_count():
    matrix = ConfusionMatrix(2)
    matrix.update(labels(0, 1, 1), labels(0, 255, 255))
    np.testing.assert_allclose(matrix.iou(), [1.0, np.nan])


def test_predictions_that_are_no_class_are_misses():
    matrix = ConfusionMatrix(2)
    matrix.update(labels(0, 255, 7, 1), labels(0, 0, 0, 1))
    np.testing.assert_allclose(matrix.iou(), [1 / 3, 1.0])


def test_it_agrees_with_counting_sets_of_pixels():
    random = np.random.default_rng(0)
    matrix = ConfusionMatrix(19)
    predicted, true = random.integers(0, 19, (2, 3, 40, 60), np.uint8)
    for pair in zip(predicted, true, strict=True):
        matrix.update(*pair)
    expected = [
        ((predicted == c) & (true == c)).sum() / ((predicted == c) | (true == c)).sum()
        for c in range(19)
    ]
    np.testing.assert_allclose(matrix.iou(), expected)


def test_nothing_counted_is_not_a_number():
    matrix = ConfusionMatrix(2)
    matrix.update(labels(0, 1), labels(255, 255))
    assert np.isnan(matrix.miou())


@pytest.mark.parametrize(
    ("predicted", "true", "message"),
    [
        (labels(0, 0), labels(0), "same shape"),
        (labels(0).astype(np.int64), labels(0), "uint8"),
        (labels(0, 0), labels(2, 9), r"must be in 0\.\.1 or 255, got \[2, 9\]"),
    ],
)
def test_bad_label_maps_are_refused(predicted, true, message):
    with pytest.raises(ValueError, match=message):
        ConfusionMatrix(2).update(predicted, true)


def test_num_classes_must_leave_room_for_ignored_pixels():
    with pytest.raises(ValueError, match=r"in 1\.\.255, got 256"):
        ConfusionMatrix(256)


def test_the_bootstrap_s_interval_is_that_of_the_mean_difference():
    random = np.random.default_rng(1)
    before = random.uniform(0.4, 0.9, 400)
    differences = random.normal(0.01, 0.02, 400)
    gain = paired_bootstrap(before, before + differences)
    assert gain.mean == pytest.approx(0.01, abs=0.003)
    # 95 % are within 1.96 standard errors.
    error = differences.std() / 400**0.5
    assert gain.high - gain.low == pytest.approx(2 * 1.96 * error, rel=0.08)
    assert gain.low < gain.mean < gain.high
    assert gain.gaining == pytest.approx(0.69, abs=0.08)


def test_a_gain_that_all_share_is_certain():
    gain = paired_bootstrap([0.1, 0.9], [0.2, 1.0])
    assert (gain.low, gain.mean, gain.high) == pytest.approx((0.1, 0.1, 0.1))
    assert gain.gaining == 1


def test_unpaired_figures_are_refused():
    for before, after in (([], []), ([0.1], [0.2, 0.3])):
        with pytest.raises(ValueError, match="figures of the same videos"):
            paired_bootstrap(before, after)


def test_a_video_that_stays_as_it_is_gains_nothing():
    assert paired_bootstrap([0.5, 0.5], [0.5, 0.6]).gaining == 0.5
