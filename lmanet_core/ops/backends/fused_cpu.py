"""The fused CPU kernel: a small C++ library without PyTorch in it, called through its C interface.

The library is built when the package is installed (`csrc/`). Without it `is_available` is False.
"""

from __future__ import annotations

import ctypes
import warnings
from functools import cache
from importlib.machinery import EXTENSION_SUFFIXES
from pathlib import Path

import torch
from torch import Tensor

INSTRUCTION_SETS = ("baseline", "avx2", "avx512")
"""What the library is compiled for, from the least to the most demanding; by its numbers."""

_TYPES = {torch.float32: 0, torch.bfloat16: 1, torch.float64: 2}
_DIMENSIONS = {4: (0, 2, 3, 4), 5: (0, 1, 2, 3, 4), 3: (0, 3, 4)}
"""Which of (batch, frame, channel, row, column) a tensor of that many dimensions has."""


class _Array(ctypes.Structure):
    _fields_ = (("data", ctypes.c_void_p), ("strides", ctypes.c_int64 * 5))


class _Problem(ctypes.Structure):
    _fields_ = (
        *((name, ctypes.c_int64) for name in ("batch", "frames", "key_channels")),
        *((name, ctypes.c_int64) for name in ("value_channels", "height", "width", "window_size")),
        *((name, ctypes.c_int32) for name in ("type", "instructions", "threads")),
    )


@torch.compiler.assume_constant_result
def is_available() -> bool:
    """Whether the library was built and can be loaded; if not, a warning says so once."""
    return _library() is not None


def supports(dtype: torch.dtype) -> bool:
    """float32, bfloat16 (computed in float32) and float64."""
    return dtype in _TYPES


def best_instruction_set() -> str:
    """The most demanding of `INSTRUCTION_SETS` that this processor has."""
    return INSTRUCTION_SETS[_loaded().lmanet_best_instructions()]


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
        read (B, Dv, H, W), channels last, and the logarithm of the sum of exponentials of the
        scores (B, H, W), float32 or, for float64 inputs, float64.
    """
    batch, _, height, width = query.shape
    shape = (batch, values.shape[2], height, width)
    read = torch.empty(shape, dtype=query.dtype, memory_format=torch.channels_last)
    log_sum_exp = torch.empty((batch, height, width), dtype=_statistics_type(query.dtype))
    _call(
        "lmanet_forward",
        _problem(keys, values, window_size, instruction_set),
        (query, keys, values, read, log_sum_exp),
    )
    return read, log_sum_exp


def backward(
    grad_read: Tensor,
    query: Tensor,
    keys: Tensor,
    values: Tensor,
    read: Tensor,
    log_sum_exp: Tensor,
    window_size: int,
    instruction_set: str | None = None,
) -> tuple[Tensor, Tensor, Tensor]:
    """Gradients of query, keys and values, from what `forward` was given and has returned."""
    grads = tuple(torch.empty_like(tensor) for tensor in (query, keys, values))
    _call(
        "lmanet_backward",
        _problem(keys, values, window_size, instruction_set),
        (query, keys, values, read, log_sum_exp, grad_read, *grads),
    )
    return grads[0], grads[1], grads[2]


def _statistics_type(dtype: torch.dtype) -> torch.dtype:
    return torch.float64 if dtype == torch.float64 else torch.float32


def _problem(
    keys: Tensor, values: Tensor, window_size: int, instruction_set: str | None
) -> _Problem:
    batch, frames, key_channels, height, width = keys.shape
    return _Problem(
        batch=batch,
        frames=frames,
        key_channels=key_channels,
        value_channels=values.shape[2],
        height=height,
        width=width,
        window_size=window_size,
        type=_TYPES[keys.dtype],
        instructions=INSTRUCTION_SETS.index(instruction_set or best_instruction_set()),
        threads=torch.get_num_threads(),
    )


def _call(function: str, problem: _Problem, tensors: tuple[Tensor, ...]) -> None:
    arrays = [_array(tensor) for tensor in tensors]
    references = [ctypes.byref(argument) for argument in (problem, *arrays)]
    if getattr(_loaded(), function)(*references):
        raise RuntimeError(
            f"{function} was built without type {problem.type} or instruction set "
            f"'{INSTRUCTION_SETS[problem.instructions]}'; build the package anew"
        )


def _array(tensor: Tensor) -> _Array:
    strides = [0] * 5
    for dimension, stride in zip(_DIMENSIONS[tensor.dim()], tensor.stride(), strict=True):
        strides[dimension] = stride
    return _Array(tensor.data_ptr(), (ctypes.c_int64 * 5)(*strides))


def _loaded() -> ctypes.CDLL:
    if (library := _library()) is None:
        raise RuntimeError("the fused CPU kernel is not built; see the warning above")
    return library


@cache
def _library() -> ctypes.CDLL | None:
    paths = (Path(__file__).with_name(f"_fused_cpu{suffix}") for suffix in EXTENSION_SUFFIXES)
    path = next((path for path in paths if path.is_file()), None)
    problem = "it was not built when the package was installed; is there a C++ compiler?"
    if path is not None:
        try:
            return _open(path)
        except OSError as error:
            problem = str(error)
    warnings.warn(
        f"local attention runs without its fused CPU kernel, several times slower: {problem}",
        RuntimeWarning,
        stacklevel=2,
    )
    return None


def _open(path: Path) -> ctypes.CDLL:
    """Load the library; the OpenMP runtime that it needs is the one that PyTorch uses."""
    try:
        return ctypes.CDLL(str(path))
    except OSError:
        # A PyTorch that keeps its runtime to itself: the system's will do, with threads of its own.
        ctypes.CDLL("libgomp.so.1", ctypes.RTLD_GLOBAL)
        return ctypes.CDLL(str(path))
