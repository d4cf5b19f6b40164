"""Local attention as dense attention of each tile of queries with its halo, under a static mask.

Only matrix products and a softmax: fast everywhere, differentiable, and exportable as it stands.
"""

from __future__ import annotations

from functools import lru_cache

import torch
from torch import Tensor
from torch.nn import functional

TILE = 8
"""Side of a query tile: larger ones waste less halo, smaller ones less masked work."""


def local_attention_tiled(query: Tensor, keys: Tensor, values: Tensor, window_size: int) -> Tensor:
    """Local attention by tiles; see `lmanet_core.ops.local_attention`."""
    height, width = query.shape[-2:]
    tile_rows, tile_columns = -(-height // TILE), -(-width // TILE)
    queries = split_tiles(query, tile_rows, tile_columns)
    padded_keys = _pad(keys, window_size, tile_rows, tile_columns)
    padded_values = _pad(values, window_size, tile_rows, tile_columns)
    mask = _kept_window_mask(window_size, keys.shape[1], query.dtype, query.device)

    # A few tiles at a time keep the scores in the CPU's cache; a GPU wants a whole row.
    at_once = torch.get_num_threads() if query.device.type == "cpu" else tile_columns
    rows = []
    for row in range(tile_rows):
        key_halos = _halos_of_row(padded_keys, row, window_size)
        value_halos = _halos_of_row(padded_values, row, window_size)
        parts = [
            _attend(
                queries[:, row, start : start + at_once],
                key_halos[:, start : start + at_once],
                value_halos[:, start : start + at_once],
                mask,
            )
            for start in range(0, tile_columns, at_once)
        ]
        rows.append(torch.cat(parts, dim=1))
    read = join_tiles(torch.stack(rows, dim=1))[:, :height, :width]
    return read.permute(0, 3, 1, 2)


def _attend(queries: Tensor, key_halos: Tensor, value_halos: Tensor, mask: Tensor) -> Tensor:
    """(B, n, TILE^2, Dk), (B, n, N, Dk), (B, n, N, Dv), mask (TILE^2, N) -> (B, n, TILE^2, Dv)."""
    batch, tiles = queries.shape[:2]
    keys = key_halos.flatten(0, 1).transpose(1, 2)
    scores = torch.baddbmm(mask, queries.flatten(0, 1), keys)
    read = torch.bmm(scores.softmax(-1), value_halos.flatten(0, 1))
    return read.unflatten(0, (batch, tiles))


def split_tiles(query: Tensor, tile_rows: int, tile_columns: int) -> Tensor:
    """(B, D, H, W) -> (B, rows, columns, TILE * TILE, D), zero-padded to whole tiles."""
    height, width = query.shape[-2:]
    missing = (0, 0, 0, tile_columns * TILE - width, 0, tile_rows * TILE - height)
    padded = functional.pad(query.permute(0, 2, 3, 1), missing)
    tiles = padded.unflatten(2, (tile_columns, TILE)).unflatten(1, (tile_rows, TILE))
    return tiles.transpose(2, 3).flatten(3, 4)


def join_tiles(tiles: Tensor) -> Tensor:
    """Inverse of `split_tiles` but for the layout: -> (B, rows * TILE, columns * TILE, D)."""
    grid = tiles.unflatten(3, (TILE, TILE)).transpose(2, 3)
    return grid.flatten(3, 4).flatten(1, 2)


def _pad(memory: Tensor, window_size: int, tile_rows: int, tile_columns: int) -> Tensor:
    """(B, S, D, H, W) -> (B, S, rows * TILE + 2h, columns * TILE + 2h, D), zeros around."""
    radius = (window_size - 1) // 2
    height, width = memory.shape[-2:]
    bottom = radius + tile_rows * TILE - height
    right = radius + tile_columns * TILE - width
    return functional.pad(memory.permute(0, 1, 3, 4, 2), (0, 0, radius, right, radius, bottom))


def _halos_of_row(padded: Tensor, row: int, window_size: int) -> Tensor:
    """What a row of tiles can see, (B, columns, side * S * side, D) with side = TILE + 2h.

    With the image columns outermost a tile's halo is one contiguous piece of the row's strip, so
    the strip is copied once and the halos, which overlap, are views of it.
    """
    side = TILE + window_size - 1
    strip = padded[:, :, row * TILE : row * TILE + side].permute(0, 3, 1, 2, 4)
    strip = strip.contiguous().flatten(2, 3)  # (B, padded columns, S * side, D)
    return strip.unfold(1, side, TILE).permute(0, 1, 4, 2, 3).flatten(2, 3)


def window_mask(window_size: int, frames: int, dtype: torch.dtype, device: torch.device) -> Tensor:
    """(TILE * TILE, side * S * side): 0 inside of each query's window, -inf outside."""
    side = TILE + window_size - 1
    displacement = torch.arange(side)[None, :] - torch.arange(TILE)[:, None]
    inside = (displacement >= 0) & (displacement < window_size)
    # (query row, query column, memory column, frame, memory row)
    visible = inside[None, :, :, None, None] & inside[:, None, None, None, :]
    visible = visible.expand(-1, -1, -1, frames, -1).flatten(2).flatten(0, 1)
    # A tensor made in inference mode could not be used in training later.
    with torch.inference_mode(False):
        mask = torch.zeros(visible.shape, dtype=dtype, device=device)
        return mask.masked_fill_(~visible.to(device), float("-inf"))


_kept_window_mask = lru_cache(maxsize=16)(window_mask)
