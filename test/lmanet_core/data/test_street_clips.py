"""Training clips cut from the synthetic street."""

from __future__ import annotations

import itertools
from dataclasses import replace

import numpy as np
import pytest
import torch

from lmanet_core.data.street_clips import ClipConfig, StreetClips, _draw_crop

CONFIG = ClipConfig(size=(128, 64), crop_size=(64, 48), frames=3, clips_per_scene=2, noise=5.0)


def test_clips_have_frames_first_and_labels_of_every_frame() -> None:
    for clip, labels in itertools.islice(StreetClips(1, CONFIG), 3):
        assert clip.shape == (3, 3, 48, 64)
        assert clip.dtype == torch.uint8
        assert labels.shape == (3, 48, 64)
        assert labels.dtype == torch.int64
        assert 0 <= labels.min() <= labels.max() < 19


def test_the_seed_decides() -> None:
    first, again, other = (next(iter(StreetClips(seed, CONFIG))) for seed in (1, 1, 2))
    assert torch.equal(first[0], again[0])
    assert torch.equal(first[1], again[1])
    assert not torch.equal(first[0], other[0])


def test_crops_of_one_clip_differ() -> None:
    config = replace(CONFIG, crop_size=(32, 32), crops_per_clip=2)
    (first, _), (second, _) = itertools.islice(StreetClips(1, config), 2)
    assert first.shape == second.shape
    assert not torch.equal(first, second)


@pytest.mark.parametrize("size", [(256, 32), (64, 65), (0, 32)])
def test_a_crop_that_does_not_fit_is_refused(size: tuple[int, int]) -> None:
    with pytest.raises(ValueError, match=r"crop_size must be within \(128, 64\), the size of"):
        ClipConfig(size=(128, 64), crop_size=size)


def test_crops_show_rare_classes_more_often_than_chance() -> None:
    labels = np.zeros((40, 100), np.uint8)
    labels[22, 70] = 11
    random = np.random.default_rng(0)
    crops = [labels[_draw_crop(labels, (20, 10), random)] for _ in range(400)]
    assert {crop.shape for crop in crops} == {(10, 20)}
    assert np.mean([11 in crop for crop in crops]) > 0.5  # chance: about 0.07
