"""Where the memory should look: where the place was, as optical flow finds it.

Labels alone do not teach it. What a network learns from them is to look for places that resemble
the one it is at, anywhere in the window, and such an average has little to add to a frame.
"""

from __future__ import annotations

import cv2
import numpy as np
import torch
from torch import Tensor

from lmanet_core.models import LocalMemory
from lmanet_core.ops import local_attention
from lmanet_core.optical_flow import OpticalFlow, grid
from lmanet_core.training.clips import Passage

MOSTLY = 0.5
"""Share of a cell's pixels that must be visible for its place to be known."""
SOFTENING = 0.5
"""Cells, below which a distance counts less and less: flow is no more exact."""


def correspondence_loss(memory: LocalMemory, passage: Passage, images: Tensor) -> Tensor:
    """How far from the right places attention looks, in each past frame by itself.

    Attention with weights a_j to places p_j is at a distance of sqrt(sum_j a_j |p_j - q|^2) from
    the place q where flow finds what is seen now, so being spread costs as much as being wrong.
    Cells that the other frame does not show, or shows beyond the window, do not count.

    Args:
        memory: the network's.
        passage: what it has made of the clips.
        images: the clips, (B, T, 3, H, W) uint8.

    Returns:
        Mean of the distances as shares of the window's reach; 0 if nothing is known.
    """
    greys = images.float().mean(2).byte().cpu().numpy()
    rows, columns = next(iter(passage.features.values())).shape[-2:]
    cells = rows, columns
    reach = max(cells) if memory.window_size is None else max(1, memory.window_size // 2)
    flow = OpticalFlow()
    distances, known = [], []
    for now, pasts in passage.remembered.items():
        for past in pasts:
            traced = [_moved(flow, clip[now], clip[past], cells) for clip in greys]
            moved, seen = (
                torch.from_numpy(np.stack(part)).to(images.device)
                for part in zip(*traced, strict=True)
            )
            query, keys = passage.projections[now].query_key, passage.projections[past].memory_key
            distances.append(_distance(memory, query, keys, moved, reach))
            known.append(seen & (moved.abs() < reach).all(1))
    if not distances:
        return images.new_zeros((), dtype=torch.float32)
    weights = torch.stack(known).float()
    return (torch.stack(distances) * weights).sum() / weights.sum().clamp_min(1) / reach


def _distance(
    memory: LocalMemory, query: Tensor, keys: Tensor, moved: Tensor, reach: int
) -> Tensor:
    """(B, H', W') in cells, of (B, Dk, H', W') keys and (B, 2, H', W') true displacements."""
    height, width = query.shape[-2:]
    rows, columns = (torch.arange(side, device=query.device) for side in (height, width))
    places = torch.stack([columns.expand(height, width), rows[:, None].expand(height, width)])
    places = places.to(query.dtype)
    squares = places.square().sum(0, keepdim=True)
    values = torch.cat([places, squares, torch.ones_like(squares)]).expand(len(query), -1, -1, -1)
    read = local_attention(query, keys[:, None], values[:, None].contiguous(), memory.window_size)
    place, square, inside = read[:, :2], read[:, 2], read[:, 3]
    target = places + moved
    spread = square - 2 * (place * target).sum(1) + inside * target.square().sum(1)
    # Beyond the image there is nothing: as wrong as the window allows.
    wrong = spread + (1 - inside) * reach**2
    return (wrong.clamp_min(0) + SOFTENING**2).sqrt()


def _moved(
    flow: OpticalFlow, now: np.ndarray, past: np.ndarray, cells: tuple[int, int]
) -> tuple[np.ndarray, np.ndarray]:
    """(2, H', W') float32, by how many cells each cell was displaced, and (H', W') bool, where
    that is known."""
    height, width = cells
    places, visible = flow.trace(now, past)
    shown = visible.astype(np.float32)
    share = cv2.resize(shown, (width, height), interpolation=cv2.INTER_AREA)
    there = places - grid(now.shape)
    there = cv2.resize(there * shown[..., None], (width, height), interpolation=cv2.INTER_AREA)
    scale = np.array((width / now.shape[1], height / now.shape[0]), np.float32)
    moved = there / np.maximum(share, 1e-3)[..., None] * scale
    return moved.transpose(2, 0, 1), share > MOSTLY
