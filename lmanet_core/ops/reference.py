"""The oracle: the equation of local attention, written down. Never optimised."""

from __future__ import annotations

import torch
from torch import Tensor
from torch.nn import functional


def local_correlation_reference(query: Tensor, keys: Tensor, window_size: int) -> Tensor:
    """Scores of all displacements; see `lmanet_core.ops.local_correlation`."""
    windows = _windows(keys, window_size)
    return torch.stack([(query[:, None] * window).sum(2) for window in windows], dim=2)


def local_attention_reference(
    query: Tensor, keys: Tensor, values: Tensor, window_size: int
) -> Tensor:
    """Local attention as one loop over displacements; see `lmanet_core.ops.local_attention`."""
    scores = local_correlation_reference(query, keys, window_size)
    probabilities = scores.flatten(1, 2).softmax(1).view_as(scores)
    read = torch.zeros_like(values[:, 0])
    for index, window in enumerate(_windows(values, window_size)):
        read = read + (probabilities[:, :, index, None] * window).sum(1)
    return read


def _windows(memory: Tensor, window_size: int) -> list[Tensor]:
    """What each location sees at each displacement, rows first: (B, S, D, H, W) each."""
    height, width = memory.shape[-2:]
    padded = functional.pad(memory, (window_size // 2,) * 4)
    return [
        padded[..., dy : dy + height, dx : dx + width]
        for dy in range(window_size)
        for dx in range(window_size)
    ]
