"""Local attention as PyTorch lets one write it: what the kernels are held against.

All have the signature and the semantics of `lmanet_core.ops.reference.local_attention_reference`.
"""

from __future__ import annotations

from collections.abc import Iterator
from functools import cache
from typing import TYPE_CHECKING, Any

import torch
from torch import Tensor
from torch.nn import functional

if TYPE_CHECKING:
    from torch.nn.attention.flex_attention import BlockMask

_BLOCK = 128
"""Queries, and memory locations, that flex attention computes or skips together."""


def local_attention_unfold(query: Tensor, keys: Tensor, values: Tensor, window_size: int) -> Tensor:
    """Every location's window as a column of its own, w * w copies of the memory, by `F.unfold`."""
    weights = torch.einsum("bdp,bsdwp->bswp", query.flatten(2), _windows(keys, window_size))
    weights = weights.flatten(1, 2).softmax(1).view_as(weights)
    read = torch.einsum("bswp,bsdwp->bdp", weights, _windows(values, window_size))
    return read.unflatten(2, query.shape[2:])


def local_attention_shifts(query: Tensor, keys: Tensor, values: Tensor, window_size: int) -> Tensor:
    """One loop over all shifts for the scores, one for the values; only scores are kept."""
    query = query.contiguous()
    scores = [(query * key).sum(1) for key in _shifts(keys, window_size)]
    weights = torch.stack(scores, 1).softmax(1)  # (B, w * w * S, H, W)
    read = torch.zeros_like(query[:, :1]).repeat(1, values.shape[2], 1, 1)
    for weight, value in zip(weights.unbind(1), _shifts(values, window_size), strict=True):
        read = read.addcmul_(weight[:, None], value)
    return read


def local_attention_flex(query: Tensor, keys: Tensor, values: Tensor, window_size: int) -> Tensor:
    """Compiled flex attention over the padded memory, under a mask of the windows; no gradients."""
    height, width = query.shape[-2:]
    radius = (window_size - 1) // 2
    read = _compiled_flex_attention()(
        query.permute(0, 2, 3, 1).flatten(1, 2)[:, None],
        _padded_tokens(keys, radius),
        _padded_tokens(values, radius),
        block_mask=_flex_mask(keys.shape[1], height, width, window_size, query.device),
        scale=1.0,
    )
    return read[:, 0].transpose(1, 2).unflatten(2, (height, width))


def local_attention_natten(query: Tensor, keys: Tensor, values: Tensor, window_size: int) -> Tensor:
    """NATTEN, for its time alone: its windows move inwards at the border, and have no padding.

    It knows no memory of several frames: each is read on its own, and the readings are averaged.
    Many value channels are several heads with the same scores.
    """
    from natten import na2d

    heads = max(1, values.shape[2] // 128)
    queries = query[:, None].expand(-1, keys.shape[1], -1, -1, -1)

    def tokens(frames: Tensor) -> Tensor:
        """(B, S, D, H, W) -> (B * S, H, W, 1, D)."""
        return frames.flatten(0, 1).permute(0, 2, 3, 1)[..., None, :]

    read = na2d(
        tokens(queries).expand(-1, -1, -1, heads, -1),
        tokens(keys).expand(-1, -1, -1, heads, -1),
        tokens(values).unflatten(-1, (heads, -1)).squeeze(-3),
        kernel_size=window_size,
        scale=1.0,
    )
    return read.flatten(-2).unflatten(0, keys.shape[:2]).mean(1).permute(0, 3, 1, 2)


def _windows(memory: Tensor, window_size: int) -> Tensor:
    """(B, S, D, H, W) -> (B, S, D, w * w, H * W)."""
    columns = functional.unfold(memory.flatten(0, 1), window_size, padding=window_size // 2)
    return columns.unflatten(1, (memory.shape[2], -1)).unflatten(0, memory.shape[:2])


def _shifts(memory: Tensor, window_size: int) -> Iterator[Tensor]:
    """The frames of (B, S, D, H, W) at each displacement: w * w * S views (B, D, H, W)."""
    height, width = memory.shape[-2:]
    padded = functional.pad(memory, (window_size // 2,) * 4).contiguous()
    for dy in range(window_size):
        rows = padded.narrow(-2, dy, height)
        for dx in range(window_size):
            yield from rows.narrow(-1, dx, width).unbind(1)


def _padded_tokens(memory: Tensor, radius: int) -> Tensor:
    """(B, S, D, H, W) -> (B, 1, S * (H + 2h) * (W + 2h), D)."""
    padded = functional.pad(memory.permute(0, 1, 3, 4, 2), (0, 0) + (radius,) * 4)
    return padded.flatten(1, 3)[:, None]


@cache
def _compiled_flex_attention() -> Any:
    # Its module takes seconds to import.
    from torch.nn.attention.flex_attention import flex_attention

    return torch.compile(flex_attention, dynamic=False)


@cache
def _flex_mask(
    frames: int, height: int, width: int, window_size: int, device: torch.device
) -> BlockMask:
    """The windows, as flex attention wants them: blocks to compute, and a predicate inside them."""
    from torch.nn.attention.flex_attention import BlockMask

    padded_height, padded_width = height + window_size - 1, width + window_size - 1
    frame_size = padded_height * padded_width

    def in_window(batch: Tensor, head: Tensor, query: Tensor, memory: Tensor) -> Tensor:
        position = memory % frame_size
        dy = position // padded_width - query // width
        dx = position % padded_width - query % width
        return (dy >= 0) & (dy < window_size) & (dx >= 0) & (dx < window_size)

    # A block of queries sees whole rows of each padded frame. `create_block_mask` would find these
    # blocks by evaluating the predicate for every pair of locations, which takes a minute.
    first = torch.arange(0, height * width, _BLOCK)
    last = (first + _BLOCK).clamp(max=height * width) - 1
    starts = torch.arange(frames) * frame_size + (first // width * padded_width)[:, None]
    ends = torch.arange(frames) * frame_size + (
        (last // width + window_size) * padded_width
    )[:, None]  # fmt: skip
    block = torch.arange(0, frames * frame_size, _BLOCK)
    overlap = (block < ends[..., None]) & (block + _BLOCK > starts[..., None])
    visible = overlap.any(1)  # (blocks of queries, blocks of the memory)
    return BlockMask.from_kv_blocks(
        visible.sum(1, dtype=torch.int32)[None, None],
        visible.int().argsort(dim=1, descending=True, stable=True).int()[None, None],
        BLOCK_SIZE=_BLOCK,
        mask_mod=in_window,
        seq_lengths=(height * width, frames * frame_size),
    ).to(device)
