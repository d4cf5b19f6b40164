"""The two forms that local attention takes in a graph: one node, or standard operators.

Both read a memory that is filled in part, with channels innermost and without a batch:

    query (H, W, Dk), keys (S, H, W, Dk), values (S, H, W, Dv), filled (1) int32 -> (H, W, Dv)

They read the first `filled` slots, but at least one: what they say of an empty memory is a number,
not NaN, and of no use.
"""

from __future__ import annotations

from collections.abc import Callable

import torch
from torch import Tensor
from torch.nn import functional

from lmanet_core.ops.implementations.tiled import TILE, join_tiles, split_tiles, window_mask

DOMAIN = "com.lmanet"
OPERATOR = "LocalAttention"
VERSION = 1
"""Version of the operator set `DOMAIN`, whose only operator is `OPERATOR`."""
PLUGIN_NAMESPACE = "lmanet"
"""TensorRT's name for the domain: its namespaces have no dots in their names."""

GraphAttention = Callable[[Tensor, Tensor, Tensor, Tensor, int], Tensor]
"""(query, keys, values, filled, window_size) -> read."""


def plugin_attention(
    query: Tensor, keys: Tensor, values: Tensor, filled: Tensor, window_size: int
) -> Tensor:
    """A node `com.lmanet::LocalAttention`; exists for the exporter, nothing can compute it here."""
    return torch.onnx.ops.symbolic(
        f"{DOMAIN}::{OPERATOR}",
        (query, keys, values, filled),
        {"window_size": window_size, "plugin_namespace": PLUGIN_NAMESPACE, "plugin_version": "1"},
        dtype=query.dtype,
        shape=(*query.shape[:2], values.shape[-1]),
        version=VERSION,
    )


def tiled_attention(
    query: Tensor, keys: Tensor, values: Tensor, filled: Tensor, window_size: int
) -> Tensor:
    """Dense attention of each tile of queries with its halo under one mask.

    The form of `lmanet_core.ops.implementations.tiled`, with halos cut by slices: what strided
    views become in a graph, gathers, is slow in ONNX Runtime.
    """
    frames, height, width, _ = keys.shape
    tile_rows, tile_columns = -(-height // TILE), -(-width // TILE)
    queries = split_tiles(query[None].permute(0, 3, 1, 2), tile_rows, tile_columns)[0]
    padded_keys = _pad(keys, window_size, tile_rows, tile_columns)
    padded_values = _pad(values, window_size, tile_rows, tile_columns)
    mask = _mask(window_size, frames, filled, query)
    rows = []
    for row in range(tile_rows):
        key_halos = _halos_of_row(padded_keys, row, tile_columns, window_size)
        value_halos = _halos_of_row(padded_values, row, tile_columns, window_size)
        scores = torch.matmul(queries[row], key_halos.transpose(1, 2)) + mask
        rows.append(torch.matmul(scores.softmax(-1), value_halos))
    return join_tiles(torch.stack(rows)[None])[0, :height, :width]


def _pad(memory: Tensor, window_size: int, tile_rows: int, tile_columns: int) -> Tensor:
    """(S, H, W, D) -> (columns * TILE + 2h, S, rows * TILE + 2h, D), zeros around.

    With the columns outermost a tile's halo is one piece of a row's strip.
    """
    radius = window_size // 2
    _, height, width, _ = memory.shape
    bottom = radius + tile_rows * TILE - height
    right = radius + tile_columns * TILE - width
    padded = functional.pad(memory, (0, 0, radius, right, radius, bottom))
    return padded.permute(2, 0, 1, 3)


def _halos_of_row(padded: Tensor, row: int, tile_columns: int, window_size: int) -> Tensor:
    """What each of a row of tiles can see, (columns, side * S * side, D) with side = TILE + 2h."""
    side = TILE + window_size - 1
    strip = padded[:, :, row * TILE : row * TILE + side].flatten(1, 2)
    starts = range(0, tile_columns * TILE, TILE)
    return torch.stack([strip[start : start + side].flatten(0, 1) for start in starts])


def _mask(window_size: int, frames: int, filled: Tensor, like: Tensor) -> Tensor:
    """(TILE * TILE, side * S * side): 0 in a query's window in filled slots, -inf elsewhere."""
    side = TILE + window_size - 1
    static = window_mask(window_size, frames, like.dtype, like.device)
    slots = torch.arange(frames, dtype=torch.int32, device=like.device)
    empty = torch.full((frames,), float("-inf"), dtype=like.dtype, device=like.device)
    of_slots = torch.where(slots < filled.clamp(min=1), torch.zeros_like(empty), empty)
    of_slots = of_slots[None, :, None].expand(side, frames, side).flatten()
    return static + of_slots


FORMS: dict[str, GraphAttention] = {"plugin": plugin_attention, "tiled": tiled_attention}
"""What `lmanet export --operator` accepts."""
