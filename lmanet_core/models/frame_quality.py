"""How good a frame is as a whole, as its features tell: sharp or blurred, clean or noisy."""

from __future__ import annotations

import torch
from torch import Tensor, nn
from torch.nn import functional

BATCH_NORM_EPS = 1e-3


class FrameQuality(nn.Module):
    """A number for each frame, linear in the mean and the mean square of its channels.

    It begins as zero for every frame, and learns from whatever it is added to.

    Args:
        channels: C.
    """

    def __init__(self, channels: int) -> None:
        super().__init__()
        self.bn = nn.BatchNorm2d(2 * channels, eps=BATCH_NORM_EPS)
        self.quality = nn.Conv2d(2 * channels, 1, 1)
        nn.init.zeros_(self.quality.weight)
        assert self.quality.bias is not None
        nn.init.zeros_(self.quality.bias)

    def forward(self, features: Tensor) -> Tensor:
        """(B, C, H, W) -> (B, 1, 1, 1)."""
        of_channels = torch.cat([features, features.square()], dim=1).mean((2, 3), keepdim=True)
        return self.quality(self._normalized(of_channels))

    def _normalized(self, of_channels: Tensor) -> Tensor:
        if not self.training or len(of_channels) > 1:
            return self.bn(of_channels)
        # A single frame has no spread to be normalized by.
        bn = self.bn
        return functional.batch_norm(
            of_channels, bn.running_mean, bn.running_var, bn.weight, bn.bias, eps=bn.eps
        )
