"""`lmanet benchmark node`, also `python -m lmanet_ros.node_benchmark`: what the node costs.

lmanet benchmark node --size 1024x512
"""

from __future__ import annotations

import argparse
import sys
from pathlib import Path

from lmanet_core.output.files import write_json
from lmanet_core.program.arguments import image_size
from lmanet_core.program.extras import needs_extra
from lmanet_core.program.run_program import require_writable
from lmanet_core.program.verb import run_verb

HELP = "what the node costs besides the network"
EXTRA = "ros"
DESCRIPTION = """\
Start the real node as a process, send it frames one after the other over the middleware, and end it
as Ctrl-C does. With --against the node of another checkout gets every frame, too, in turns with
this one, so that both are measured in the same conditions."""


def main() -> int:
    """Be a program of its own; the exit status."""
    from lmanet_ros import node_benchmark as verb

    return run_verb(verb, "node_benchmark")


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Declare the options."""
    parser.description = DESCRIPTION
    parser.add_argument("--size", type=image_size, default=(1024, 512), help="WIDTHxHEIGHT")
    parser.add_argument("--frames", type=int, default=100, help="to measure, after some to warm up")
    parser.add_argument("--checkpoint", help="file or name of shipped weights; default: shipped")
    parser.add_argument("--against", type=Path, help="folder with another version of this project")
    parser.add_argument("--json", type=Path, help="file for the figures")
    parser.set_defaults(run=run)


def run(arguments: argparse.Namespace) -> None:
    """Measure and print, or write, the figures.

    Raises:
        ValueError, OSError: the node or the file cannot be used.
    """
    with needs_extra("ros", "this"):
        from lmanet_ros.evaluation.round_trips import measure

    if arguments.frames < 1:
        raise ValueError(f"--frames must be at least 1, got {arguments.frames}")
    if arguments.json:
        require_writable(arguments.json, folder=False)
    figures = measure(arguments)
    for name, value in figures.items():
        print(f"{name:20} {value}")
    if arguments.json:
        write_json(arguments.json, figures)


if __name__ == "__main__":
    sys.exit(main())
