"""What augmentation does to a clip."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

from lmanet_core.data.augmentation import AugmentationConfig, add_noise, augment
from lmanet_core.data.clips import Clip

PLAIN = AugmentationConfig(flip=False, translate=0)


def coordinates(height: int = 40, width: int = 60, frames: int = 2) -> Clip:
    """Red is the column, green the row; labels are the columns."""
    rows, columns = np.mgrid[:height, :width].astype(np.uint8)
    image = np.dstack((columns, rows, np.zeros_like(rows)))
    return Clip(np.stack([image] * frames), np.stack([columns] * frames))


def draw(clip: Clip, config: AugmentationConfig, seed: int = 0) -> Clip:
    return augment(clip, config, np.random.default_rng(seed))


def test_without_anything_to_draw_a_clip_stays_as_it_is() -> None:
    clip = coordinates()
    same = draw(clip, PLAIN)
    np.testing.assert_array_equal(same.images, clip.images)
    np.testing.assert_array_equal(same.labels, clip.labels)


def test_the_default_mirrors_and_moves_by_up_to_two_pixels() -> None:
    clip = coordinates()
    drawn = set()
    for seed in range(60):
        images, labels = draw(clip, AugmentationConfig(), seed)
        np.testing.assert_array_equal(images[0], images[1])
        inside = labels[0] != 255
        np.testing.assert_array_equal(images[0][..., 0][inside], labels[0][inside])
        row, column = images[0, 10, 10, 1], images[0, 10, 10, 0]
        drawn.add((10 - int(row), int(column)))
    rows, columns = zip(*drawn, strict=True)
    assert set(rows) == {0, 1, 2}
    assert set(columns) == {10, 9, 8, 49, 48, 47}


def test_crops_lie_within_the_frame() -> None:
    config = AugmentationConfig(crop_size=(24, 16), flip=False, translate=0)
    corners = []
    for seed in range(50):
        images, labels = draw(coordinates(), config, seed)
        assert images.shape == (2, 16, 24, 3)
        column, row, _ = images[0, 0, 0].tolist()
        np.testing.assert_array_equal(
            images[0], coordinates().images[0, row : row + 16, column : column + 24]
        )
        assert (labels != 255).all()
        corners.append((column, row))
    assert min(corners)[0] < 5
    assert max(corners)[0] > 30


def test_beyond_a_frame_that_is_smaller_than_the_crop_nothing_is_scored() -> None:
    images, labels = draw(coordinates(), AugmentationConfig((80, 50), flip=False, translate=0))
    assert (labels[0] != 255).sum() == 40 * 60
    assert (images[0][labels[0] == 255] == 0).all()


def test_scaling_keeps_labels_on_their_pixels() -> None:
    config = AugmentationConfig((50, 40), scale=(0.7, 2.0), aspect=(0.8, 1.25))
    for seed in range(20):
        images, labels = draw(coordinates(), config, seed)
        interior = labels[0] != 255
        interior[:, [0, -1]] = False
        difference = np.abs(images[0][..., 0].astype(int) - labels[0])[interior]
        # A column lies between its neighbours; at the border it fades to black.
        assert np.median(difference) <= 1


def test_another_aspect_makes_frames_wider() -> None:
    images, labels = draw(coordinates(), replace(PLAIN, aspect=(2.0, 2.0)))
    np.testing.assert_array_equal(images[0, :, 30, 1], np.arange(40))
    assert np.ptp(labels[0]) == pytest.approx(30, abs=1)


def test_crops_show_rare_classes_more_often_than_chance() -> None:
    labels = np.zeros((1, 40, 100), np.uint8)
    labels[0, 22, 70] = 11
    clip = Clip(np.zeros((1, 40, 100, 3), np.uint8), labels)
    config = AugmentationConfig((20, 10), flip=False, translate=0, class_centred=1.0)
    crops = [draw(clip, config, seed).labels for seed in range(300)]
    always = np.mean([11 in crop for crop in crops])
    assert always > 0.4  # chance: about 0.07
    columns = {int(np.nonzero(crop == 11)[2][0]) for crop in crops if 11 in crop}
    assert len(columns) > 10, "anywhere in the crop"
    config = replace(config, class_centred=0.5)
    half = np.mean([11 in draw(clip, config, seed).labels for seed in range(300)])
    assert half == pytest.approx(always / 2, abs=0.1)


def test_a_last_frame_without_truth_is_cropped_anywhere() -> None:
    clip = coordinates()
    clip = clip._replace(labels=np.full_like(clip.labels, 255))
    config = AugmentationConfig((20, 10), class_centred=1.0)
    assert draw(clip, config).labels.shape == (2, 10, 20)


def test_light_changes_alike_in_all_frames_and_leaves_labels_alone() -> None:
    clip = Clip(np.full((2, 8, 8, 3), 100, np.uint8), np.ones((2, 8, 8), np.uint8))
    config = AugmentationConfig(
        flip=False, translate=0, brightness=0.1, contrast=0.2, gamma=0.2, color=0.1
    )
    values = []
    for seed in range(20):
        images, labels = draw(clip, config, seed)
        np.testing.assert_array_equal(images[0], images[1])
        np.testing.assert_array_equal(labels, clip.labels)
        values.append(images[0, 0, 0].tolist())
    assert np.ptp(values, axis=0).min() > 20
    assert any(len(set(value)) == 3 for value in values)


def test_frames_get_brighter_or_darker() -> None:
    clip = Clip(np.full((2, 8, 8, 3), 100, np.uint8), np.ones((2, 8, 8), np.uint8))
    drawn = [draw(clip, replace(PLAIN, brightness=0.1), seed).images.mean() for seed in range(40)]
    assert 74 <= min(drawn) < 90 < 110 < max(drawn) <= 126


def test_half_of_the_clips_are_blurred_and_all_their_frames_alike() -> None:
    frame = np.random.default_rng(0).integers(256, size=(16, 16, 3), dtype=np.uint8)
    clip = Clip(np.stack([frame] * 2), np.ones((2, 16, 16), np.uint8))
    deviations = []
    for seed in range(40):
        images, _ = draw(clip, replace(PLAIN, blur=2.0), seed)
        np.testing.assert_array_equal(images[0], images[1])
        deviations.append(images.std())
    blurred = [deviation for deviation in deviations if deviation < 0.95 * frame.std()]
    assert 8 <= len(blurred) <= 32


def test_noise_is_new_in_every_frame() -> None:
    clip = Clip(np.full((2, 32, 32, 3), 100, np.uint8), np.ones((2, 32, 32), np.uint8))
    images, _ = draw(clip, AugmentationConfig(flip=False, translate=0, noise=10.0))
    assert (images[0] != images[1]).any()
    assert images[0].std() == pytest.approx(images[1].std(), rel=0.2)
    assert images[0].std() < 11
    drawn = [
        draw(clip, AugmentationConfig(flip=False, translate=0, noise=10.0), seed).images.std()
        for seed in range(20)
    ]
    assert min(drawn) < 4 < 7 < max(drawn) < 11


def test_noise_has_the_deviation_that_is_asked_for() -> None:
    grey = np.full((64, 64, 3), 100, np.uint8)
    noisy = add_noise(grey, 12.0, np.random.default_rng(0))
    assert noisy.mean() == pytest.approx(100, abs=0.5)
    assert noisy.std() == pytest.approx(12, rel=0.03)


@pytest.mark.parametrize(
    ("arguments", "complaint"),
    [
        ({"crop_size": (0, 32)}, "crop_size must be"),
        ({"scale": (2.0, 1.0)}, "scale must be a range of factors"),
        ({"translate": -1}, "translate must be at least 0"),
    ],
)
def test_impossible_augmentations_are_refused(arguments: dict, complaint: str) -> None:
    with pytest.raises(ValueError, match=complaint):
        AugmentationConfig(**arguments)


def test_a_frame_that_is_enlarged_keeps_its_middle() -> None:
    config = replace(PLAIN, crop_size=(120, 80), scale=(2.0, 2.0))
    images, _ = draw(coordinates(), config)
    assert images[0, 20:60, 20:100].mean((0, 1)) == pytest.approx([29.5, 19.5, 0], abs=0.1)


def test_factors_are_as_likely_up_as_down() -> None:
    clip = Clip(np.full((1, 4, 4, 3), 100, np.uint8), np.ones((1, 4, 4), np.uint8))
    values = [draw(clip, replace(PLAIN, gamma=0.5), seed).images.mean() for seed in range(60)]
    assert 20 < np.sum(np.array(values) < 100) < 40
