"""How steady labels are: measures on videos whose motion is known."""

from __future__ import annotations

import cv2
import numpy as np
import pytest

from lmanet_core.evaluation import Scorer
from lmanet_core.evaluation.consistency import TemporalConsistency, VideoConsistency
from lmanet_core.network.classes import CITYSCAPES

SHIFT = 3


def panorama() -> tuple[np.ndarray, np.ndarray]:
    """A textured image (H, W, 3) and labels (H, W), wider than a frame."""
    noise = np.random.default_rng(0).integers(256, size=(24, 48, 3), dtype=np.uint8)
    image = cv2.resize(noise, (192, 96), interpolation=cv2.INTER_CUBIC)
    return image, (np.arange(192) // 16 % 3 * np.ones((96, 1))).astype(np.uint8)


def moving_frames(count: int = 4) -> list[tuple[np.ndarray, np.ndarray]]:
    """A camera that pans by SHIFT pixels per frame."""
    image, labels = panorama()
    views = (slice(SHIFT * frame, SHIFT * frame + 128) for frame in range(count))
    return [(image[:, view], labels[:, view]) for view in views]


def consistency(frames: list[tuple[np.ndarray, np.ndarray]]) -> float | None:
    measure = TemporalConsistency()
    for image, labels in frames:
        measure.update(image, labels)
    return measure.ratio.value


def test_labels_that_move_with_the_image_are_consistent() -> None:
    assert consistency(moving_frames()) > 0.98


def test_labels_that_stay_where_they_were_are_not() -> None:
    frames = moving_frames()
    stuck = [(image, frames[0][1]) for image, _ in frames]
    # At each of the edges, 16 pixels apart, 3 pixels are wrong.
    assert consistency(stuck) == pytest.approx(1 - SHIFT / 16, abs=0.04)


def test_labels_that_flicker_are_not_consistent() -> None:
    random = np.random.default_rng(1)
    frames = [
        (image, np.where(random.random(labels.shape) < 0.1, 5, labels).astype(np.uint8))
        for image, labels in moving_frames()
    ]
    # Right in both frames, or wrong in both.
    assert consistency(frames) == pytest.approx(0.9**2 + 0.1**2, abs=0.03)


@pytest.mark.parametrize("size", [(8, 8), (1, 400), (400, 1), (5, 30)])
def test_pictures_may_be_small_and_flat(size: tuple[int, int]) -> None:
    image = np.random.default_rng(0).integers(256, size=(*size, 3), dtype=np.uint8)
    labels = np.zeros(size, np.uint8)
    measure = TemporalConsistency()
    assert measure.update(image, labels) is None
    assert measure.update(image, labels) == 1.0
    assert measure.update(image, labels + 1) == 0.0


def test_one_frame_alone_says_nothing() -> None:
    assert consistency(moving_frames(1)) is None


def test_videos_are_not_compared_with_each_other() -> None:
    measure = TemporalConsistency()
    image, labels = moving_frames(1)[0]
    for value in (1, 2):
        measure.begin_video()
        measure.update(image, np.full_like(labels, value))
        measure.update(image, np.full_like(labels, value))
    assert measure.ratio.value == 1


def video_consistency(frames: int, predicted: list, true: list) -> float | None:
    measure = VideoConsistency(frames)
    for prediction, truth in zip(predicted, true, strict=True):
        measure.update(row(prediction), None if truth is None else row(truth))
    return measure.ratio.value


def row(labels: list[int]) -> np.ndarray:
    return np.array([labels], np.uint8)


def test_vc_counts_pixels_that_are_right_in_all_frames_of_a_run() -> None:
    true = [[0, 1, 2, 255], [0, 1, 1, 255], [0, 1, 1, 0]]
    right_once_wrong = [[0, 1, 2, 0], [0, 0, 1, 0], [0, 1, 1, 0]]
    # Runs of two: of pixels 0 and 1 one; of pixels 0, 1 and 2 two.
    assert video_consistency(2, right_once_wrong, true) == pytest.approx((1 / 2 + 2 / 3) / 2)
    # Constant over three frames: pixels 0 and 1.
    assert video_consistency(3, right_once_wrong, true) == pytest.approx(1 / 2)
    assert video_consistency(4, right_once_wrong, true) is None


def test_vc_agrees_with_its_definition() -> None:
    random = np.random.default_rng(0)
    true = random.choice([0, 1, 255], p=[0.8, 0.1, 0.1], size=(7, 400)).astype(np.uint8)
    predicted = np.where(random.random(true.shape) < 0.1, 1, true).astype(np.uint8)
    shares = []
    for start in range(4):
        t, p = true[start : start + 4], predicted[start : start + 4]
        constant = (t == t[0]).all(0) & (t[0] != 255)
        shares.append((constant & (p == t).all(0)).sum() / constant.sum())
    measured = video_consistency(4, predicted.tolist(), true.tolist())
    assert measured == pytest.approx(np.mean(shares))


def test_a_frame_without_truth_ends_a_run() -> None:
    frames = [[0], [0], [0]]
    assert video_consistency(2, frames, [[0], None, [0]]) is None
    assert video_consistency(2, frames, [[0], [0], None]) == 1


def test_a_frame_without_truth_is_part_of_no_run_of_a_scorer() -> None:
    scorer, labels = Scorer(CITYSCAPES), np.zeros((16, 16), np.uint8)
    image = np.zeros((16, 16, 3), np.uint8)
    for number in range(16):
        scorer.add(image, labels, None if number == 8 else labels)
    assert scorer.accumulator().vc8.whole == 1
    assert scorer.accumulator().vc16.whole == 0
    # Seven follow the one that is missing: eight would be a run.
    scorer.add(image, labels, labels)
    assert scorer.accumulator().vc8.whole == 2
