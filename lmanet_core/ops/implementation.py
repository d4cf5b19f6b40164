"""What every implementation of local attention is called with."""

from __future__ import annotations

from typing import Protocol

from torch import Tensor


class Implementation(Protocol):
    """Local attention over checked arguments, as `lmanet_core.ops.local_attention` has them."""

    def __call__(self, query: Tensor, keys: Tensor, values: Tensor, window_size: int, /) -> Tensor:
        """(B, Dk, H, W), (B, S, Dk, H, W), (B, S, Dv, H, W) and an odd number -> (B, Dv, H, W)."""
