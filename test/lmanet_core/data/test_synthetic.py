"""The synthetic street as a user of `StreetVideo` meets it."""

from __future__ import annotations

import itertools
import time

import cv2
import numpy as np
import pytest

from lmanet_core.cloud.depth import depth_in_metres
from lmanet_core.data.synthetic import StreetConfig, StreetVideo
from lmanet_core.data.synthetic.labels import CAR, PERSON, ROAD, SIDEWALK, SKY, TERRAIN, TRAIN
from lmanet_core.network.classes import CITYSCAPES

SMALL = StreetConfig(size=(128, 64))


def frames(video: StreetVideo, count: int) -> list[tuple[np.ndarray, np.ndarray]]:
    return list(itertools.islice(video, count))


@pytest.mark.parametrize("size", [(512, 256), (129, 65), (64, 128)])
def test_frames_have_the_size_asked_for(size: tuple[int, int]) -> None:
    image, labels = next(StreetVideo(1, StreetConfig(size=size)))
    assert image.shape == (size[1], size[0], 3)
    assert labels.shape == (size[1], size[0])
    assert image.dtype == labels.dtype == np.uint8


def test_same_seed_gives_the_same_video_and_another_seed_another() -> None:
    config = StreetConfig(size=(128, 64), noise=9, flicker=0.1, motion_blur=0.5, occlusion_rate=5)
    first, second = frames(StreetVideo(3, config), 5), frames(StreetVideo(3, config), 5)
    for (image, labels), (same_image, same_labels) in zip(first, second, strict=True):
        np.testing.assert_array_equal(image, same_image)
        np.testing.assert_array_equal(labels, same_labels)
    assert (next(StreetVideo(4, config))[1] != first[0][1]).any()


def test_skipping_frames_leads_to_the_same_place_as_watching_them() -> None:
    config = StreetConfig(size=(128, 64), noise=9, occlusion_rate=5)
    watched, skipped = StreetVideo(5, config), StreetVideo(5, config)
    frames(watched, 12)
    skipped.skip(12)
    for expected, got in zip(next(watched), next(skipped), strict=True):
        np.testing.assert_array_equal(expected, got)


def test_a_bad_sensor_changes_the_image_and_never_the_labels() -> None:
    bad = StreetConfig(size=(128, 64), noise=20, flicker=0.2, motion_blur=1, occlusion_rate=15)
    clean_frames, bad_frames = frames(StreetVideo(6, SMALL), 8), frames(StreetVideo(6, bad), 8)
    for (clean, labels), (dirty, same_labels) in zip(clean_frames, bad_frames, strict=True):
        np.testing.assert_array_equal(labels, same_labels)
        assert np.abs(clean.astype(int) - dirty).mean() > 5


def test_occlusions_are_short_and_as_frequent_as_asked_for() -> None:
    occluded = StreetConfig(size=(128, 64), occlusion_rate=1.5)
    clean_frames, frames_seen = (
        frames(StreetVideo(7, SMALL), 150),
        frames(StreetVideo(7, occluded), 150),
    )
    covered = [
        (clean != seen).any()
        for (clean, _), (seen, _) in zip(clean_frames, frames_seen, strict=True)
    ]
    assert 10 <= sum(covered) <= 60  # 15 expected, one to three frames each
    longest = max(
        sum(1 for _ in run) for is_covered, run in itertools.groupby(covered) if is_covered
    )
    assert longest <= 9


def test_all_19_classes_occur() -> None:
    seen: set[int] = set()
    for seed in range(12):
        video = StreetVideo(seed, StreetConfig(size=(256, 128)))
        for _ in range(20):
            video.skip(8)
            seen |= set(np.unique(next(video)[1]).tolist())
    assert seen == set(range(len(CITYSCAPES)))
    assert TRAIN in seen


def test_it_is_a_street_sky_above_road_below() -> None:
    for seed in range(4):
        _, labels = next(StreetVideo(seed, SMALL))
        assert (labels[-1] == ROAD).mean() > 0.3
        assert (labels[: len(labels) // 3] == SKY).mean() > 0.05
        assert not (labels[len(labels) // 2 + 8 :] == SKY).any()


def test_things_move_and_the_camera_drives() -> None:
    video = StreetVideo(2, StreetConfig(size=(256, 128)))
    _, before = next(video)
    video.skip(14)
    _, after = next(video)
    assert (before != after).mean() > 0.02


def test_cars_and_pedestrians_are_about() -> None:
    seen: set[int] = set()
    for seed in (3, 4, 5):
        video = StreetVideo(seed, StreetConfig(size=(256, 128)))
        video.skip(45)
        seen |= set(np.unique(next(video)[1]).tolist())
    assert {CAR, PERSON} <= seen


def test_a_class_keeps_its_pixels_from_frame_to_frame() -> None:
    video = StreetVideo(2, StreetConfig(size=(256, 128), frame_rate=30))
    for (_, before), (_, after) in itertools.pairwise(frames(video, 6)):
        assert (before == after).mean() > 0.85


def test_depth_is_exact_the_ground_is_flat_and_things_stand_on_it() -> None:
    video = StreetVideo(1, StreetConfig(size=(256, 128)), depth=True)
    video.skip(60)
    cars = 0
    for _ in range(5):
        video.skip(20)
        frame = video.next_frame()
        assert frame.depth is not None
        depth = depth_in_metres(frame.depth, (256, 128))
        below = (frame.camera.rays().y * depth)[depth < 60]
        labels = frame.labels[depth < 60]
        ground = np.isin(labels, (ROAD, SIDEWALK, TERRAIN))
        # The camera is 1.5 m above it.
        np.testing.assert_allclose(below[ground], 1.5, atol=1e-3)
        # A row of pixels may show the ground before a thing's foot.
        assert below.max() < 2.2
        assert below[labels == CAR].min(initial=1.5) > -1.0
        cars += (labels == CAR).sum()
        assert np.isnan(depth[frame.labels == SKY]).all()
    assert cars > 500


def test_depth_changes_neither_image_nor_labels() -> None:
    noisy = StreetConfig(size=(128, 64), noise=5, depth_noise=0.1, depth_holes=0.1)
    plain = StreetVideo(2, StreetConfig(size=(128, 64), noise=5))
    measured, exact = StreetVideo(2, noisy, depth=True), StreetVideo(2, SMALL, depth=True)
    for _ in range(3):
        image, labels = next(plain)
        frame, truth = measured.next_frame(), exact.next_frame()
        np.testing.assert_array_equal(frame.image, image)
        np.testing.assert_array_equal(frame.labels, labels)
        assert plain.next_frame().depth is None
        exact.skip(1)
        measured.skip(1)
        seen = truth.depth > 0
        holes = (frame.depth[seen] == 0).mean()
        assert 0.08 < holes < 0.4
        both = seen & (frame.depth > 0)
        errors = np.abs(frame.depth - truth.depth)[both]
        # 0.1 m at 10 m, four times as much at 20 m.
        near = np.abs(truth.depth[both] - 10) < 1
        assert errors[near].mean() == pytest.approx(0.08, abs=0.02)


def test_the_drive_is_followed_from_above() -> None:
    video = StreetVideo(3, StreetConfig(size=(64, 32)))
    first = video.next_frame().pose
    video.skip(149)
    last = video.next_frame().pose
    assert (first.right, first.ahead, first.heading) == (0, 0, 0)
    # Ten seconds at 4 to 14 m/s, along a street that bends a little.
    assert 40 < np.hypot(last.ahead, last.right) < 140
    assert abs(last.heading) < 0.5


def test_rendering_keeps_up_with_a_camera() -> None:
    threads = cv2.getNumThreads()
    cv2.setNumThreads(1)
    try:
        video = StreetVideo(0)
        next(video)
        seconds = []
        for _ in range(40):
            started = time.process_time()
            next(video)
            seconds.append(time.process_time() - started)
    finally:
        cv2.setNumThreads(threads)
    # 30 frames per second are promised; a busy test machine gets more than twice the time.
    assert np.median(seconds) < 1 / 12


@pytest.mark.parametrize(
    ("arguments", "complaint"),
    [
        ({"size": (16, 16)}, "size must be at least 32x32, got 16x16"),
        ({"frame_rate": 0}, "frame_rate must be positive"),
        ({"noise": -1}, "noise must be at least 0"),
        ({"motion_blur": 2}, r"motion_blur must be in 0\.\.1"),
        ({"depth_noise": -1}, "depth_noise must be at least 0"),
        ({"depth_holes": 1}, "depth_holes must be 0 or more and below 1"),
    ],
)
def test_impossible_wishes_are_named(arguments: dict, complaint: str) -> None:
    with pytest.raises(ValueError, match=complaint):
        StreetConfig(**arguments)
