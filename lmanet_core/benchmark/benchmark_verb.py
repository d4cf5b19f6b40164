"""`lmanet benchmark`: how fast parts of this library are on this machine.

lmanet benchmark ops
"""

from __future__ import annotations

import argparse
from functools import partial
from typing import NoReturn

from lmanet_core.program.registry import Registry
from lmanet_core.program.verb import Verb

HELP = "time the operator, networks, backends, the node and training; look at compiled kernels"
EXTRA = "torch"
_HERE = ("backends", "cloud", "gpu", "kernels", "model", "ops", "training")
BENCHMARKS: Registry[Verb] = Registry(
    "benchmark",
    "lmanet.benchmarks",
    {
        **{name: f"lmanet_core.benchmark.{name}" for name in _HERE},
        "cuda-compile": "lmanet_core.benchmark.compile_report",
    },
)
"""Modules by name; installed packages announce theirs in the entry points of that group."""


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Declare the benchmarks and their options."""
    listed = parser.add_subparsers(required=True, metavar="BENCHMARK")
    for name in sorted(BENCHMARKS.names()):
        try:
            benchmark = BENCHMARKS.find(name)
        except ImportError as error:
            # Others may be usable all the same. Whatever its options are, none of them is known.
            unknown = listed.add_parser(
                name, help=f"not usable here: {error}", prefix_chars="\0", add_help=False
            )
            unknown.add_argument("options", nargs="*")
            unknown.set_defaults(run=partial(_refuse, error))
        else:
            benchmark.add_arguments(listed.add_parser(name, help=benchmark.HELP))


def run(arguments: argparse.Namespace) -> None:
    """Run the benchmark that was chosen."""
    arguments.run(arguments)


def _refuse(error: ImportError, arguments: argparse.Namespace) -> NoReturn:
    raise error
