"""What tells good frames from corrupted ones: a linear discriminant of their features."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import NamedTuple

import numpy as np
import torch
from torch import Tensor

from lmanet_core.data.corruption import CorruptionConfig, corrupt
from lmanet_core.models import LMANet
from lmanet_core.models.frame_quality import FrameQuality, channel_moments
from lmanet_core.training.batch_statistics import network_input

SHRINKAGE = 0.3
"""Shrinkage of the covariance, as a share of a variance of 1: there are few more frames than
moments."""
SMALLEST_SHARE = 0.01
"""Smallest deviation of a channel, as a share of the mean over channels. A channel that is nearly
dead then gets no weight that is too large for half precision."""
SMALLEST_DEVIATION = 1e-6
"""Where all channels are dead."""


@torch.no_grad()
def fit_frame_quality(quality: FrameQuality, good: Tensor, corrupted: Tensor) -> None:
    """Make it the logarithm of the odds that a frame is one of the good ones.

    Args:
        quality: its weights are overwritten.
        good: (N, C, H, W) features of frames, N >= 2.
        corrupted: features of the same frames, corrupted: the difference is what corruption
            does, apart from what the frames show.
    """
    _fit_moments(quality, channel_moments(good), channel_moments(corrupted))


class ToldRight(NamedTuple):
    """Shares (0..1) of the frames of either kind that are told to be what they are."""

    good: float
    corrupted: float


@torch.no_grad()
def fit_frame_quality_on_images(
    model: LMANet,
    images: Iterable[np.ndarray],
    corruptions: Sequence[CorruptionConfig],
    seed: int,
    work_size: tuple[int, int] | None = None,
) -> ToldRight:
    """Fit the quality of frames of a trained network on images and corrupted copies of them.

    Args:
        model: changed in place.
        images: (H, W, 3) uint8, RGB, two or more.
        corruptions: how copies are corrupted; they take turns.
        seed: of the corruptions.
        work_size: (width, height), at as many pixels the network runs; None: at the images'.

    Returns:
        How it tells these images themselves.

    Raises:
        ValueError: the network has no quality of frames, or there are less than two images.
    """
    quality = frame_quality_of(model)
    both = []
    for number, image in enumerate(images):
        random = np.random.default_rng((seed, number))
        copy = corrupt(image, corruptions[number % len(corruptions)], random)
        pair = torch.cat([network_input(model, frame, work_size) for frame in (image, copy)])
        both.append(channel_moments(model.encoder(pair)))
    if len(both) < 2:
        raise ValueError(f"expected two images or more to fit the quality on, got {len(both)}")
    good, corrupted = torch.stack(both).unbind(1)
    _fit_moments(quality, good, corrupted)
    good, corrupted = (part @ quality.weight + quality.bias for part in (good, corrupted))
    return ToldRight(float((good > 0).float().mean()), float((corrupted < 0).float().mean()))


def frame_quality_of(model: LMANet) -> FrameQuality:
    """The network's quality of frames.

    Raises:
        ValueError: it has none.
    """
    quality = None if model.memory is None else model.memory.frame_quality
    if quality is None:
        raise ValueError(
            "the network has no quality of frames: expected one with a memory of the key form "
            "'located' or the fusion 'blend'"
        )
    return quality


def _fit_moments(quality: FrameQuality, before: Tensor, after: Tensor) -> None:
    """As `fit_frame_quality`, of (N, 2 C) moments."""
    before, after = before.double(), after.double()
    mean = torch.cat([before, after]).mean(0)
    deviation = _deviation(torch.cat([before, after]))
    before, after = ((moments - mean) / deviation for moments in (before, after))
    change = before - after
    spread = (torch.cov(before.T) + torch.cov(change.T)) / 2
    spread += SHRINKAGE * torch.eye(len(spread), dtype=spread.dtype, device=spread.device)
    direction = torch.linalg.solve(spread, change.mean(0))
    scores, corrupted_scores = before @ direction, after @ direction
    variance = (scores.var() + corrupted_scores.var()).clamp_min(SMALLEST_DEVIATION) / 2
    direction *= (scores.mean() - corrupted_scores.mean()) / variance
    weight = direction / deviation
    quality.weight.copy_(weight)
    # In the middle between the means of good and corrupted frames, either is as likely.
    quality.bias.copy_(-(mean @ weight))


def _deviation(moments: Tensor) -> Tensor:
    """(2 C,) of (N, 2 C) means and mean squares, each of which has a scale of its own."""
    halves = moments.std(0).chunk(2)
    floored = [half.clamp_min(SMALLEST_SHARE * float(half.mean())) for half in halves]
    return torch.cat(floored).clamp_min(SMALLEST_DEVIATION)
