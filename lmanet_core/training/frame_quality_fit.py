"""What tells good frames from corrupted ones: a linear discriminant of their features."""

from __future__ import annotations

import torch
from torch import Tensor

from lmanet_core.models.frame_quality import FrameQuality, channel_moments

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
    before, after = (channel_moments(features).double() for features in (good, corrupted))
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
