"""Keys by which attention finds what looks alike and lies near."""

from __future__ import annotations

import math

import torch
from torch import Tensor, nn
from torch.nn import functional

SHARPNESS = 60.0
"""What two places of the same look gain over two that have nothing in common, at the start."""
NEARNESS = 46.0
"""The same for places on top of each other and places a quarter of `PERIOD` apart, in x and y:
at the start, a normal distribution with a deviation of 1.5 cells."""
SHORTEST = 1e-4
"""Length below which keys are shorter than the others; not nothing in half precision, either."""
PERIOD = 64
"""Cells after which places repeat: more than windows up to 63 reach."""


class LocatedKeys(nn.Module):
    """Keys of one length, beside where they are:

        key(p) = [sqrt(sharpness) k(p) / |k(p)|, sqrt(nearness) (cos x, sin x, cos y, sin y)]

    with x and y of the place p as angles, so that the product of two is

        sharpness * cosine of k and k' + nearness * (cos(x - x') + cos(y - y')).

    Linear keys favour whatever has long ones, however far away. A street moves little from frame to
    frame: where keys cannot tell one place from another, what is near is the better guess.

    Both factors are learned, as logarithms.
    """

    def __init__(self) -> None:
        super().__init__()
        self.log_sharpness = nn.Parameter(torch.tensor(math.log(SHARPNESS)))
        self.log_nearness = nn.Parameter(torch.tensor(math.log(NEARNESS)))

    def forward(self, keys: Tensor) -> Tensor:
        """(B, D, H, W) -> (B, D + 4, H, W)."""
        look = functional.normalize(keys, dim=1, eps=SHORTEST) * (self.log_sharpness / 2).exp()
        place = _place(keys) * (self.log_nearness / 2).exp()
        return torch.cat([look, place.to(look.dtype).expand(len(keys), -1, -1, -1)], dim=1)


def _place(like: Tensor) -> Tensor:
    """(4, H, W) float32, each location's column and row as points of a circle."""
    rows, columns = (
        torch.arange(side, device=like.device) * (2 * math.pi / PERIOD) for side in like.shape[-2:]
    )
    height, width = like.shape[-2:]
    x = columns.expand(height, width)
    y = rows[:, None].expand(height, width)
    return torch.stack([x.cos(), x.sin(), y.cos(), y.sin()])
