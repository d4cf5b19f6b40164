"""The program `lmanet`; also `python -m lmanet_core.command`."""

from __future__ import annotations

import argparse
import sys
from collections.abc import Sequence

from lmanet_core.program.run_program import program_needs, run_program

with program_needs("lmanet", "export"):
    from lmanet_core.command import (
        adapt,
        attention,
        convert,
        doctor,
        evaluate,
        export,
        info,
        join,
        label,
        mix,
    )

VERBS = {
    "adapt": adapt,
    "attention": attention,
    "convert": convert,
    "doctor": doctor,
    "evaluate": evaluate,
    "export": export,
    "info": info,
    "join": join,
    "label": label,
    "mix": mix,
}


def main(arguments: Sequence[str] | None = None) -> int:
    """Run one verb.

    Args:
        arguments: of the command line; None: those of this process.

    Returns:
        The exit status: 1 when the verb could not do what was asked.
    """
    parser = argparse.ArgumentParser(
        prog="lmanet", description="Tools of LMANet: checkpoints, videos, this machine."
    )
    verbs = parser.add_subparsers(required=True, metavar="VERB")
    for name, verb in VERBS.items():
        verb.add_arguments(verbs.add_parser(name, help=verb.HELP, description=verb.HELP))
    parsed = parser.parse_args(arguments)
    return run_program("lmanet", lambda: parsed.run(parsed), extra="export")


if __name__ == "__main__":
    sys.exit(main())
