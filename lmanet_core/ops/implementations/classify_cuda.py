# mypy: allow-untyped-defs, allow-incomplete-defs
"""Labels and confidences of logits on a CUDA device, in one pass over a frame's largest array.

Triton is imported here: import this module where it is needed.
"""

from __future__ import annotations

import torch
import triton
import triton.language as tl
from torch import Tensor

from lmanet_core.ops.implementations.fused_cuda_kernels import INFINITY, LOG2_E, at
from lmanet_core.ops.implementations.triton_launch import Launch

_WARPS = 4
_LOGITS_PER_THREAD = 16
_LOGITS_PER_ENLARGING_THREAD = 4
"""Fewer, because each is made of four, whose addresses take registers."""


def classify(
    logits: Tensor,
    size: tuple[int, int] | None = None,
    corners_aligned: bool = False,
    *,
    confidence: bool,
) -> Tensor:
    """Label and, if wanted, confidence of each pixel.

    Both are made in any case, in the only memory that is allocated: a kernel that leaves one out
    would be another to compile, when somebody wants the other.

    Args:
        logits: (B, C, h, w) float16, bfloat16 or float32, 1 <= C <= 256, of any strides. A frame
            must span fewer than 2^31 elements.
        size: (H, W), not below (h, w), for which logits are interpolated bilinearly; None: (h, w).
        corners_aligned: whether corners of logits then are those of the labels.

    Returns:
        (1 or 2, B, H, W) uint8: the class with the largest logit, of equals the first; its softmax,
        255 is certain, 0 where a logit is NaN.
    """
    height, width = size or logits.shape[2:]
    maps = torch.empty((2, len(logits), height, width), dtype=torch.uint8, device=logits.device)
    with torch.cuda.device_of(logits):
        classify_launch(logits, maps, corners_aligned).run()
    return maps[: 1 + confidence]


def classify_launch(logits: Tensor, maps: Tensor, corners_aligned: bool = False) -> Launch:
    """How `maps` (2, B, H, W) are filled; looks at no data."""
    batch, classes, *logits_size = logits.shape
    height, width = maps.shape[2:]
    class_block = triton.next_power_of_2(classes)
    enlarged = (height, width) != tuple(logits_size)
    per_thread = _LOGITS_PER_ENLARGING_THREAD if enlarged else _LOGITS_PER_THREAD
    pixel_block = per_thread * 32 * _WARPS // class_block
    names = ("stream", "channel", "row", "column")
    strides = zip((f"logits_{name}" for name in names), logits.stride(), strict=True)
    return Launch(
        classify_kernel,
        (triton.cdiv(height * width, pixel_block), batch, 1),
        {
            "logits": logits,
            **dict(strides),
            "labels": maps[0],
            "confidence": maps[1],
            "pixels": height * width,
            "height": height,
            "width": width,
            "logits_height": logits_size[0],
            "logits_width": logits_size[1],
        },
        {
            "enlarged": enlarged,
            "corners_aligned": corners_aligned,
            "classes": classes,
            "class_block": class_block,
            "pixel_block": pixel_block,
        },
        warps=_WARPS,
    )


@triton.jit
def place(position, size, logits_size, corners_aligned: tl.constexpr):
    """Between which two rows or columns of the logits one of the labels lies, and how near to the
    second, as PyTorch's interpolation has it.
    """
    if corners_aligned:
        exact = position.to(tl.float32) * ((logits_size - 1) / tl.maximum(size - 1, 1))
    else:
        exact = tl.maximum((position.to(tl.float32) + 0.5) * (logits_size / size) - 0.5, 0.0)
    first = tl.minimum(exact.to(tl.int32), logits_size - 1)
    return first, tl.minimum(first + 1, logits_size - 1), exact - first.to(tl.float32)


@triton.jit(
    do_not_specialize=["pixels", "height", "width", "logits_height", "logits_width"],
)
def classify_kernel(
    logits, logits_stream, logits_channel, logits_row, logits_column,
    labels, confidence, pixels, height, width, logits_height, logits_width,
    enlarged: tl.constexpr, corners_aligned: tl.constexpr,
    classes: tl.constexpr, class_block: tl.constexpr, pixel_block: tl.constexpr,
):  # fmt: skip
    """Grid: blocks of pixels, streams."""
    stream = tl.program_id(1)
    pixel = tl.program_id(0) * pixel_block + tl.arange(0, pixel_block)
    label = tl.arange(0, class_block)
    inside = pixel < pixels
    row, column = pixel // width, pixel % width
    exists = inside[:, None] & (label < classes)[None, :]
    address = at(logits, stream, logits_stream) + label[None, :] * logits_channel
    if enlarged:
        top, bottom, below = place(row, height, logits_height, corners_aligned)
        left, right, beside = place(column, width, logits_width, corners_aligned)
        left, right = (left * logits_column)[:, None], (right * logits_column)[:, None]
        top, bottom = (top * logits_row)[:, None], (bottom * logits_row)[:, None]
        below, beside = below[:, None], beside[:, None]
        upper = (1 - beside) * tl.load(address + top + left, exists, other=0.0).to(tl.float32)
        upper += beside * tl.load(address + top + right, exists, other=0.0).to(tl.float32)
        lower = (1 - beside) * tl.load(address + bottom + left, exists, other=0.0).to(tl.float32)
        lower += beside * tl.load(address + bottom + right, exists, other=0.0).to(tl.float32)
        scores = tl.where(exists, (1 - below) * upper + below * lower, -INFINITY)
    else:
        address += (row * logits_row + column * logits_column)[:, None]
        scores = tl.load(address, exists, other=-INFINITY).to(tl.float32)
    best = tl.max(scores, 1)
    is_best = scores == best[:, None]
    first = tl.min(tl.where(is_best, label[None, :], classes - 1), 1)
    tl.store(at(labels, stream, pixels) + pixel, first.to(tl.uint8), inside)
    # The largest of the softmax is 1 / sum(exp(score - best)).
    total = tl.sum(tl.exp2((scores - best[:, None]) * LOG2_E), 1)
    # Only a NaN differs from itself.
    certainty = tl.where(total == total, 255 / total + 0.5, 0.0)
    tl.store(at(confidence, stream, pixels) + pixel, certainty.to(tl.uint8), inside)
