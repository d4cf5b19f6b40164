"""How far from where a place was the memory looks for it."""

from __future__ import annotations

from dataclasses import dataclass

import cv2
import numpy as np
import torch
from torch import Tensor

from lmanet_core.evaluation.optical_flow import OpticalFlow, grid
from lmanet_core.models import LocalMemory
from lmanet_core.ops import local_attention

MOSTLY = 0.5
"""Share of a cell's pixels that must be visible for its place to be known."""
SOFTENING = 0.5
"""Cells, below which a distance counts less and less: flow is no more exact."""


@dataclass(frozen=True)
class Displacement:
    """Where optical flow finds the cells of B frames in B others.

    Attributes:
        cells: (B, 2, H', W') float32, by how many cells in x and y.
        known: (B, H', W') bool, whether the other frame shows it.
    """

    cells: Tensor
    known: Tensor


def displacement(now: np.ndarray, past: np.ndarray, cells: tuple[int, int]) -> Displacement:
    """Optical flow between pairs of frames, (B, H, W) uint8 both, in (H', W') cells."""
    flow = OpticalFlow()
    pairs = zip(now, past, strict=True)
    moved, known = zip(*(_moved(flow, *pair, cells) for pair in pairs), strict=True)
    return Displacement(torch.from_numpy(np.stack(moved)), torch.from_numpy(np.stack(known)))


def reach(memory: LocalMemory, cells: tuple[int, int]) -> int:
    """How many cells away the memory looks."""
    return max(cells) if memory.window_size is None else max(1, memory.window_size // 2)


def attention_distance(memory: LocalMemory, query: Tensor, keys: Tensor, moved: Tensor) -> Tensor:
    """How far from the right places attention to one past frame looks.

    Attention with weights a_j to places p_j is at a distance of sqrt(sum_j a_j |p_j - q|^2) from
    the place q, so being spread costs as much as being wrong.

    Args:
        memory: the memory whose attention is looked at.
        query, keys: (B, Dk, H', W') of the frame that reads and of the one that is read.
        moved: (B, 2, H', W'), where q lies, from the place itself.

    Returns:
        (B, H', W') in cells, float32, also under autocast; at least `SOFTENING`.
    """
    # Squares of coordinates nearly cancel out: in half precision nothing would be left of them.
    with torch.autocast(query.device.type, enabled=False):
        return _distance(memory, query.float(), keys.float(), moved)


def _distance(memory: LocalMemory, query: Tensor, keys: Tensor, moved: Tensor) -> Tensor:
    """`attention_distance` in float32."""
    height, width = query.shape[-2:]
    # From the middle, so that squares stay small.
    rows, columns = (
        torch.arange(side, device=query.device) - (side - 1) / 2 for side in (height, width)
    )
    cell = torch.stack([columns.expand(height, width), rows[:, None].expand(height, width)])
    square = cell.square().sum(0, keepdim=True)
    values = torch.cat([cell, square, torch.ones_like(square)]).expand(len(query), -1, -1, -1)
    read = local_attention(query, keys[:, None], values[:, None].contiguous(), memory.window_size)
    inside = read[:, 3]
    # Sums over what is read of where it is and of the square of how far, both from the cell.
    away = read[:, :2] - inside[:, None] * cell
    spread = read[:, 2] - 2 * (read[:, :2] * cell).sum(1) + inside * square
    spread = spread - 2 * (away * moved).sum(1) + inside * moved.square().sum(1)
    # Beyond the image there is nothing: as wrong as the window allows.
    wrong = spread + (1 - inside) * reach(memory, (height, width)) ** 2
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
