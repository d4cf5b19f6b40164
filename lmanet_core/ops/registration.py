"""The fused kernels as PyTorch operators, so that autograd, compile, export and autocast know them.

`lmanet::local_attention(query, keys, values, window_size) -> (read, log_sum_exp)`; the second
result is what the backward pass needs to recompute the probabilities.

Annotations are spelled out: PyTorch 2.6 looks up no name of this module to find out the schema.
"""

from __future__ import annotations

from types import ModuleType
from typing import Any

import torch
from torch import Tensor

from lmanet_core.ops.implementations import fused_cpu
from lmanet_core.ops.implementations.attention_tensors import AttentionTensors, attention_outputs

DEVICES = ("cpu", "cuda")


@torch.library.custom_op("lmanet::local_attention", mutates_args=(), device_types=DEVICES)
def local_attention_op(
    query: Tensor, keys: Tensor, values: Tensor, window_size: int
) -> tuple[Tensor, Tensor]:
    """read (B, Dv, H, W) and log_sum_exp (B, H, W); see `lmanet_core.ops.local_attention`."""
    return _kernels(query).forward(query, keys, values, window_size)


@torch.library.custom_op("lmanet::local_attention_backward", mutates_args=(), device_types=DEVICES)
def local_attention_backward_op(
    grad_read: Tensor,
    query: Tensor,
    keys: Tensor,
    values: Tensor,
    read: Tensor,
    log_sum_exp: Tensor,
    window_size: int,
) -> tuple[Tensor, Tensor, Tensor]:
    """Gradients of query, keys and values."""
    tensors = AttentionTensors(query, keys, values, read, log_sum_exp)
    return _kernels(query).backward(grad_read, tensors, window_size)


def _kernels(query: Tensor) -> ModuleType:
    if query.device.type == "cpu":
        return fused_cpu
    # Imported here because Triton comes with the CUDA builds of PyTorch, only.
    from lmanet_core.ops.implementations import fused_cuda

    return fused_cuda


@local_attention_op.register_fake
def _forward_fake(
    query: Tensor, keys: Tensor, values: Tensor, window_size: int
) -> tuple[Tensor, Tensor]:
    return attention_outputs(query, values)


@local_attention_backward_op.register_fake
def _backward_fake(
    grad_read: Tensor, query: Tensor, keys: Tensor, values: Tensor, *_: Any
) -> tuple[Tensor, Tensor, Tensor]:
    return torch.empty_like(query), torch.empty_like(keys), torch.empty_like(values)


def _save_for_backward(ctx: Any, inputs: tuple[Any, ...], output: tuple[Tensor, Tensor]) -> None:
    query, keys, values, ctx.window_size = inputs
    ctx.save_for_backward(query, keys, values, *output)
    ctx.mark_non_differentiable(output[1])


def _differentiate(ctx: Any, grad_read: Tensor, _: Tensor) -> tuple[Tensor | None, ...]:
    grads = local_attention_backward_op(grad_read, *ctx.saved_tensors, ctx.window_size)
    return (*grads, None)


local_attention_op.register_autograd(_differentiate, setup_context=_save_for_backward)
