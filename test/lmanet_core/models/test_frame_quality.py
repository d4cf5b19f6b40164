"""How good a frame is as a whole."""

from __future__ import annotations

import cv2
import numpy as np
import pytest
import torch

from lmanet_core import load
from lmanet_core.data.datasets import open_dataset
from lmanet_core.models.frame_quality import FrameQuality


@pytest.fixture(scope="module")
def frames() -> np.ndarray:
    """(4, 256, 384, 3) of different streets."""
    videos = open_dataset("synthetic", None, "val", (384, 256)).videos
    return np.stack([video.image(3) for video in videos[:4]])


@torch.no_grad()
def quality_of(frames: np.ndarray, mixed: bool = False) -> torch.Tensor:
    """What the shipped network thinks of them; `mixed`: where autocast is on."""
    model = load("street").eval()
    features = model.encoder(torch.from_numpy(frames).permute(0, 3, 1, 2).float() / 255)
    assert model.memory is not None
    with torch.autocast("cpu", torch.bfloat16, enabled=mixed):
        return model.memory.fusion.quality(features).flatten()


def test_the_shipped_network_takes_sharp_frames_for_good_and_tells_them_from_worse(
    frames: np.ndarray,
) -> None:
    good = quality_of(frames)
    assert (good > 0).all()
    noise = np.random.default_rng(0).normal(0, 25, frames.shape)
    noisy = np.clip(frames + noise, 0, 255).astype(np.uint8)
    blurred = np.stack([cv2.GaussianBlur(frame, (0, 0), 2.5) for frame in frames])
    for worse in (noisy, blurred):
        assert (quality_of(worse) < good - 0.5).all()


def test_it_is_as_exact_in_mixed_precision(frames: np.ndarray) -> None:
    torch.testing.assert_close(
        quality_of(frames, mixed=True), quality_of(frames), rtol=0, atol=1e-5
    )


def test_it_is_of_means_and_mean_squares() -> None:
    quality = FrameQuality(2)
    quality.weight.copy_(torch.tensor([1.0, 10.0, 100.0, 1000.0]))
    quality.bias.fill_(0.5)
    features = torch.tensor([2.0, 3.0])[None, :, None, None].expand(1, 2, 4, 5)
    assert quality(features).item() == 0.5 + 2 + 30 + 400 + 9000
