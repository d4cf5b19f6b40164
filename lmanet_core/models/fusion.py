"""Fusion of what was read from the memory with the current frame."""

from __future__ import annotations

import torch
from torch import Tensor, nn
from torch.nn import functional

BATCH_NORM_EPS = 1e-3
DROPOUT = 0.3


class GatedFusion(nn.Module):
    """The paper's gated fusion: each source is weighted, channel by channel, by its own gate.

        q, m = ReLU(Dropout(BN(query values))), ReLU(Dropout(BN(read)))
        out = ReLU(BN(sigmoid(A_Q [q, m]) * E_Q q + sigmoid(A_M [q, m]) * E_M m))

    with 3x3 convolutions A and E. Source: Paul et al., IROS 2021, section III-C.
    """

    def __init__(self, value_channels: int, feature_channels: int) -> None:
        super().__init__()
        # Query and memory go side by side through each layer: two convolutions instead of four.
        self.bn = nn.BatchNorm2d(2 * value_channels, eps=BATCH_NORM_EPS)
        self.dropout = nn.Dropout2d(DROPOUT)
        self.gate = nn.Conv2d(2 * value_channels, 2 * feature_channels, 3, padding=1)
        self.expand = nn.Conv2d(2 * value_channels, 2 * feature_channels, 3, padding=1, groups=2)
        self.out_bn = nn.BatchNorm2d(feature_channels, eps=BATCH_NORM_EPS)

    def forward(self, query_values: Tensor, read: Tensor) -> Tensor:
        """(B, Dv, H, W) twice -> (B, C, H, W)."""
        both = torch.cat([query_values, read], dim=1)
        both = functional.relu(self.dropout(self.bn(both)), inplace=True)
        query, memory = (self.gate(both).sigmoid() * self.expand(both)).chunk(2, dim=1)
        return functional.relu(self.out_bn(query + memory), inplace=True)
