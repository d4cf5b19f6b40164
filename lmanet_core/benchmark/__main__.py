"""Command line of the benchmarks: `python -m lmanet_core.benchmark --help`."""

from __future__ import annotations

import argparse
import sys

from lmanet_core.program.run_program import run_program


def main() -> int:
    return run_program("benchmark", _run, extra="torch")


def _run() -> None:
    # Imported here so that a package that is missing can be told.
    from lmanet_core.benchmark import (
        backends,
        cloud,
        compile_report,
        gpu,
        kernels,
        model,
        ops,
        training,
    )

    parser = argparse.ArgumentParser(prog="python -m lmanet_core.benchmark")
    benchmarks = parser.add_subparsers(required=True, metavar="BENCHMARK")
    model.add_arguments(benchmarks.add_parser("model", help=model.HELP))
    backends.add_arguments(benchmarks.add_parser("backends", help=backends.HELP))
    cloud.add_arguments(benchmarks.add_parser("cloud", help=cloud.HELP))
    ops.add_arguments(benchmarks.add_parser("ops", help=ops.HELP))
    kernels.add_arguments(benchmarks.add_parser("kernels", help=kernels.HELP))
    compile_report.add_arguments(benchmarks.add_parser("cuda-compile", help=compile_report.HELP))
    gpu.add_arguments(benchmarks.add_parser("gpu", help=gpu.HELP))
    training.add_arguments(benchmarks.add_parser("training", help=training.HELP))
    arguments = parser.parse_args()
    arguments.run(arguments)


if __name__ == "__main__":
    sys.exit(main())
