"""The loss on labels, some of which may be one of several classes."""

from __future__ import annotations

import torch
from torch import Tensor, nn
from torch.nn import functional

from lmanet_core.network.classes import IGNORE_LABEL

SMALLEST_WEIGHT = 1e-6
SMALLEST_VARIANCE = 1e-4


class LabelLoss(nn.Module):
    """Weighted cross-entropy, averaged over what is labelled.

    A pixel whose label is a group of classes costs -log of the sum of their probabilities: the
    network learns that it is one of them, and finds out which from other data.

    Args:
        class_weights: (C,) float32; a group has the mean of its classes' weights.
        groups: classes of the labels C, C + 1, ...
    """

    class_weights: Tensor
    weight_of_label: Tensor

    def __init__(self, class_weights: Tensor, groups: tuple[tuple[int, ...], ...] = ()) -> None:
        super().__init__()
        self._groups = groups
        of_groups = [class_weights[list(group)].mean() for group in groups]
        weights = torch.cat([class_weights, torch.tensor(of_groups, dtype=class_weights.dtype)])
        of_label = functional.pad(weights, (0, IGNORE_LABEL + 1 - len(weights)))
        self.register_buffer("class_weights", class_weights, persistent=False)
        self.register_buffer("weight_of_label", of_label, persistent=False)

    def forward(self, logits: Tensor, labels: Tensor) -> Tensor:
        """(B, C, H, W) float32 and (B, H, W) int64 -> a scalar."""
        classes = len(self.class_weights)
        one_class = labels.masked_fill(labels >= classes, IGNORE_LABEL)
        total = functional.cross_entropy(
            logits, one_class, self.class_weights, ignore_index=IGNORE_LABEL, reduction="sum"
        )
        for label, group in enumerate(self._groups, start=classes):
            pixels = logits.movedim(1, -1)[labels == label]
            log_probability = pixels[:, list(group)].logsumexp(1) - pixels.logsumexp(1)
            total = total - self.weight_of_label[label] * log_probability.sum()
        # PyTorch's own weighted mean is not a number where nothing is labelled.
        return total / self.weight_of_label[labels].sum().clamp_min(SMALLEST_WEIGHT)


def feature_loss(features: Tensor, target: Tensor) -> Tensor:
    """Squared error of (B, C, H, W) features; each channel counts alike, whatever its spread."""
    errors = (features.float() - target.float()).square().mean((0, 2, 3))
    return (errors / target.float().var((0, 2, 3)).clamp_min(SMALLEST_VARIANCE)).mean()


def prediction_loss(logits: Tensor, target: Tensor) -> Tensor:
    """Kullback-Leibler divergence of (B, C, H, W) logits from (B, C, H, W) probabilities."""
    pointwise = functional.kl_div(logits.float().log_softmax(1), target.float(), reduction="none")
    return pointwise.sum(1).mean()


def consistency_loss(logits: Tensor, others: Tensor) -> Tensor:
    """Jensen-Shannon divergence of two (B, C, H, W) logits, as AugMix has it."""
    one, other = logits.float().log_softmax(1), others.float().log_softmax(1)
    mean = ((one.exp() + other.exp()) / 2).clamp_min(SMALLEST_WEIGHT).log()
    pointwise = one.exp() * (one - mean) + other.exp() * (other - mean)
    return pointwise.sum(1).mean() / 2
