"""Where the memory should look: where the place was, as optical flow finds it.

Labels alone do not teach it. What a network learns from them is to look for places that resemble
the one it is at, anywhere in the window, and such an average has little to add to a frame.
"""

from __future__ import annotations

import torch
from torch import Tensor

from lmanet_core.evaluation.attention_distance import attention_distance, displacement, reach
from lmanet_core.models import LocalMemory
from lmanet_core.training.clip_forward import EncodedClips


def correspondence_loss(memory: LocalMemory, encoded: EncodedClips, images: Tensor) -> Tensor:
    """How far from the right places attention looks, in each past frame by itself.

    Cells that the other frame does not show, or shows beyond the window, do not count.

    Args:
        memory: the network's.
        encoded: what it has made of the clips.
        images: the clips, (B, T, 3, H, W) uint8.

    Returns:
        Mean of `attention_distance` as a share of the window's reach; 0 if nothing is known.
    """
    greys = images.float().mean(2).byte().cpu().numpy()
    rows, columns = next(iter(encoded.features.values())).shape[-2:]
    farthest = reach(memory, (rows, columns))
    distances, known = [], []
    for now, pasts in encoded.remembered.items():
        for past in pasts:
            moved = displacement(greys[:, now], greys[:, past], (rows, columns))
            there = moved.cells.to(images.device)
            query, keys = encoded.projections[now].query_key, encoded.projections[past].memory_key
            distances.append(attention_distance(memory, query, keys, there))
            known.append(moved.known.to(images.device) & (there.abs() < farthest).all(1))
    if not distances:
        return images.new_zeros((), dtype=torch.float32)
    weights = torch.stack(known).float()
    return (torch.stack(distances) * weights).sum() / weights.sum().clamp_min(1) / farthest
