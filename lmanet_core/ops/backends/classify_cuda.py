# mypy: allow-untyped-defs, allow-incomplete-defs
"""Labels and confidences of logits on a CUDA device, in one pass over a frame's largest array.

Triton is imported here: import this module where it is needed.
"""

from __future__ import annotations

import torch
import triton
import triton.language as tl
from torch import Tensor

from lmanet_core.ops.backends.fused_cuda_kernels import INFINITY, LOG2_E, at
from lmanet_core.ops.backends.triton_launch import Launch

_LOGITS = 2048
"""That a program holds; 16 for each of its threads."""


def classify(logits: Tensor, *, confidence: bool) -> Tensor:
    """Label and, if wanted, confidence of each pixel.

    Both are made in any case, in the only memory that is allocated: a kernel that leaves one out
    would be another to compile, when somebody wants the other.

    Args:
        logits: (B, C, H, W) float16, bfloat16 or float32, 1 <= C <= 256, of any strides. A frame
            must span fewer than 2^31 elements.

    Returns:
        (1 or 2, B, H, W) uint8: the class with the largest logit, of equals the first; its softmax,
        255 is certain, 0 where a logit is NaN.
    """
    batch, _, height, width = logits.shape
    maps = torch.empty((2, batch, height, width), dtype=torch.uint8, device=logits.device)
    with torch.cuda.device_of(logits):
        classify_launch(logits, maps).run()
    return maps[: 1 + confidence]


def classify_launch(logits: Tensor, maps: Tensor) -> Launch:
    """How `maps` (2, B, H, W) are filled; looks at no data."""
    batch, classes, height, width = logits.shape
    class_block = triton.next_power_of_2(classes)
    pixel_block = _LOGITS // class_block
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
            "width": width,
        },
        {"classes": classes, "class_block": class_block, "pixel_block": pixel_block},
        warps=4,
    )


@triton.jit(do_not_specialize=["pixels", "width"])
def classify_kernel(
    logits, logits_stream, logits_channel, logits_row, logits_column,
    labels, confidence, pixels, width,
    classes: tl.constexpr, class_block: tl.constexpr, pixel_block: tl.constexpr,
):  # fmt: skip
    """Grid: blocks of pixels, streams."""
    stream = tl.program_id(1)
    pixel = tl.program_id(0) * pixel_block + tl.arange(0, pixel_block)
    label = tl.arange(0, class_block)
    inside = pixel < pixels
    offsets = pixel // width * logits_row + pixel % width * logits_column
    exists = inside[:, None] & (label < classes)[None, :]
    address = at(logits, stream, logits_stream) + offsets[:, None] + label[None, :] * logits_channel
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
