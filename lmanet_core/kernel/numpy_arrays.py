"""The kernel on numpy arrays, for runtimes that have a frame's arrays without a batch.

Numbers are float32, or bfloat16, which numpy has no type for: uint16 then holds their bits.
"""

from __future__ import annotations

import numpy as np

from lmanet_core.kernel import library
from lmanet_core.kernel.library import View

_TYPES = {"float32": "float32", "uint16": "bfloat16"}


def local_attention(
    query: np.ndarray,
    keys: np.ndarray,
    values: np.ndarray,
    read: np.ndarray,
    window_size: int,
    threads: int,
) -> None:
    """Read the memory; see `lmanet_core.ops.local_attention`. Any strides will do.

    Args:
        query: (Dk, H, W) float32, or bfloat16 as all of them.
        keys: (S, Dk, H, W), S >= 1.
        values: (S, Dv, H, W).
        read: (Dv, H, W), which is written.
        window_size: odd.
        threads: to compute with.
    """
    log_sum_exp = np.empty((1, *query.shape[1:]), np.float32)
    arrays = (query[None], keys[None], values[None], read[None], log_sum_exp)
    library.forward(map(_view, arrays), window_size, threads)


def classify(
    logits: np.ndarray,
    labels: np.ndarray,
    confidence: np.ndarray | None,
    threads: int,
    *,
    corners_aligned: bool = False,
) -> None:
    """Write label and confidence of each pixel in one pass over the logits.

    Args:
        logits: (C, h, w) float32 or bfloat16, 1 <= C <= 256, h <= H, w <= W, of any strides. Those
            of another size than the labels are interpolated bilinearly.
        labels: (H, W) uint8 without gaps: the class with the largest logit, of equals the first.
        confidence: (H, W) uint8 without gaps: its softmax, 255 is certain; 0 where a logit is NaN.
            None: not wanted.
        threads: to compute with.
        corners_aligned: whether corners of interpolated logits are those of the labels.
    """
    address = None if confidence is None else confidence.ctypes.data
    height, width = labels.shape
    outputs = labels.ctypes.data, address, (height, width), corners_aligned
    library.classify(_view(logits[None]), *outputs, threads)


def _view(array: np.ndarray) -> View:
    strides = tuple(stride // array.itemsize for stride in array.strides)
    return View(array.ctypes.data, array.shape, strides, _TYPES[array.dtype.name])
