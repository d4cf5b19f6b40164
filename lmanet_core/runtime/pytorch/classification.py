"""From logits to labels."""

from __future__ import annotations

from torch import Tensor

from lmanet_core.ops.backends import fused_cpu


def classify(logits: Tensor, *, confidence: bool) -> tuple[Tensor, Tensor | None]:
    """Label and, if wanted, confidence of each pixel; in one pass where the C++ kernel is there.

    Args:
        logits: (B, C, H, W).

    Returns:
        (B, H, W) uint8 each; a confidence of 255 is certain.
    """
    on_cpu = logits.device.type == "cpu"
    if on_cpu and fused_cpu.supports(logits.dtype) and fused_cpu.is_available():
        return fused_cpu.classify(logits, confidence=confidence)
    best, labels = logits.max(1)
    if not confidence:
        return labels.byte(), None
    # The largest of the softmax is 1 / sum(exp(logits - best)).
    probability = 1 / (logits - best[:, None]).float().exp_().sum(1)
    return labels.byte(), (probability * 255).round().byte()
