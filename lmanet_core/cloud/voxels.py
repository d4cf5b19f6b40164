"""Fewer points: one for each voxel, with the most frequent label in it."""

from __future__ import annotations

import numpy as np

from lmanet_core.cloud.points import take

_LABELS = 256
_WORD_BITS = 64


def thin(points: np.ndarray, voxel_size: float) -> np.ndarray:
    """Leave one point in each voxel.

    It is one of those that were there, of the most frequent label; of labels that are equally
    frequent, the lowest counts.

    Args:
        points: of `POINT`, of any shape; those with NaN are left out.
        voxel_size: side of a voxel, in metres; not less than 0.01 for points some 100 m apart.

    Returns:
        (N,) of `POINT`.
    """
    points = points.reshape(-1)
    keys = _keys(points, voxel_size)
    # Neighbours in an image are likely to be neighbours in space: that leaves a few runs to sort.
    starts = np.flatnonzero(keys[1:] != keys[:-1]) + 1
    starts = np.concatenate(([0], starts)) if len(keys) else starts
    counts = np.diff(starts, append=len(keys))
    keys = keys[starts]
    there = np.isfinite(keys)
    if not there.any():
        return points[:0]
    starts, counts, keys = starts[there], counts[there], keys[there].astype(np.int64)
    order = _order(keys)
    starts, counts, keys = starts[order], counts[order], keys[order]

    groups = np.flatnonzero(np.diff(keys, prepend=-1))
    totals = np.add.reduceat(counts, groups)
    voxels = np.flatnonzero(np.diff(keys[groups] // _LABELS, prepend=-1))
    # The largest group of each voxel and, of equally large ones, the first.
    score = totals * len(groups) + np.arange(len(groups))[::-1]
    best = np.maximum.reduceat(score, voxels) % len(groups)
    runs = groups[len(groups) - 1 - best]
    return take(points, starts[runs] + counts[runs] // 2)


def _keys(points: np.ndarray, voxel_size: float) -> np.ndarray:
    """(N,) float64 whole numbers: the same for points of the same voxel and label, NaN for none."""
    key = np.zeros(len(points))
    for name in ("x", "y", "z"):
        cells = np.floor(points[name] * np.float32(1 / voxel_size))
        if not np.isfinite(lowest := np.fmin.reduce(cells, initial=np.inf)):
            return np.full(len(points), np.nan)
        cells -= lowest
        key *= np.fmax.reduce(cells) + 1.0
        key += cells
    key *= _LABELS
    key += points["label"]
    return key


def _order(keys: np.ndarray) -> np.ndarray:
    """Indices that sort whole numbers; of equal ones the first comes first."""
    bits = len(keys).bit_length()
    if int(keys.max()).bit_length() + bits >= _WORD_BITS:
        return np.argsort(keys, kind="stable")
    # Sorting numbers is several times faster than sorting indices by them.
    return np.sort(keys << bits | np.arange(len(keys))) & ((1 << bits) - 1)
