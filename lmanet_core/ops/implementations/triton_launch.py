"""A Triton kernel with all that it is started with."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any


@dataclass(frozen=True)
class Launch:
    """A kernel with all that it is started with, to be run on a chip or compiled for one."""

    kernel: Any
    grid: tuple[int, int, int]
    arguments: dict[str, Any]
    constants: dict[str, Any]
    warps: int
    stages: int = 2
    """Stages of the pipeline that loads what the next steps need."""

    @property
    def options(self) -> dict[str, Any]:
        """Options of the compiler."""
        return {"num_warps": self.warps, "num_stages": self.stages, "enable_fp_fusion": True}

    def run(self) -> None:
        """Start the kernel on the current device."""
        self.kernel[self.grid](**self.arguments, **self.constants, **self.options)
