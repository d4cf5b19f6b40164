"""What a bad sensor does to clips, so that it pays to read from the memory."""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch import Tensor


@dataclass(frozen=True)
class Degradation:
    """How bad frames become, each in a way of its own.

    Attributes:
        noise: grey levels, upper bound of the standard deviation of the noise.
        cover: upper bound of the sides of a grey patch that covers a part of every other frame, as
            a share of the frame's sides.

    Raises:
        ValueError: a value is out of range.
    """

    noise: float = 0.0
    cover: float = 0.0

    def __post_init__(self) -> None:
        if self.noise < 0:
            raise ValueError(f"degradation: noise must not be negative, got {self.noise}")
        if not 0 <= self.cover <= 1:
            raise ValueError(f"degradation: cover must be in 0..1, got {self.cover}")


def degrade(clips: Tensor, degradation: Degradation) -> Tensor:
    """Worse copies of (B, T, 3, H, W) clips in 0..1, drawn from PyTorch's random numbers."""
    frames = clips.flatten(0, 1).clone()
    if degradation.cover:
        for frame in frames:
            if torch.rand(()) < 0.5:
                _cover(frame, degradation.cover)
    if degradation.noise:
        strength = torch.rand(len(frames), 1, 1, 1, device=frames.device) * degradation.noise / 255
        frames = (frames + strength * torch.randn_like(frames)).clamp_(0, 1)
    return frames.view_as(clips)


def _cover(frame: Tensor, largest: float) -> None:
    """Paint a patch of one grey over a (3, H, W) frame."""
    height, width = frame.shape[1:]
    top, left, tall, wide = torch.rand(4).tolist()
    tall, wide = int(tall * largest * height), int(wide * largest * width)
    top, left = int(top * (height - tall)), int(left * (width - wide))
    frame[:, top : top + tall, left : left + wide] = torch.rand(())
