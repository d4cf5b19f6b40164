"""The kernel's C interface: a small library that is built when the package is installed (`csrc/`).

Without it `is_available` is False.
"""

from __future__ import annotations

import ctypes
import os
import struct
import sys
import warnings
from collections.abc import Iterable, Iterator, Sequence
from contextlib import contextmanager
from functools import cache
from importlib.machinery import EXTENSION_SUFFIXES
from math import prod
from pathlib import Path
from typing import Any, NamedTuple

INSTRUCTION_SETS = ("baseline", "emulated_bf16", "avx2", "avx512", "avx512_bf16")
"""What the library is compiled for, from the least to the most demanding; by its numbers.

'emulated_bf16' does on any processor what 'avx512_bf16' does: it is for tests.
"""

TYPES = {"float32": 0, "bfloat16": 1, "float64": 2}
"""Element types by name. bfloat16 is summed in float32; so is all else about it but for the
forward pass of 'avx512_bf16', which multiplies it as it is."""


class View(NamedTuple):
    """Where an array is, whoever holds it."""

    address: int
    shape: tuple[int, ...]
    strides: tuple[int, ...]
    """Strides in elements."""
    type: str


_DIMENSIONS = {4: (0, 2, 3, 4), 5: (0, 1, 2, 3, 4), 3: (0, 3, 4)}
"""Which of (batch, frame, channel, row, column) an array of that many dimensions has."""


class _Array(ctypes.Structure):
    _fields_ = (("data", ctypes.c_void_p), ("strides", ctypes.c_int64 * 5))


class _Problem(ctypes.Structure):
    _fields_ = (
        *((name, ctypes.c_int64) for name in ("batch", "frames", "key_channels")),
        *((name, ctypes.c_int64) for name in ("value_channels", "height", "width", "window_size")),
        *((name, ctypes.c_int32) for name in ("type", "instructions", "threads")),
    )


class _Logits(ctypes.Structure):
    _fields_ = (
        *((name, ctypes.c_int64) for name in ("batch", "classes", "height", "width")),
        *((name, ctypes.c_int64) for name in ("labels_height", "labels_width")),
        *((name, ctypes.c_int32) for name in ("corners_aligned", "type", "instructions")),
        ("threads", ctypes.c_int32),
    )


def is_available() -> bool:
    """Whether the library was built and can be loaded; if not, a warning says so once."""
    return _library() is not None


@cache
def best_instruction_set() -> str:
    """The most demanding of `INSTRUCTION_SETS` that this processor has.

    What 'avx512_bf16' computes is compared, once, with its emulation; a warning says if it differs.
    """
    best = INSTRUCTION_SETS[_loaded().lmanet_best_instructions()]
    if best == "avx512_bf16" and not agree(best, "emulated_bf16"):
        warnings.warn(
            "this processor multiplies bfloat16 otherwise than expected, so local attention "
            "computes it in float32; please report it with: lmanet doctor",
            RuntimeWarning,
            stacklevel=2,
        )
        return "avx512"
    return best


def agree(instruction_set: str, other: str) -> bool:
    """Whether both read the same from a small memory of bfloat16, up to its last bits."""
    shape = 1, 2, 5, 4, 19
    single, statistics = (1, 5, 4, 19), (1, 4, 19)
    # From -2 to 2, in an order without a pattern.
    numbers = [
        _bfloat16([(n * n * 7919 + k) % 257 / 64 - 2 for n in range(prod(shape))]) for k in range(3)
    ]
    inputs = [
        _contiguous(array, shape, "bfloat16")
        for array, shape in zip(numbers, (single, shape, shape), strict=True)
    ]
    reads = []
    for name in (instruction_set, other):
        read = (ctypes.c_uint16 * prod(single))()
        log_sum_exp = (ctypes.c_float * prod(statistics))()
        outputs = (
            _contiguous(read, single, "bfloat16"),
            _contiguous(log_sum_exp, statistics, "float32"),
        )
        forward([*inputs, *outputs], 5, 1, name)
        reads.append([_float32(bits) for bits in read])
    return all(abs(a - b) < 2e-2 for a, b in zip(*reads, strict=True))


def forward(
    arrays: Iterable[View], window_size: int, threads: int, instruction_set: str | None = None
) -> None:
    """Local attention; see `lmanet_core.ops.local_attention`.

    Args:
        arrays: query, keys, values, and read and log_sum_exp, which are written.
    """
    views = tuple(arrays)
    problem = _problem(views[1], views[2], window_size, threads, instruction_set)
    _call("lmanet_forward", problem, views)


def backward(
    arrays: Iterable[View], window_size: int, threads: int, instruction_set: str | None = None
) -> None:
    """Its gradients.

    Args:
        arrays: query, keys, values, read, log_sum_exp, the gradient of read, and those of query,
            keys and values, which are written.
    """
    views = tuple(arrays)
    problem = _problem(views[1], views[2], window_size, threads, instruction_set)
    _call("lmanet_backward", problem, views)


def classify(
    logits: View,
    labels: int,
    confidence: int | None,
    size: tuple[int, int],
    corners_aligned: bool,
    threads: int,
    instruction_set: str | None = None,
) -> None:
    """Write the labels, and the confidences if wanted, of logits (B, C, h, w).

    Args:
        labels, confidence: addresses of (B, H, W) uint8 without gaps.
        size: (H, W), not below (h, w); logits of another size are interpolated bilinearly.
        corners_aligned: whether their corners then are those of the labels.
    """
    batch, classes, height, width = logits.shape
    problem = _Logits(
        batch=batch,
        classes=classes,
        height=height,
        width=width,
        labels_height=size[0],
        labels_width=size[1],
        corners_aligned=corners_aligned,
        type=TYPES[logits.type],
        instructions=_number(instruction_set),
        threads=threads,
    )
    outputs = (ctypes.c_void_p(labels), ctypes.c_void_p(confidence))
    _check(
        "lmanet_classify",
        _loaded().lmanet_classify(ctypes.byref(problem), ctypes.byref(_array(logits)), *outputs),
        problem,
    )


def _problem(
    keys: View, values: View, window_size: int, threads: int, instruction_set: str | None
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
        type=TYPES[keys.type],
        instructions=_number(instruction_set),
        threads=threads,
    )


def _contiguous(array: ctypes.Array[Any], shape: tuple[int, ...], name: str) -> View:
    strides = tuple(prod(shape[dimension + 1 :]) for dimension in range(len(shape)))
    return View(ctypes.addressof(array), shape, strides, name)


def _bfloat16(numbers: Sequence[float]) -> ctypes.Array[ctypes.c_uint16]:
    bits = struct.unpack(f"{len(numbers)}I", struct.pack(f"{len(numbers)}f", *numbers))
    return (ctypes.c_uint16 * len(numbers))(*(word >> 16 for word in bits))


def _float32(bits: int) -> float:
    return float(struct.unpack("f", struct.pack("I", bits << 16))[0])


def _number(instruction_set: str | None) -> int:
    return INSTRUCTION_SETS.index(instruction_set or best_instruction_set())


def _call(function: str, problem: _Problem, views: tuple[View, ...]) -> None:
    arguments = (problem, *(_array(view) for view in views))
    status = getattr(_loaded(), function)(*map(ctypes.byref, arguments))
    _check(function, status, problem)


def _check(function: str, status: int, problem: _Problem | _Logits) -> None:
    if status:
        raise RuntimeError(
            f"{function} was built without type {problem.type} or instruction set "
            f"'{INSTRUCTION_SETS[problem.instructions]}'; build the package anew"
        )


def _array(view: View) -> _Array:
    strides = [0] * 5
    for dimension, stride in zip(_DIMENSIONS[len(view.shape)], view.strides, strict=True):
        strides[dimension] = stride
    return _Array(view.address, (ctypes.c_int64 * 5)(*strides))


@contextmanager
def another_build(path: Path | None) -> Iterator[None]:
    """Within it the library of that file is called, for comparisons; None: the package's own."""
    global _other_build
    _other_build = None if path is None else _open(path)
    try:
        yield
    finally:
        _other_build = None


_other_build: ctypes.CDLL | None = None


def _loaded() -> ctypes.CDLL:
    if _other_build is not None:
        return _other_build
    if (library := _library()) is None:
        raise RuntimeError("the C++ kernel is not built; see the warning above")
    return library


@cache
def _library() -> ctypes.CDLL | None:
    paths = (Path(__file__).with_name(f"_kernel{suffix}") for suffix in EXTENSION_SUFFIXES)
    path = next((path for path in paths if path.is_file()), None)
    problem = "it was not built when the package was installed; is there a C++ compiler?"
    if path is not None:
        try:
            return _open(path)
        except OSError as error:
            problem = str(error)
    warnings.warn(
        f"local attention runs without its C++ kernel, several times slower: {problem}",
        RuntimeWarning,
        stacklevel=2,
    )
    return None


def _open(path: Path) -> ctypes.CDLL:
    """Load the library; the OpenMP runtime that it needs is PyTorch's where that is loaded."""
    if "torch" not in sys.modules:
        # Another runtime has threads of its own, which get to work as soon as these are done:
        # ours are not to wait for more by spinning. Read when the OpenMP runtime is loaded.
        os.environ.setdefault("OMP_WAIT_POLICY", "passive")
    try:
        return ctypes.CDLL(str(path))
    except OSError:
        # Nobody has loaded one, or a PyTorch keeps its own to itself: the system's will do.
        ctypes.CDLL("libgomp.so.1", ctypes.RTLD_GLOBAL)
        return ctypes.CDLL(str(path))
