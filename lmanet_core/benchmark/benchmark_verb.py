"""`lmanet benchmark`: how fast parts of this library are on this machine.

lmanet benchmark ops
"""

from __future__ import annotations

import argparse
from importlib import import_module

HELP = "time the operator, networks, backends and training; look at compiled kernels"
EXTRA = "torch"
BENCHMARKS = {
    "backends": "backends",
    "cloud": "cloud",
    "cuda-compile": "compile_report",
    "gpu": "gpu",
    "kernels": "kernels",
    "model": "model",
    "ops": "ops",
    "training": "training",
}
"""Name -> module of this folder."""


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Declare the benchmarks and their options."""
    listed = parser.add_subparsers(required=True, metavar="BENCHMARK")
    for name, module in BENCHMARKS.items():
        benchmark = import_module(f"lmanet_core.benchmark.{module}")
        benchmark.add_arguments(listed.add_parser(name, help=benchmark.HELP))


def run(arguments: argparse.Namespace) -> None:
    """Run the benchmark that was chosen."""
    arguments.run(arguments)
