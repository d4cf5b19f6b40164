"""Labels and confidences of logits in PyTorch's operators."""

from __future__ import annotations

import torch
from torch import Tensor


def classify(logits: Tensor, *, confidence: bool) -> Tensor:
    """Label and, if wanted, confidence of each pixel; see `classify_cuda.classify`."""
    best, labels = logits.max(1)
    if not confidence:
        return labels.byte()[None]
    # The largest of the softmax is 1 / sum(exp(logits - best)).
    probability = 1 / (logits - best[:, None]).float().exp_().sum(1)
    return torch.stack([labels.byte(), (probability * 255).nan_to_num_().round().byte()])
