"""How the forward pass of local attention is best cut on the chips where that was measured."""

from __future__ import annotations

from typing import NamedTuple


class Tiles(NamedTuple):
    """How the work is cut: tiles of `rows` x `columns` queries, and what else decides the speed.
    Powers of 2."""

    rows: int
    columns: int
    step: int
    """Positions of the halo at a time."""
    warps: int
    stages: int
    """Stages of the pipeline that loads what the next steps need."""


MEASURED: dict[tuple[int, int, int], Tiles] = {}
"""Measured tiles by compute capability, key channels and value channels, for float16 and bfloat16.

`make benchmark-gpu` searches, and prints the line to add. What is not here is cut as
`fused_cuda.choose_cut` does.
"""
