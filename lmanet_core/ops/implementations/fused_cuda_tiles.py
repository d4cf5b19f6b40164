"""How the forward pass of local attention is best cut on the chips where that was measured."""

from __future__ import annotations

from typing import NamedTuple


class Tiles(NamedTuple):
    """Of queries, `rows` x `columns`, and what else decides how fast a program is; powers of 2."""

    rows: int
    columns: int
    step: int
    """Positions of the halo at a time."""
    warps: int
    stages: int
    """Of the pipeline that loads what the next steps need."""


MEASURED: dict[tuple[int, int, int], Tiles] = {}
"""By compute capability, key channels and value channels, for float16 and bfloat16.

`make benchmark-gpu` searches, and prints the line to add. What is not here is cut as
`fused_cuda.choose_cut` does.
"""
