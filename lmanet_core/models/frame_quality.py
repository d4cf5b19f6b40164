"""How good a frame is as a whole, as its features tell: sharp or blurred, clean or noisy."""

from __future__ import annotations

import torch
from torch import Tensor, nn


class FrameQuality(nn.Module):
    """A number for each frame, linear in the mean and the mean square of its channels.

    Fitted once, see `lmanet_core.training.frame_quality_fit`, it is the logarithm of the odds that
    a frame is as good as those that the network knows, and stays as it is in training. Until then
    it is 0.

    Args:
        channels: C.
    """

    weight: Tensor
    bias: Tensor

    def __init__(self, channels: int) -> None:
        super().__init__()
        self.register_buffer("weight", torch.zeros(2 * channels))
        self.register_buffer("bias", torch.zeros(()))

    def forward(self, features: Tensor) -> Tensor:
        """(B, C, H, W) -> (B, 1, 1, 1) float32, also under autocast."""
        # In half precision the terms, which nearly cancel out, would be too coarse. Autocast makes
        # matrix products so, but no sums.
        terms = channel_moments(features) * self.weight.float()
        return (terms.sum(1) + self.bias.float())[:, None, None, None]


def channel_moments(features: Tensor) -> Tensor:
    """(B, C, H, W) -> (B, 2 C) float32, the mean and the mean square of each channel."""
    values = features.float()
    return torch.cat([values.mean((2, 3)), values.square().mean((2, 3))], dim=1)
