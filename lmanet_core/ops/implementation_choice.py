"""Which implementation of local attention, and of labels, a device gets, and why."""

from __future__ import annotations

import math
import warnings
from concurrent.futures import ThreadPoolExecutor
from functools import cache
from importlib.util import find_spec
from typing import NamedTuple

import torch
from torch import Tensor

from lmanet_core.ops.implementations import fused_cpu, plain_classify
from lmanet_core.ops.implementations.attention_tensors import AttentionTensors
from lmanet_core.ops.reference import local_attention_reference


class ImplementationChoice(NamedTuple):
    """What 'auto' means, and what speaks against the fused kernel."""

    name: str
    """'fused', or what takes its place: 'tiled' for local attention, 'plain' for labels."""
    reason: str
    """Why not 'fused', and what to do about it; empty if it is."""


def choose_implementation(
    device: torch.device, dtype: torch.dtype, *, gradients: bool = False
) -> ImplementationChoice:
    """The fused kernel where it works, otherwise the tiled form.

    Whether it works on a CUDA device is tried, once for each dtype: it is compiled and run on an
    input of a few positions. If it does not, a warning says so.

    Args:
        device: device of the tensors.
        dtype: dtype of the tensors.
        gradients: whether the backward pass has to work, too; that is tried only if asked for.
    """
    reason = _why_not_fused("local attention", device, dtype)
    if gradients and not reason:
        reason = _why_not_fused("gradients of local attention", device, dtype)
    return ImplementationChoice("tiled" if reason else "fused", reason)


def choose_classification(device: torch.device, dtype: torch.dtype) -> ImplementationChoice:
    """The kernel that makes labels and confidences in one pass, otherwise PyTorch's operators.

    It is tried as that of local attention is.
    """
    reason = "the kernels of labels and confidence take no float64"
    if dtype != torch.float64:
        reason = _why_not_fused("labels and confidence", device, dtype)
    return ImplementationChoice("plain" if reason else "fused", reason)


@torch.compiler.assume_constant_result
def _why_not_fused(computed: str, device: torch.device, dtype: torch.dtype) -> str:
    if device.type == "cuda":
        if dtype == torch.float64:
            return "the CUDA kernel takes no float64"
        return _why_not_on_cuda(computed, device, dtype)
    if device.type not in ("cpu", "meta"):
        return f"there is no kernel for devices of type '{device.type}'"
    if not fused_cpu.supports(dtype):
        return f"the C++ kernel takes no {str(dtype).removeprefix('torch.')}"
    if not fused_cpu.is_available():
        return (
            "the C++ kernel was not built or cannot be loaded; install a C++ compiler and build "
            "the package anew"
        )
    return ""


@cache
def _why_not_on_cuda(computed: str, device: torch.device, dtype: torch.dtype) -> str:
    # In a thread of its own, which has none of the modes that set in where a model is traced.
    with ThreadPoolExecutor(1) as thread:
        reason = thread.submit(_try_on_cuda, computed, device, dtype).result()
    if reason:
        warnings.warn(
            f"{computed}: without the fused CUDA kernel, several times slower: {reason}",
            RuntimeWarning,
            stacklevel=2,
        )
    return reason


def _try_on_cuda(computed: str, device: torch.device, dtype: torch.dtype) -> str:
    if find_spec("triton") is None:
        return "Triton is not installed; install the release that fits PyTorch: pip install triton"
    try:
        is_right = TRIALS[computed](device, dtype)
    # Whatever it is that compilers, assemblers and drivers raise: the other form will do.
    except Exception as error:
        problem = (str(error).strip().splitlines() or ["no message"])[-1]
        return (
            f"Triton cannot compile or start it ({type(error).__name__}: {problem}); it needs a C "
            "compiler and Python's headers: apt install gcc python3-dev"
        )
    if not is_right:
        return "it computes something else than expected; please report it with: lmanet doctor"
    return ""


def _attention_is_right(device: torch.device, dtype: torch.dtype) -> bool:
    from lmanet_core.ops.implementations import fused_cuda

    inputs = _tiny_inputs(device, dtype)
    read, _ = fused_cuda.forward(*inputs, 3)
    query, keys, values = (tensor.float() for tensor in inputs)
    return _is_near(read, local_attention_reference(query, keys, values, 3))


def _gradients_are_right(device: torch.device, dtype: torch.dtype) -> bool:
    from lmanet_core.ops.implementations import fused_cuda

    inputs = _tiny_inputs(device, dtype)
    read, log_sum_exp = fused_cuda.forward(*inputs, 3)
    gradients = fused_cuda.backward(read, AttentionTensors(*inputs, read, log_sum_exp), 3)
    query, keys, values = (tensor.float().requires_grad_() for tensor in inputs)
    exact = local_attention_reference(query, keys, values, 3)
    expected = torch.autograd.grad(exact, (query, keys, values), read.float())
    return all(map(_is_near, gradients, expected))


def _tiny_inputs(device: torch.device, dtype: torch.dtype) -> tuple[Tensor, Tensor, Tensor]:
    """Query, keys and values of a few positions, no two alike, so that all gradients are seen."""

    def waves(*shape: int) -> Tensor:
        numbers = torch.arange(math.prod(shape), dtype=torch.float32, device=device)
        return (numbers.sin() / 2).view(shape).to(dtype)

    return waves(1, 16, 3, 4), waves(1, 2, 16, 3, 4), waves(1, 2, 16, 3, 4)


def _is_near(result: Tensor, expected: Tensor) -> bool:
    return torch.allclose(result.float(), expected.float(), atol=1e-2)


def _classification_is_right(device: torch.device, dtype: torch.dtype) -> bool:
    from lmanet_core.ops.implementations import classify_cuda

    logits = torch.eye(3, dtype=dtype, device=device)[None, :, None].expand(1, 3, 2, 3)
    maps = classify_cuda.classify(logits, confidence=True).int()
    labels, confidence = (maps - plain_classify.classify(logits, confidence=True)).abs()
    return bool((labels == 0).all() and (confidence <= 1).all())


TRIALS = {
    "local attention": _attention_is_right,
    "gradients of local attention": _gradients_are_right,
    "labels and confidence": _classification_is_right,
}
"""Whether a CUDA kernel computes what it should, on a tiny input; by what it computes."""
