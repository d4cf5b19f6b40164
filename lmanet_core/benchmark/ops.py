"""What local attention costs: all implementations side by side, and how the cost grows."""

from __future__ import annotations

import argparse
from collections.abc import Callable, Sequence
from dataclasses import asdict, replace
from pathlib import Path
from typing import Any

import torch

from lmanet_core.benchmark.ops_cases import (
    ERFNET,
    IMPLEMENTATIONS,
    PSPNET,
    Case,
    Size,
    missing_implementations,
)
from lmanet_core.benchmark.ops_memory import peak_bytes
from lmanet_core.output.files import write_json
from lmanet_core.output.markdown import markdown_table
from lmanet_core.program.arguments import image_size
from lmanet_core.program.progress import progress_bar
from lmanet_core.program.timing import time_in_turns

HELP = "local attention: all implementations side by side, time and memory"

SWEEPS: dict[str, list[dict[str, int]]] = {
    "window_size": [{"window_size": window_size} for window_size in (1, 5, 11, 21, 31, 41)],
    "frames": [{"frames": frames} for frames in (1, 2, 4, 8)],
    "locations": [{"height": height, "width": 2 * height} for height in (32, 64, 128)],
}
"""What is varied, one thing at a time, around the operating point."""

_SWEPT = ("tiled", "fused")
_SLOW = ("unfold fp32", "flex fp32", "tiled bf16")
"""Seconds a call; PyTorch's bf16 products are, where the CPU has no instructions for them."""
_WITHOUT_BACKWARD = _SLOW
"""Unfold would keep several GB, flex attention has none on the CPU."""

_COLUMNS = {
    "forward_ms": "forward ms",
    "forward_backward_ms": "forward + backward ms",
    "extra_mib": "extra memory MiB",
    "of_peak": "of fp32 peak",
    "shifts_over_this": "faster than shifts",
    "tiled_over_this": "faster than tiled fp32",
    "backward_shifts_over_this": "faster than shifts, both",
}


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Declare the benchmark's options on its sub-command."""
    parser.add_argument("--implementations", nargs="+", default=list(IMPLEMENTATIONS),
                        choices=list(IMPLEMENTATIONS), metavar="NAME",
                        help="some of unfold, flex, shifts, tiled, fused")  # fmt: skip
    parser.add_argument(
        "--size",
        type=image_size,
        default=(ERFNET.width, ERFNET.height),
        help="WIDTHxHEIGHT of the feature map",
    )
    parser.add_argument("--window-size", type=int, default=ERFNET.window_size)
    parser.add_argument(
        "--repeats", type=int, default=10, help="number of runs of each; default: 10"
    )
    parser.add_argument("--no-sweeps", action="store_true", help="time the operating point only")
    parser.add_argument("--pspnet", action="store_true", help="time PSPNet's size, too; slow")
    parser.add_argument("--json", type=Path, help="file for the figures")
    parser.add_argument("--plot", type=Path, help="file for a picture of them")
    parser.set_defaults(run=run)


def run(arguments: argparse.Namespace) -> None:
    """Measure, print the tables as Markdown, and write the figures and their plot."""
    width, height = arguments.size
    size = replace(ERFNET, width=width, height=height, window_size=arguments.window_size)
    missing = missing_implementations()
    names = [name for name in arguments.implementations if name not in missing]
    figures: dict[str, Any] = {
        "size": asdict(size),
        "threads": torch.get_num_threads(),
        "instructions": torch.backends.cpu.get_cpu_capability(),
        "missing": missing,
        "peak_gflops": _peak_gflops(),
        "implementations": compare(names, size, arguments.repeats),
    }
    _add_ratios(figures, size)
    if not arguments.no_sweeps:
        swept = [name for name in _SWEPT if name in names]
        figures["sweeps"] = sweep(swept, size, arguments.repeats)
    if arguments.pspnet:
        figures["pspnet"] = _measure_pspnet()
    _print(figures)
    if arguments.json:
        write_json(arguments.json, figures)
    if arguments.plot:
        from lmanet_core.benchmark.ops_plot import plot

        plot(figures, arguments.plot)


def compare(names: Sequence[str], size: Size, repeats: int) -> dict[str, dict[str, float]]:
    """Milliseconds, and MiB at the peak, of each implementation at one size."""
    cases = [Case(name, "float32", size) for name in names]
    cases += [Case(name, "bfloat16", size) for name in names if name in _SWEPT]
    trained = [case for case in cases if case.name not in _WITHOUT_BACKWARD]
    # The slow ones would leave nothing in the caches for those after them.
    quick = [case for case in cases if case.name not in _SLOW]
    slow = [case for case in cases if case.name in _SLOW]

    forward = _time("forward", quick, Case.forward, repeats)
    for case in slow:
        forward |= _time(case.name, [case], Case.forward, min(repeats, 2))
    backward = _time("backward", trained, Case.forward_and_backward, min(repeats, 2))
    figures = {}
    for case in progress_bar(cases, desc="memory"):
        figures[case.name] = {
            "forward_ms": forward[case.name],
            "extra_mib": peak_bytes(case) / 2**20,
        }
        if case in trained:
            figures[case.name]["forward_backward_ms"] = backward[case.name]
    return figures


def sweep(
    names: Sequence[str], size: Size, repeats: int
) -> dict[str, list[dict[str, int | float]]]:
    """Sizes of each of `SWEEPS`, with milliseconds of each implementation's forward pass."""
    figures: dict[str, list[dict[str, int | float]]] = {}
    for varied, changes in SWEEPS.items():
        figures[varied] = []
        for change in changes:
            cases = [Case(name, "float32", replace(size, **change)) for name in names]
            description = ", ".join(f"{name} {value}" for name, value in change.items())
            times = _time(description, cases, Case.forward, repeats)
            figures[varied].append({**change, **times})
    return figures


def _time(
    description: str,
    cases: Sequence[Case],
    prepare: Callable[[Case], Callable[[], object]],
    repeats: int,
) -> dict[str, float]:
    """Median milliseconds by name, of cases that take turns."""
    with progress_bar(total=(repeats + 1) * len(cases), desc=description) as progress:

        def counted(call: Callable[[], object]) -> Callable[[], None]:
            def run() -> None:
                call()
                progress.update()

            return run

        return time_in_turns(
            {case.name: counted(prepare(case)) for case in cases}, repeats, warm_up=1
        )


def _peak_gflops(side: int = 2048) -> float:
    """Rate of a large fp32 matrix product, the most that this machine's FMA units do, in 1e9/s."""
    factor = torch.ones(side, side)
    times = time_in_turns({"product": lambda: factor @ factor}, repeats=10, warm_up=3)
    return 2 * side**3 / times["product"] / 1e6


def _add_ratios(figures: dict[str, Any], size: Size) -> None:
    """What the milliseconds mean: fraction of the peak, and how much faster than the baselines."""
    measured = figures["implementations"]
    shifts, tiled = measured.get("shifts fp32"), measured.get("tiled fp32")
    for figure in measured.values():
        milliseconds = figure["forward_ms"]
        figure["of_peak"] = size.flops / milliseconds / 1e6 / figures["peak_gflops"]
        if shifts:
            figure["shifts_over_this"] = shifts["forward_ms"] / milliseconds
        if tiled:
            figure["tiled_over_this"] = tiled["forward_ms"] / milliseconds
        if shifts and "forward_backward_ms" in figure:
            figure["backward_shifts_over_this"] = (
                shifts["forward_backward_ms"] / figure["forward_backward_ms"]
            )


def _measure_pspnet() -> dict[str, float]:
    case = Case("fused", "float32", PSPNET)
    milliseconds = _time("PSPNet", [case], Case.forward, repeats=1)[case.name]
    return {"forward_ms": milliseconds, "extra_mib": peak_bytes(case) / 2**20}


def _print(figures: dict[str, Any]) -> None:
    print(f"{figures['threads']} threads, {figures['instructions']}, "
          f"fp32 peak {figures['peak_gflops']:.0f} GFLOP/s")  # fmt: skip
    rows = [
        [name, *(f"{figure[key]:.3g}" if key in figure else "" for key in _COLUMNS)]
        for name, figure in figures["implementations"].items()
    ]
    print(f"\n{markdown_table(['', *_COLUMNS.values()], rows)}\n")
    for name, reason in figures["missing"].items():
        print(f"{name}: {reason}")
    for points in figures.get("sweeps", {}).values():
        values = [
            [f"{value:.1f}" if isinstance(value, float) else value for value in point.values()]
            for point in points
        ]
        print(f"\n{markdown_table(list(points[0]), values)}\n")
    if "pspnet" in figures:
        print("PSPNet: {forward_ms:.0f} ms, {extra_mib:.0f} MiB".format(**figures["pspnet"]))
