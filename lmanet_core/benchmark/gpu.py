"""What one wants to know of a CUDA device, in one call of ten minutes at most.

Correctness, ceilings, the operator and how it is best cut, labels, networks.

Needs PyTorch, Triton, numpy and OpenCV, and no data: networks have random weights.
"""

from __future__ import annotations

import argparse
import time
from collections.abc import Callable
from dataclasses import dataclass, replace
from functools import partial
from importlib.util import find_spec
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import Tensor

from lmanet_core.benchmark import gpu_tiles
from lmanet_core.benchmark.ops_baselines import local_attention_natten
from lmanet_core.benchmark.ops_cases import ERFNET, IMPLEMENTATIONS, PSPNET, Size
from lmanet_core.models import build_model
from lmanet_core.models.enlarging_decoder import SmallLogits
from lmanet_core.network.model_config import ModelConfig
from lmanet_core.ops import local_attention
from lmanet_core.ops.implementation_choice import choose_classification, choose_implementation
from lmanet_core.ops.implementations import plain_classify
from lmanet_core.ops.implementations.attention_tensors import AttentionTensors
from lmanet_core.ops.implementations.fused_cuda_tiles import Tiles
from lmanet_core.ops.reference import local_attention_reference
from lmanet_core.output.files import write_json, write_text
from lmanet_core.output.markdown import markdown_table
from lmanet_core.program.timing import time_in_turns
from lmanet_core.runtime.pytorch.classification import classify
from lmanet_core.runtime.pytorch.replay import capture
from lmanet_core.runtime.pytorch.torch_backend import TorchBackend
from lmanet_core.runtime.segmenter import VideoSegmenter

HELP = "a CUDA device: correctness, its ceilings, the operator and its tiles, the networks"

Rows = list[dict[str, object]]

_ODD = Size(frames=3, window_size=7, height=13, width=21, key_channels=5, value_channels=20)
_TINY = Size(frames=2, window_size=5, height=9, width=12, key_channels=4, value_channels=6)


_MEMORIES: dict[str, dict[str, Any]] = {
    "erfnet": {},
    "pspnet101": {"key_channels": 128, "value_channels": None, "fusion": "bottleneck"},
}
"""Settings of the paper's memories beside its sizes."""
_FIGURE_SECONDS = 2.0
"""Seconds that one figure may take, about, once everything is compiled."""
_SEARCH_SECONDS = 100.0
"""Seconds for the search for tiles, at each size."""


@dataclass(frozen=True)
class Plan:
    """What is measured, and where.

    Attributes:
        checked: sizes that are compared with the oracle in double precision.
        timed: sizes at which the operator is timed.
        copied: bytes of the large copy.
        side: side of the factors of the large matrix product.
        logits: (B, C, H, W), of which labels are made.
        networks: (backbone, (width, height)).
        repeats: of everything that is timed, at most.
    """

    device: str
    dtypes: tuple[torch.dtype, ...]
    checked: dict[str, Size]
    timed: dict[str, Size]
    copied: int
    side: int
    logits: tuple[int, int, int, int]
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
    logits=(1, 19, 512, 1024),
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
    logits=(1, 19, 32, 64),
    networks=(("erfnet", (64, 32)),),
    repeats=1,
)


class Deadline:
    """What there is time for; what is begun is finished.

    Args:
        seconds: from now on.
    """

    def __init__(self, seconds: float) -> None:
        self._end = time.monotonic() + seconds
        self.skipped: list[str] = []

    def leaves_time_for(self, what: str) -> bool:
        """Whether to begin something; what is not begun is noted."""
        if time.monotonic() < self._end:
            return True
        self.skipped.append(what)
        return False


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Declare the benchmark's options on its sub-command."""
    parser.add_argument("--dry-run", action="store_true", help="tiny sizes on the CPU")
    parser.add_argument(
        "--seconds", type=float, default=540, help="begin nothing after that (default: %(default)s)"
    )
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
    deadline = Deadline(arguments.seconds)
    peaks = ceilings(plan)
    sections: dict[str, Rows] = {
        "device": [_describe(plan)],
        "correctness": correctness(plan),
        "ceilings": [peaks],
        "operator": [row for name in plan.timed for row in operator(plan, deadline, name, peaks)],
        "labels": labels(plan, deadline),
        "networks": [
            row for network in plan.networks for row in networks(plan, deadline, *network)
        ],
        "tiles": [row for name in plan.timed for row in tiles(plan, deadline, name)],
    }
    sections["skipped for want of time"] = [{"what": what} for what in deadline.skipped]
    text = "\n".join(f"## {title}\n\n{_table(rows)}\n" for title, rows in sections.items() if rows)
    print(text)
    if arguments.output:
        write_text(arguments.output / "gpu.md", text)
        write_json(arguments.output / "gpu.json", sections)
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
    dtype = _half(plan)
    source = torch.empty(plan.copied, dtype=torch.uint8, device=plan.device)
    target = torch.empty_like(source)
    factor = torch.randn(plan.side, plan.side, device=plan.device).to(dtype)
    times = _time(plan, {"copy": lambda: target.copy_(source), "product": lambda: factor @ factor})
    return {
        "dtype": _word(dtype),
        "copy GB/s": round(2 * plan.copied / times["copy"] / 1e6, 1),
        "product TFLOP/s": round(2 * plan.side**3 / times["product"] / 1e9, 3),
    }


def operator(plan: Plan, deadline: Deadline, name: str, peaks: dict[str, Any]) -> Rows:
    """Each implementation at one size; one that fails is listed with the reason."""
    size, dtype = plan.timed[name], _half(plan)
    moved = torch.finfo(dtype).bits // 8 * size.height * size.width * (size.frames + 1)
    moved *= size.key_channels + size.value_channels
    # The backward pass has twice the products, and reads and writes everything once more.
    passes = {"forward": 1, "forward + backward": 3}
    implementations = dict(IMPLEMENTATIONS)
    if find_spec("natten"):
        implementations["natten (other borders)"] = local_attention_natten
    rows: Rows = []
    for implementation, attend in implementations.items():
        if not deadline.leaves_time_for(f"operator, {name}: {implementation}"):
            continue
        inputs = _inputs(plan, size, dtype)

        def forward(attend: Callable = attend, inputs: list[Tensor] = inputs) -> Tensor:
            with torch.no_grad():
                return attend(*inputs, size.window_size)

        def both(attend: Callable = attend, inputs: list[Tensor] = inputs) -> None:
            leaves = [tensor.detach().requires_grad_() for tensor in inputs]
            torch.autograd.grad(attend(*leaves, size.window_size).sum(), leaves)

        row: dict[str, object] = {"size": name, "implementation": implementation}
        try:
            for (computed, share), call in zip(passes.items(), (forward, both), strict=True):
                ms = _time(plan, {computed: call})[computed]
                row[f"{computed} ms"] = round(ms, 4)
                row[f"{computed}, of product"] = _share(
                    share * size.flops / ms / 1e9, peaks["product TFLOP/s"]
                )
                row[f"{computed}, of copy"] = _share(share * moved / ms / 1e6, peaks["copy GB/s"])
            row["forward on the device ms"] = round(_time_on_device(plan, forward), 5)
        # Out of memory, no compiler, no backward pass: the others go on.
        except Exception as error:
            row["problem"] = gpu_tiles.problem(error)
        rows.append(row)
    return rows


def labels(plan: Plan, deadline: Deadline) -> Rows:
    """Labels and confidences of logits: the kernel, or what takes its place, and PyTorch's."""
    if not deadline.leaves_time_for("labels"):
        return []
    logits = torch.randn(plan.logits, device=plan.device).to(_half(plan))
    name = choose_classification(logits.device, logits.dtype).name
    rows: Rows = []
    for layout in (torch.contiguous_format, torch.channels_last):
        strided = logits.contiguous(memory_format=layout)
        calls: dict[str, Callable[[], object]] = {
            name: partial(classify, SmallLogits(strided, plan.logits[2:], False), confidence=True),
            "PyTorch": partial(plain_classify.classify, strided, confidence=True),
        }
        for implementation, ms in _time(plan, calls).items():
            on_device = _time_on_device(plan, calls[implementation])
            rows.append(
                {
                    "layout": _word(layout),
                    "implementation": implementation,
                    "ms": round(ms, 4),
                    "on the device ms": round(on_device, 5),
                }
            )
    return rows


def networks(plan: Plan, deadline: Deadline, backbone: str, size: tuple[int, int]) -> Rows:
    """A step of a stream: S = 0..5 at the paper's window, and S = 3 at other windows (table IV)."""
    cases = [(frames, 21) for frames in range(6)] + [(3, window) for window in (None, 41, 11)]
    rows: Rows = []
    for frames, window in cases:
        row: dict[str, object] = {
            "network": f"{backbone} {size[0]}x{size[1]}",
            "S": frames,
            "window": window or "global",
        }
        if not deadline.leaves_time_for("{network}: S={S}, window {window}".format(**row)):
            continue
        config = ModelConfig(
            backbone=backbone, memory_size=frames, window_size=window, **_MEMORIES[backbone]
        )
        try:
            row |= _step(plan, config, size)
        # Out of memory, for example: the others go on.
        except Exception as error:
            row["problem"] = gpu_tiles.problem(error)
        rows.append(row)
    return rows


def _step(plan: Plan, config: ModelConfig, size: tuple[int, int]) -> dict[str, object]:
    """Time and memory of a step, its memory full: each operation started, and a graph replayed."""
    image = np.random.default_rng(0).integers(0, 256, (size[1], size[0], 3), dtype=np.uint8)
    model = build_model(config)
    figures: dict[str, object] = {}
    for name, replay in {"step": True, "step without replay": False}.items():
        segmenter = VideoSegmenter(TorchBackend(model, device=plan.device, replay=replay))
        if plan.device == "cuda":
            torch.cuda.reset_peak_memory_stats()
        # Fills the memory, then captures.
        for _ in range(config.memory_size + 2):
            segmenter.step(image)
        ms = _time(plan, {name: partial(segmenter.step, image)})[name]
        figures[f"{name} ms"] = round(ms, 3)
        if plan.device == "cuda":
            peak = torch.cuda.max_memory_allocated() / 2**20
            figures[f"{name}, peak MiB"] = round(peak, 1)
    return figures


def tiles(plan: Plan, deadline: Deadline, name: str) -> Rows:
    """The search for how the forward kernel is best cut, and the line to keep what it has found.

    Without a device nothing is started: then the times mean nothing.
    """
    if find_spec("triton") is None:
        return [{"size": name, "problem": "Triton is not installed"}]
    from lmanet_core.ops.implementations import fused_cuda

    size, dtype = plan.timed[name], _half(plan)
    query, keys, values = _inputs(plan, size, dtype)
    capability = fused_cuda.capability_of(query.device)
    expected, read = torch.empty_like(values[:, 0]), torch.empty_like(values[:, 0])
    log_sum_exp = torch.empty(query[:, 0].shape, device=query.device)

    def prepare(read: Tensor, tiles: Tiles | None = None) -> fused_cuda.AttentionLaunch:
        tensors = AttentionTensors(query, keys, values, read, log_sum_exp)
        return fused_cuda.forward_launch(tensors, size.window_size, capability, tiles)

    def start(launch: fused_cuda.AttentionLaunch) -> None:
        if plan.device == "cuda":
            launch.run()

    def milliseconds(tiles: Tiles) -> float:
        launch = prepare(read, tiles)
        start(launch)
        if plan.device == "cuda" and not torch.allclose(read, expected, atol=1e-2):
            raise ValueError("computes something else")
        return _time_on_device(plan, partial(start, launch))

    own = prepare(expected)
    start(own)
    begin = Tiles(own.cut.tile_rows, own.cut.tile_columns, own.cut.step, own.warps, own.stages)
    search = Deadline(_SEARCH_SECONDS if plan.device == "cuda" else 1.0)
    rows: Rows = []
    tried: dict[Tiles, float | str] = {}
    for cut, taken in gpu_tiles.search(
        begin,
        milliseconds,
        lambda: search.leaves_time_for("") and deadline.leaves_time_for(f"tiles, {name}"),
    ):
        tried[cut] = taken
        shown = taken if isinstance(taken, str) else round(taken, 5)
        rows.append({"size": name, **cut._asdict(), "ms": shown})
    if best := gpu_tiles.fastest(tried):
        key = (capability, size.key_channels, size.value_channels)
        rows.append({"size": name, **best._asdict(), "keep": f"{key}: {best},"})
    return rows


def _half(plan: Plan) -> torch.dtype:
    """float16, where it is measured."""
    return plan.dtypes[min(1, len(plan.dtypes) - 1)]


def _share(rate: float, peak: float) -> float:
    return round(rate / peak, 4)


def _time(plan: Plan, alternatives: dict[str, Callable[[], object]]) -> dict[str, float]:
    """Median milliseconds, from a call to the moment when the device is done.

    What takes long is repeated less often.
    """

    def waiting(call: Callable[[], object]) -> Callable[[], None]:
        def run() -> None:
            call()
            if plan.device == "cuda":
                torch.cuda.synchronize()

        return run

    calls = {name: waiting(call) for name, call in alternatives.items()}
    first = time_in_turns(calls, 1, warm_up=1)
    affordable = int(1e3 * _FIGURE_SECONDS / sum(first.values()))
    repeats = min(plan.repeats, affordable)
    return time_in_turns(calls, repeats, warm_up=min(3, repeats)) if repeats > 1 else first


def _time_on_device(plan: Plan, call: Callable[[], object]) -> float:
    """Milliseconds that the device alone takes.

    Of short calls there are several in one CUDA graph, so that what starts them takes no part.
    """
    once = _time(plan, {"once": call})["once"]
    if plan.device != "cuda":
        return once
    calls = max(1, min(20, int(10 / once)))

    def many() -> None:
        for _ in range(calls):
            call()

    return _time(plan, {"many": capture(many)})["many"] / calls


def _word(named: torch.dtype | torch.memory_format) -> str:
    return str(named).removeprefix("torch.")


def _table(rows: Rows) -> str:
    columns = list(dict.fromkeys(column for row in rows for column in row))
    return markdown_table(columns, ([row.get(column, "") for column in columns] for row in rows))
