"""The kernel of local attention as TensorRT takes it, compiled ahead of time."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any


def _divide_up(number: int, by: int) -> int:
    return -(-number // by)


@dataclass(frozen=True)
class CompiledKernel:
    """A kernel for the driver's assembler, and how the work is divided; an engine holds it.

    Attributes:
        name: of the entry point.
        ptx: its source.
        tile_rows, tile_columns: positions of a block.
        value_block: value channels of a block.
        threads: threads of a block.
        shared_memory: bytes that a block takes.
    """

    name: str
    ptx: str
    tile_rows: int
    tile_columns: int
    value_block: int
    threads: int
    shared_memory: int

    def grid(
        self, height: Any, width: Any, value_channels: int, cdiv: Callable = _divide_up
    ) -> tuple[Any, Any, Any]:
        """Blocks in x, y and z.

        Args:
            height, width: numbers, or TensorRT's expressions of a shape.
            value_channels: Dv.
            cdiv: the division of height and width that rounds up.
        """
        tiles = cdiv(height, self.tile_rows) * cdiv(width, self.tile_columns)
        return tiles, _divide_up(value_channels, self.value_block), 1
