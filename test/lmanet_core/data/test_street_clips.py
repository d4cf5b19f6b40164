"""Training clips cut from the synthetic street."""

from __future__ import annotations

import itertools

import pytest
import torch

from lmanet_core.data.street_clips import ClipConfig, StreetClips

CONFIG = ClipConfig(size=(128, 64), crop_width=64, frames=3, clips_per_scene=2, noise=5.0)


def test_clips_have_frames_first_and_the_labels_of_the_last_frame() -> None:
    for clip, labels in itertools.islice(StreetClips(1, CONFIG), 3):
        assert clip.shape == (3, 3, 64, 64)
        assert clip.dtype == torch.uint8
        assert labels.shape == (64, 64)
        assert labels.dtype == torch.int64
        assert 0 <= labels.min() <= labels.max() < 19


def test_the_seed_decides() -> None:
    first, again, other = (next(iter(StreetClips(seed, CONFIG))) for seed in (1, 1, 2))
    assert torch.equal(first[0], again[0])
    assert torch.equal(first[1], again[1])
    assert not torch.equal(first[0], other[0])


def test_a_crop_wider_than_the_frame_is_refused() -> None:
    with pytest.raises(ValueError, match=r"crop_width must be in 1\.\.128, the frames' width"):
        ClipConfig(size=(128, 64), crop_width=256)
