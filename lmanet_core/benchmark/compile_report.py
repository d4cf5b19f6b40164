"""What the CUDA kernels take of each chip, and what that lets one expect. Needs no GPU."""

from __future__ import annotations

import argparse
from collections.abc import Iterable
from dataclasses import dataclass

import torch

from lmanet_core.benchmark.ops_cases import OPERATING_POINTS
from lmanet_core.output.markdown import markdown_table

HELP = "registers, shared memory and occupancy of the CUDA kernels, compiled for each chip"

_COLUMNS = (
    "chip", "point", "kernel", "registers", "spilled B", "shared KiB", "threads/block",
    "blocks/SM", "occupancy",
)  # fmt: skip
_ROOFLINE_COLUMNS = (
    "ESTIMATE", "point", "tensor cores", "exponentials", "DRAM", "L2", "bound by",
)  # fmt: skip


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Declare the report's options on its sub-command."""
    parser.add_argument("--chips", type=int, nargs="+", help="compute capabilities; default: all")
    parser.add_argument("--points", nargs="+", default=["erfnet", "pspnet"])
    parser.add_argument("--dtype", default="float16", choices=["float16", "bfloat16", "float32"])
    parser.add_argument("--no-backward", action="store_true")
    parser.set_defaults(run=run)


def run(arguments: argparse.Namespace) -> None:
    """Compile, and print the table of resources and the roofline estimate as Markdown."""
    from lmanet_core.benchmark.cuda_compilation import CHIPS, compile_for_chip, launches

    dtype = getattr(torch, arguments.dtype)
    rows = []
    for capability in arguments.chips or CHIPS:
        chip = CHIPS[capability]
        for point in arguments.points:
            for name, launch in launches(OPERATING_POINTS[point], dtype, capability).items():
                if arguments.no_backward and name != "forward":
                    continue
                taken = compile_for_chip(launch, capability)
                rows.append((
                    f"sm_{capability} {chip.name}", point, name, taken.registers, taken.spilled,
                    f"{taken.shared_memory / 1024:.0f}", taken.threads,
                    taken.blocks_per_multiprocessor(chip), f"{taken.occupancy(chip):.0%}",
                ))  # fmt: skip
    print(markdown_table(_COLUMNS, rows))
    if dtype != torch.float32:
        print()
        print(markdown_table(_ROOFLINE_COLUMNS, _roofline(arguments.points)))


@dataclass(frozen=True)
class Machine:
    """Peak rates of a GPU.

    `products` are multiply-adds of 16-bit factors with 32-bit sums, dense, per clock and
    multiprocessor (SM); `clock` is the boost clock in Hz; `bandwidth` that of the DRAM in B/s.
    An SM makes 16 powers of 2 a clock. 32 B a clock for each SM is assumed of the L2 cache.
    """

    multiprocessors: int
    products: int
    clock: float
    bandwidth: float

    def milliseconds(self, work: Work) -> dict[str, float]:
        """How long each unit would take for its share of the work, were it alone."""
        per_second = self.multiprocessors * self.clock
        return {
            "tensor cores": 1e3 * work.flops / (2 * self.products * per_second),
            "exponentials": 1e3 * work.exponentials / (16 * per_second),
            "DRAM": 1e3 * work.dram_bytes / self.bandwidth,
            "L2": 1e3 * work.cache_bytes / (32 * per_second),
        }


MACHINES = {
    "Jetson AGX Orin": (87, Machine(16, 1024, 1.30e9, 204.8e9)),
    "RTX 4070": (89, Machine(46, 256, 2.475e9, 504e9)),
    "H100 SXM": (90, Machine(132, 2048, 1.83e9, 3350e9)),
}
"""With their compute capabilities. Sources: NVIDIA's data sheets and white papers."""


@dataclass(frozen=True)
class Work:
    """What one forward pass does."""

    flops: float
    exponentials: float
    dram_bytes: float
    cache_bytes: float


def forward_work(point: str, compute_capability: int) -> Work:
    """The work of the forward kernel in float16, with all that is masked or computed twice."""
    from lmanet_core.benchmark.cuda_compilation import launches

    sizes = OPERATING_POINTS[point]
    launch = launches(sizes, torch.float16, compute_capability)["forward"]
    cut, (tiles, blocks, _) = launch.cut, launch.grid
    radius = cut.window_size // 2
    halos = [
        cut.halo_columns * (min(row + cut.tile_rows + radius, sizes.height) - max(row - radius, 0))
        for row in range(0, sizes.height, cut.tile_rows)
    ]
    walks = tiles // len(halos) * blocks * sizes.frames
    positions = walks * sum(halos)
    pairs = walks * sum(-(-halo // cut.step) * cut.step for halo in halos) * cut.tile_size
    pixels = sizes.height * sizes.width
    channels = cut.key_channels + cut.value_channels
    return Work(
        flops=2 * (cut.key_channels + cut.value_block) * pairs,
        exponentials=pairs,
        dram_bytes=2 * channels * pixels * (sizes.frames + 1),
        cache_bytes=2 * (cut.key_channels + cut.value_block) * positions,
    )


def _roofline(points: Iterable[str]) -> list[tuple[str, ...]]:
    rows = []
    for name, (capability, machine) in MACHINES.items():
        for point in points:
            times = machine.milliseconds(forward_work(point, capability))
            slowest = max(times, key=lambda unit: times[unit])
            rows.append((name, point, *(f"{ms:.3f} ms" for ms in times.values()), slowest))
    return rows
