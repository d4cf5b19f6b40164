"""What the fused kernels of all devices read and write."""

from __future__ import annotations

from typing import NamedTuple

import torch
from torch import Tensor


class AttentionTensors(NamedTuple):
    """What local attention was given, and what it gave; the backward pass needs both."""

    query: Tensor
    keys: Tensor
    values: Tensor
    read: Tensor
    log_sum_exp: Tensor


def attention_outputs(query: Tensor, values: Tensor) -> tuple[Tensor, Tensor]:
    """Room for what local attention of (B, Dk, H, W) and (B, S, Dv, H, W) gives.

    Returns:
        read (B, Dv, H, W), channels last, and the logarithm of the sum of exponentials of the
        scores (B, H, W), float32 or, for float64 inputs, float64.
    """
    batch, _, height, width = query.shape
    read = torch.empty(
        (batch, values.shape[2], height, width),
        dtype=query.dtype,
        device=query.device,
        memory_format=torch.channels_last,
    )
    statistics = torch.float64 if query.dtype == torch.float64 else torch.float32
    return read, query.new_empty((batch, height, width), dtype=statistics)
