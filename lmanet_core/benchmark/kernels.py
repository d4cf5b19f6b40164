"""The C++ kernel's forward pass in each instruction set, beside another build of it.

In one thread and by the processor's time, so that a busy machine may be measured on, too.
"""

from __future__ import annotations

import argparse
import time
from functools import partial
from pathlib import Path

import torch
from torch import Tensor

from lmanet_core.benchmark.ops_cases import ERFNET, Size
from lmanet_core.kernel import library
from lmanet_core.models.key_forms import LocatedKeys
from lmanet_core.ops.implementations import fused_cpu
from lmanet_core.output.markdown import markdown_table
from lmanet_core.program.timing import time_in_turns

HELP = "the C++ kernel in each instruction set, and, in turns with it, another build"

STREET = Size(window_size=15, key_channels=25, value_channels=96)
POINTS = {
    "ERFNet": ERFNET,
    "street": STREET,
    "few channels": Size(key_channels=2, value_channels=16),
}
"""Sizes at 1024x512, of random numbers: every cell of a window fits about as well. The last one
shows what the two products do not take."""
_VARIANTS = (("avx2", "float32"), ("avx512", "float32"), ("avx512_bf16", "bfloat16"))


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Declare the benchmark's options on its sub-command."""
    parser.add_argument(
        "--against", type=Path, help="kernel library of another build to compare with"
    )
    parser.add_argument("--repeats", type=int, default=10)
    parser.set_defaults(run=run)


def run(arguments: argparse.Namespace) -> None:
    """Time all that this processor has, and print the table."""
    best = library.INSTRUCTION_SETS.index(library.best_instruction_set())
    torch.set_num_threads(1)
    rows = []
    cases = {point: (size, size.inputs(torch.float32)) for point, size in POINTS.items()}
    cases["street, a stream"] = STREET, _stream_inputs(STREET)
    for point, (size, numbers) in cases.items():
        for instructions, dtype in _VARIANTS:
            if library.INSTRUCTION_SETS.index(instructions) > best:
                continue
            query, keys, values = (tensor.to(getattr(torch, dtype)) for tensor in numbers)
            inputs = query, keys, values
            calls = {"this": partial(_read, inputs, size, instructions, None)}
            if arguments.against:
                other = partial(_read, inputs, size, instructions, arguments.against)
                calls["other"] = other
            times = time_in_turns(calls, arguments.repeats, warm_up=1, clock=time.process_time)
            cells = [point, f"{instructions} {dtype}", f"{times['this']:.1f}"]
            cells.append(f"{size.flops / times['this'] / 1e6:.0f}")
            if arguments.against:
                cells += [f"{times['other']:.1f}", f"{times['this'] / times['other']:.2f}"]
            rows.append(cells)
    head = ["", "computed", "ms", "GFLOP/s", "other ms", "this / other"]
    print("one thread, the processor's time")
    print(markdown_table(head[: len(rows[0])], rows))


def _stream_inputs(size: Size) -> tuple[Tensor, Tensor, Tensor]:
    """Keys as `street` has them in a stream: what is near, and looks alike, fits far better."""
    form = LocatedKeys(1)
    query, keys, values = size.inputs(torch.float32)
    looks = query[0, form.extra_channels :]
    changed = looks + 1.5 * keys[0, :, form.extra_channels :]
    quality = torch.zeros(size.frames, 1, 1, 1)
    with torch.no_grad():
        query, keys = form(looks.expand_as(changed), changed, quality)
    return _channels_innermost(query[:1]), _channels_innermost(keys[None]), values


def _channels_innermost(tensor: Tensor) -> Tensor:
    return tensor.movedim(-3, -1).contiguous().movedim(-1, -3)


def _read(
    inputs: tuple[Tensor, Tensor, Tensor], size: Size, instructions: str, other: Path | None
) -> None:
    with library.another_build(other):
        fused_cpu.forward(*inputs, size.window_size, instructions)
