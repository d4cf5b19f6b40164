"""The fused CPU kernel, `lmanet_core.kernel`, on PyTorch's tensors."""

from __future__ import annotations

import torch
from torch import Tensor

from lmanet_core.kernel import library
from lmanet_core.kernel.library import INSTRUCTION_SETS, View, best_instruction_set
from lmanet_core.ops.implementations.attention_tensors import AttentionTensors, attention_outputs

__all__ = [
    "INSTRUCTION_SETS",
    "backward",
    "best_instruction_set",
    "classify",
    "forward",
    "is_available",
    "supports",
]


@torch.compiler.assume_constant_result
def is_available() -> bool:
    """Whether the library was built and can be loaded; if not, a warning says so once."""
    return library.is_available()


def supports(dtype: torch.dtype) -> bool:
    """float32, bfloat16 (computed in float32) and float64."""
    return _name(dtype) in library.TYPES


def forward(
    query: Tensor,
    keys: Tensor,
    values: Tensor,
    window_size: int,
    instruction_set: str | None = None,
) -> tuple[Tensor, Tensor]:
    """Local attention; see `lmanet_core.ops.local_attention` for shapes. Any strides will do.

    Args:
        instruction_set: one of `INSTRUCTION_SETS`; None: the best. The processor must have it.

    Returns:
        What `attention_outputs` makes.
    """
    read, log_sum_exp = attention_outputs(query, values)
    views = map(_view, (query, keys, values, read, log_sum_exp))
    library.forward(views, window_size, torch.get_num_threads(), instruction_set)
    return read, log_sum_exp


def backward(
    grad_read: Tensor,
    tensors: AttentionTensors,
    window_size: int,
    instruction_set: str | None = None,
) -> tuple[Tensor, Tensor, Tensor]:
    """Gradients of query, keys and values."""
    grads = tuple(torch.empty_like(tensor) for tensor in tensors[:3])
    views = map(_view, (*tensors, grad_read, *grads))
    library.backward(views, window_size, torch.get_num_threads(), instruction_set)
    return grads[0], grads[1], grads[2]


def classify(
    logits: Tensor,
    size: tuple[int, int] | None = None,
    corners_aligned: bool = False,
    *,
    confidence: bool,
    instruction_set: str | None = None,
) -> tuple[Tensor, Tensor | None]:
    """Labels and, if wanted, confidences of logits (B, C, h, w); see `lmanet_core.kernel.classify`.

    Args:
        size: (H, W); None: (h, w).

    Returns:
        (B, H, W) uint8 each.
    """
    height, width = size or logits.shape[2:]
    labels = torch.empty((len(logits), height, width), dtype=torch.uint8)
    confidences = torch.empty_like(labels) if confidence else None
    address = None if confidences is None else confidences.data_ptr()
    outputs = labels.data_ptr(), address, (height, width), corners_aligned
    library.classify(_view(logits), *outputs, torch.get_num_threads(), instruction_set)
    return labels, confidences


def _view(tensor: Tensor) -> View:
    return View(tensor.data_ptr(), tuple(tensor.shape), tensor.stride(), _name(tensor.dtype))


def _name(dtype: torch.dtype) -> str:
    return str(dtype).removeprefix("torch.")
