"""What keys are made of: what a convolution gives, or that with a direction and a place."""

from __future__ import annotations

import math

import torch
from torch import Tensor, nn
from torch.nn import functional

from lmanet_core.models.frame_quality import FrameQuality
from lmanet_core.network.model_config import PLACE_CHANNELS, QUALITY_CHANNELS

SHARPNESS = 60.0
"""Difference in score, at the start, between two places that look the same and two that have
nothing in common."""
NEARNESS = 46.0
"""Difference in score, at the start, between two places on top of each other and two that are a
quarter of `PERIOD` apart in x and y. Near a place it is a normal distribution with a deviation of
1.5 cells."""
PREFERENCE = 2.0
"""Factor of a remembered frame's quality in the score; the quality is the logarithm of odds."""
SHORTEST = 1e-4
"""Length below which keys are shorter than the others; not nothing in half precision, either."""
PERIOD = 64
"""Cells after which places repeat: more than windows up to 63 reach."""


class LinearKeys(nn.Module):
    """Keys as a convolution gives them, and what all forms have in common.

    Args:
        feature_channels: C, of the features that keys are made from.

    Attributes:
        quality: tells how good a frame is, where the form wants to know.
    """

    extra_channels = 0
    """Channels of a key besides those that a convolution gives."""

    def __init__(self, feature_channels: int) -> None:
        super().__init__()
        self.quality: FrameQuality | None = None

    def forward(
        self, query_key: Tensor, memory_key: Tensor, quality: Tensor | None = None
    ) -> tuple[Tensor, Tensor]:
        """Make keys to read with and to be remembered of a frame's.

        Args:
            query_key: (B, D, H, W).
            memory_key: (B, D, H, W).
            quality: (B, 1, 1, 1) of the frame, as `self.quality` tells it.

        Returns:
            (B, D + extra_channels, H, W) twice.
        """
        return query_key, memory_key


class LocatedKeys(LinearKeys):
    """Keys of one length, beside where they are and how good their frame is:

        key(p) = [sqrt(sharpness) k(p) / |k(p)|, sqrt(nearness) (cos x, sin x, cos y, sin y), q]

    with x and y of the place p as angles, and q the quality of a frame that is remembered and
    `PREFERENCE` for the one that reads, so that the product of two is

        sharpness * cosine of k and k' + nearness * (cos(x - x') + cos(y - y')) + PREFERENCE * q'.

    Linear keys favour whatever has long ones, however far away. A street moves little from frame to
    frame: where keys cannot tell one place from another, what is near is the better guess. And of
    two frames that show the same, the better one is read.

    Sharpness and nearness are learned, as logarithms.

    Args:
        feature_channels: C, of the features that keys are made from.
    """

    extra_channels = PLACE_CHANNELS + QUALITY_CHANNELS

    def __init__(self, feature_channels: int) -> None:
        super().__init__(feature_channels)
        self.log_sharpness = nn.Parameter(torch.tensor(math.log(SHARPNESS)))
        self.log_nearness = nn.Parameter(torch.tensor(math.log(NEARNESS)))
        self.quality = FrameQuality(feature_channels)

    def forward(
        self, query_key: Tensor, memory_key: Tensor, quality: Tensor | None = None
    ) -> tuple[Tensor, Tensor]:
        """As in `LinearKeys`, of the parameters' dtype.

        That is float32 under autocast, since what tells neighbouring places apart is small beside
        their keys.
        """
        assert quality is not None
        return (
            self._located(query_key, torch.full_like(quality, PREFERENCE)),
            self._located(memory_key, quality),
        )

    def _located(self, keys: Tensor, quality: Tensor) -> Tensor:
        dtype = self.log_sharpness.dtype
        sharpness, nearness = self.log_sharpness.float(), self.log_nearness.float()
        look = functional.normalize(keys.float(), dim=1, eps=SHORTEST) * (sharpness / 2).exp()
        place = _place(keys) * (nearness / 2).exp()
        batch, _, height, width = look.shape
        place = place.expand(batch, -1, -1, -1)
        quality = quality.expand(batch, 1, height, width)
        return torch.cat([look, place, quality], dim=1).to(dtype)


def _place(like: Tensor) -> Tensor:
    """(4, H, W) float32, each location's column and row as points of a circle."""
    rows, columns = (
        torch.arange(side, device=like.device) * (2 * math.pi / PERIOD) for side in like.shape[-2:]
    )
    height, width = like.shape[-2:]
    x = columns.expand(height, width)
    y = rows[:, None].expand(height, width)
    return torch.stack([x.cos(), x.sin(), y.cos(), y.sin()])
