"""Predictions averaged over scales and mirror images of what is seen."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import NamedTuple

import torch
from torch import Tensor
from torch.nn import functional


class View(NamedTuple):
    """A way to look at images: enlarged by a factor, mirrored or not."""

    scale: float
    mirrored: bool


def all_views(scales: Sequence[float], mirror: bool) -> list[View]:
    """Each scale as it is and, if asked for, mirrored."""
    return [View(scale, mirrored) for mirrored in (False, True)[: 1 + mirror] for scale in scales]


def averaged_probabilities(
    views: Sequence[View],
    images_at: Callable[[float], Tensor],
    logits_of: Callable[[Tensor, View], Tensor],
    size: tuple[int, int],
) -> Tensor:
    """Probabilities of the classes, mean over the views.

    Args:
        views: ways to look at the images.
        images_at: the images at a scale, (N, 3, h, w).
        logits_of: what the network says of images that are seen so, (N, C, h', w').
        size: (H, W) of the result.

    Returns:
        (N, C, H, W) float32.
    """
    predictions = []
    for view in views:
        images = images_at(view.scale)
        logits = logits_of(images.flip(3) if view.mirrored else images, view)
        probabilities = (logits.flip(3) if view.mirrored else logits).float().softmax(1)
        if probabilities.shape[-2:] != size:
            probabilities = functional.interpolate(probabilities, size, mode="bilinear")
        predictions.append(probabilities)
    return torch.stack(predictions).mean(0)
