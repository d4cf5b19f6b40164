"""The oracle: the equation of local attention, written down. Never optimised."""

from __future__ import annotations

import torch
from torch import Tensor
from torch.nn import functional


def local_attention_reference(
    query: Tensor, keys: Tensor, values: Tensor, window_size: int
) -> Tensor:
    """Local attention as one loop over displacements; see `lmanet_core.ops.local_attention`."""
    radius = (window_size - 1) // 2
    height, width = query.shape[-2:]
    padded_keys = functional.pad(keys, (radius,) * 4)
    padded_values = functional.pad(values, (radius,) * 4)
    displacements = [(dy, dx) for dy in range(window_size) for dx in range(window_size)]

    scores = torch.stack(
        [
            (query[:, None] * padded_keys[..., dy : dy + height, dx : dx + width]).sum(2)
            for dy, dx in displacements
        ],
        dim=2,
    )  # (B, S, w*w, H, W)
    probabilities = scores.flatten(1, 2).softmax(1).view_as(scores)
    read = torch.zeros_like(values[:, 0])
    for index, (dy, dx) in enumerate(displacements):
        window = padded_values[..., dy : dy + height, dx : dx + width]
        read = read + (probabilities[:, :, index, None] * window).sum(1)
    return read
