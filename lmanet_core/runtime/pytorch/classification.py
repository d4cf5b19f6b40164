"""From logits to labels."""

from __future__ import annotations

import torch
from torch import Tensor

from lmanet_core.models.enlarging_decoder import SmallLogits
from lmanet_core.ops.implementation_choice import choose_classification
from lmanet_core.ops.implementations import fused_cpu, plain_classify


def classify(logits: SmallLogits, *, confidence: bool) -> Tensor:
    """Label and, if wanted, confidence of each pixel; in one pass where there is a kernel for it.

    Args:
        logits: of B images, interpolated in float32 where there is a kernel.

    Returns:
        (1 or 2, B, H, W) uint8; a confidence of 255 is certain, that of NaN is 0.
    """
    device = logits.values.device
    if choose_classification(device, logits.values.dtype).name == "plain":
        return plain_classify.classify(logits.enlarge(), confidence=confidence)
    if device.type == "cuda":
        # Imported here because Triton comes with the CUDA builds of PyTorch, only.
        from lmanet_core.ops.implementations import classify_cuda

        return classify_cuda.classify(*logits, confidence=confidence)
    labels, confidences = fused_cpu.classify(*logits, confidence=confidence)
    return labels[None] if confidences is None else torch.stack([labels, confidences])
