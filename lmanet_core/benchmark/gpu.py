"""What one wants to know of a CUDA device, in one call: correctness, ceilings, operator, networks.

Needs PyTorch, Triton, numpy and OpenCV, and no data: networks have random weights.
"""

from __future__ import annotations

import argparse
import json
from collections.abc import Callable
from dataclasses import dataclass, replace
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import Tensor

from lmanet_core.benchmark.ops_cases import ERFNET, IMPLEMENTATIONS, PSPNET, Size
from lmanet_core.config import ModelConfig
from lmanet_core.models import build_model
from lmanet_core.ops import local_attention
from lmanet_core.ops.choice import choose_implementation
from lmanet_core.ops.reference import local_attention_reference
from lmanet_core.runtime.segmenter import VideoSegmenter
from lmanet_core.tables import markdown_table
from lmanet_core.timing import time_in_turns

HELP = "a CUDA device: correctness, its ceilings, the operator, the networks"

Rows = list[dict[str, object]]

_ODD = Size(frames=3, window_size=7, height=13, width=21, key_channels=5, value_channels=9)
_TINY = Size(frames=2, window_size=5, height=9, width=12, key_channels=4, value_channels=6)


_MEMORIES: dict[str, dict[str, Any]] = {
    "erfnet": {},
    "pspnet101": {"key_channels": 128, "value_channels": None, "fusion": "bottleneck"},
}
"""Settings of the paper's memories beside its sizes."""


@dataclass(frozen=True)
class Plan:
    """What is measured, and where.

    Attributes:
        checked: sizes that are compared with the oracle in double precision.
        timed: sizes at which the operator is timed.
        copied: bytes of the large copy.
        side: of the factors of the large matrix product.
        networks: (backbone, (width, height)).
        repeats: of everything that is timed.
    """

    device: str
    dtypes: tuple[torch.dtype, ...]
    checked: dict[str, Size]
    timed: dict[str, Size]
    copied: int
    side: int
    networks: tuple[tuple[str, tuple[int, int]], ...]
    repeats: int


FULL = Plan(
    device="cuda",
    dtypes=(torch.float32, torch.float16, torch.bfloat16),
    # The oracle keeps all scores: a frame of PSPNet's channels, not of its size.
    checked={
        "erfnet": replace(ERFNET, height=32, width=64),
        "pspnet": replace(PSPNET, height=16, width=24),
        "odd": _ODD,
        "memory filled in part": replace(_ODD, frames=1),
    },
    timed={"erfnet": ERFNET, "pspnet": PSPNET},
    copied=1 << 30,
    side=8192,
    networks=(("erfnet", (1024, 512)), ("pspnet101", (2049, 1025))),
    repeats=20,
)
DRY = Plan(
    device="cpu",
    dtypes=(torch.float32,),
    checked={"odd": _ODD},
    timed={"tiny": _TINY},
    copied=1 << 16,
    side=64,
    networks=(("erfnet", (64, 32)),),
    repeats=1,
)


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Declare the benchmark's options on its sub-command."""
    parser.add_argument("--dry-run", action="store_true", help="tiny sizes on the CPU")
    parser.add_argument("--output", type=Path, help="folder for gpu.json and gpu.md")
    parser.set_defaults(run=run)


def run(arguments: argparse.Namespace) -> None:
    """Measure, print tables as Markdown and write them.

    Raises:
        SystemExit: there is no CUDA device, or a result is wrong.
    """
    plan = DRY if arguments.dry_run else FULL
    if plan.device == "cuda" and not torch.cuda.is_available():
        raise SystemExit("there is no CUDA device that PyTorch sees; --dry-run does without")
    peaks = ceilings(plan)
    sections: dict[str, Rows] = {
        "device": [_describe(plan)],
        "correctness": correctness(plan),
        "ceilings": [peaks],
        "operator": [row for name in plan.timed for row in operator(plan, name, peaks)],
        "networks": [row for network in plan.networks for row in networks(plan, *network)],
    }
    text = "\n".join(f"## {title}\n\n{_table(rows)}\n" for title, rows in sections.items())
    print(text)
    if arguments.output:
        arguments.output.mkdir(parents=True, exist_ok=True)
        (arguments.output / "gpu.md").write_text(text)
        (arguments.output / "gpu.json").write_text(json.dumps(sections, indent=2) + "\n")
    if wrong := [row for row in sections["correctness"] if not row["good"]]:
        raise SystemExit(f"{len(wrong)} results are wrong: {wrong}")


def _describe(plan: Plan) -> dict[str, object]:
    name = torch.cuda.get_device_name() if plan.device == "cuda" else "CPU, a dry run"
    return {"device": name, "PyTorch": torch.__version__, "CUDA": torch.version.cuda}


def correctness(plan: Plan) -> Rows:
    """The fused kernel, or what takes its place, against the oracle on fresh random numbers."""
    rows: Rows = []
    for name, size in plan.checked.items():
        for dtype in plan.dtypes:
            inputs = [tensor.requires_grad_() for tensor in _inputs(plan, size, dtype)]
            exact = [tensor.detach().double().requires_grad_() for tensor in inputs]
            query, keys, values = inputs
            read = local_attention(query, keys, values, size.window_size)
            query, keys, values = exact
            expected = local_attention_reference(query, keys, values, size.window_size)
            weights = torch.randn_like(read)
            found = torch.autograd.grad(read, inputs, weights)
            wanted = torch.autograd.grad(expected, exact, weights.double())
            forward = _error(read, expected)
            backward = max(_error(*pair) for pair in zip(found, wanted, strict=True))
            bound = 1e-4 if dtype == torch.float32 else 3e-2
            rows.append(
                {
                    "size": name,
                    "dtype": _word(dtype),
                    "implementation": choose_implementation(read.device, dtype).name,
                    "forward error": forward,
                    "backward error": backward,
                    "good": max(forward, backward) < bound,
                }
            )
    return rows


def _inputs(plan: Plan, size: Size, dtype: torch.dtype) -> list[Tensor]:
    query, keys, values = (tensor.to(plan.device) for tensor in size.inputs(torch.float32))
    return [(query / size.key_channels**0.5).to(dtype), keys.to(dtype), values.to(dtype)]


def _error(found: Tensor, wanted: Tensor) -> float:
    found, wanted = found.detach().double(), wanted.detach()
    return float((found - wanted).abs().max()) / max(1.0, float(wanted.abs().max()))


def ceilings(plan: Plan) -> dict[str, Any]:
    """What the device can do: bytes a second of a large copy, operations of a large product."""
    dtype = plan.dtypes[min(1, len(plan.dtypes) - 1)]
    source = torch.empty(plan.copied, dtype=torch.uint8, device=plan.device)
    target = torch.empty_like(source)
    factor = torch.randn(plan.side, plan.side, device=plan.device).to(dtype)
    times = _time(plan, {"copy": lambda: target.copy_(source), "product": lambda: factor @ factor})
    return {
        "dtype": _word(dtype),
        "copy GB/s": round(2 * plan.copied / times["copy"] / 1e6, 1),
        "product TFLOP/s": round(2 * plan.side**3 / times["product"] / 1e9, 3),
    }


def operator(plan: Plan, name: str, peaks: dict[str, Any]) -> Rows:
    """Each implementation at one size; one that fails is listed with the reason."""
    size, dtype = plan.timed[name], plan.dtypes[min(1, len(plan.dtypes) - 1)]
    moved = torch.finfo(dtype).bits // 8 * size.height * size.width * (size.frames + 1)
    moved *= size.key_channels + size.value_channels
    rows: Rows = []
    for implementation, attend in IMPLEMENTATIONS.items():
        inputs = _inputs(plan, size, dtype)

        def forward(attend: Callable = attend, inputs: list[Tensor] = inputs) -> Tensor:
            return attend(*inputs, size.window_size)

        def both(forward: Callable = forward, inputs: list[Tensor] = inputs) -> None:
            torch.autograd.grad(forward().sum(), inputs)

        row: dict[str, object] = {"size": name, "implementation": implementation}
        try:
            with torch.no_grad():
                ms = _time(plan, {"forward": forward})["forward"]
            row["forward ms"] = round(ms, 4)
            row["of product"] = round(size.flops / ms / 1e9 / peaks["product TFLOP/s"], 4)
            row["of copy"] = round(moved / ms / 1e6 / peaks["copy GB/s"], 4)
            for tensor in inputs:
                tensor.requires_grad_()
            row["forward + backward ms"] = round(_time(plan, {"both": both})["both"], 4)
        # Out of memory, no compiler, no backward pass: the others go on.
        except Exception as error:
            row["problem"] = f"{type(error).__name__}: {str(error).strip().partition(chr(10))[0]}"
        rows.append(row)
    return rows


def networks(plan: Plan, backbone: str, size: tuple[int, int]) -> Rows:
    """A step of a stream: S = 0..5 at the paper's window, and S = 3 at other windows (table IV)."""
    cases = [(frames, 21) for frames in range(6)] + [(3, window) for window in (None, 41, 11)]
    image = np.random.default_rng(0).integers(0, 256, (size[1], size[0], 3), dtype=np.uint8)
    rows: Rows = []
    for frames, window in cases:
        config = ModelConfig(
            backbone=backbone, memory_size=frames, window_size=window, **_MEMORIES[backbone]
        )
        segmenter = VideoSegmenter(build_model(config), device=plan.device)
        if plan.device == "cuda":
            torch.cuda.reset_peak_memory_stats()
        # Fills the memory, then captures.
        for _ in range(frames + 2):
            segmenter.step(image)
        row: dict[str, object] = {
            "network": f"{backbone} {size[0]}x{size[1]}",
            "S": frames,
            "window": window or "global",
            "step ms": round(_time(plan, {"step": partial(segmenter.step, image)})["step"], 3),
        }
        if plan.device == "cuda":
            row["peak MiB"] = round(torch.cuda.max_memory_allocated() / 2**20, 1)
        rows.append(row)
    return rows


def _time(plan: Plan, alternatives: dict[str, Callable[[], object]]) -> dict[str, float]:
    """Median milliseconds, from a call to the moment when the device is done."""

    def waiting(call: Callable[[], object]) -> Callable[[], None]:
        def run() -> None:
            call()
            if plan.device == "cuda":
                torch.cuda.synchronize()

        return run

    calls = {name: waiting(call) for name, call in alternatives.items()}
    return time_in_turns(calls, plan.repeats, warm_up=min(3, plan.repeats))


def _word(dtype: torch.dtype) -> str:
    return str(dtype).removeprefix("torch.")


def _table(rows: Rows) -> str:
    columns = list(dict.fromkeys(column for row in rows for column in row))
    return markdown_table(columns, ([row.get(column, "") for column in columns] for row in rows))
