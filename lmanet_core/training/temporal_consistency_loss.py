"""Predictions that follow the motion: temporal consistency as a loss, without labels.

Source: Liu et al., "Efficient Semantic Video Segmentation with Per-frame Inference", ECCV 2020,
equation 3; the optical flow is OpenCV's DIS instead of a network's.
"""

from __future__ import annotations

import torch
from torch import Tensor
from torch.nn import functional

from lmanet_core.evaluation.attention_distance import displacement


def temporal_consistency_loss(probabilities: Tensor, images: Tensor) -> Tensor:
    """How far predictions are from those of the frame before, moved along optical flow.

    Places that the frame before does not show do not count.

    Args:
        probabilities: (B, T, C, H', W') of every frame.
        images: the clips, (B, T, 3, H, W) uint8.

    Returns:
        Squared distance, mean over all places that are seen in two frames; 0 if none is.
    """
    greys = images.float().mean(2).byte().cpu().numpy()
    rows, columns = probabilities.shape[-2:]
    distances, known = [], []
    for now in range(1, images.shape[1]):
        moved = displacement(greys[:, now], greys[:, now - 1], (rows, columns))
        before = _moved_along(probabilities[:, now - 1], moved.cells.to(images.device))
        distances.append((probabilities[:, now] - before).square().sum(1))
        known.append(moved.known.to(images.device))
    if not distances:
        return images.new_zeros((), dtype=torch.float32)
    weights = torch.stack(known).float()
    return (torch.stack(distances) * weights).sum() / weights.sum().clamp_min(1)


def _moved_along(before: Tensor, cells: Tensor) -> Tensor:
    """(B, C, H', W') as it is where each cell was, (B, 2, H', W') cells away in x and y."""
    rows, columns = before.shape[-2:]
    y, x = torch.meshgrid(
        torch.arange(rows, device=before.device),
        torch.arange(columns, device=before.device),
        indexing="ij",
    )
    # From -1 at the left edge of the first cell to 1 at the right edge of the last.
    places = torch.stack(
        [
            (2 * (x + cells[:, 0]) + 1) / columns - 1,
            (2 * (y + cells[:, 1]) + 1) / rows - 1,
        ],
        dim=-1,
    )
    return functional.grid_sample(
        before.float(), places.float(), padding_mode="border", align_corners=False
    )
