"""Global attention: every location attends to all locations of all frames."""

from __future__ import annotations

from torch import Tensor
from torch.nn import functional


def global_attention(query: Tensor, keys: Tensor, values: Tensor) -> Tensor:
    """All-vs-all attention, scaled by 1/sqrt(Dk); see `lmanet_core.ops.local_attention`."""
    height, width = query.shape[-2:]
    read = functional.scaled_dot_product_attention(
        query.flatten(2).transpose(1, 2),
        keys.permute(0, 1, 3, 4, 2).flatten(1, 3),
        values.permute(0, 1, 3, 4, 2).flatten(1, 3),
    )
    return read.transpose(1, 2).unflatten(2, (height, width))
