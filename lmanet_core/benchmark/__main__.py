"""Command line of the benchmarks: `python -m lmanet_core.benchmark --help`."""

from __future__ import annotations

import argparse

from lmanet_core.benchmark import model


def main() -> None:
    parser = argparse.ArgumentParser(prog="python -m lmanet_core.benchmark")
    benchmarks = parser.add_subparsers(required=True, metavar="BENCHMARK")
    model.add_arguments(benchmarks.add_parser("model", help=model.HELP))
    arguments = parser.parse_args()
    arguments.run(arguments)


if __name__ == "__main__":
    main()
