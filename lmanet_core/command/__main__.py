"""The program `lmanet`; also `python -m lmanet_core.command`."""

from __future__ import annotations

import argparse
import sys
from collections.abc import Sequence

from lmanet_core.command.verbs import VERBS
from lmanet_core.program.run_program import program_needs
from lmanet_core.program.verb import run_verb


def main(arguments: Sequence[str] | None = None) -> int:
    """Run one verb.

    Args:
        arguments: arguments of the command line; None: those of this process.

    Returns:
        The exit status: 1 when the verb could not do what was asked.
    """
    name, *rest = (sys.argv[1:] if arguments is None else arguments) or [""]
    if name not in VERBS.names():
        return _list_verbs([name, *rest] if name else [])
    with program_needs(f"lmanet {name}", "export"):
        verb = VERBS.find(name)
    return run_verb(verb, f"lmanet {name}", rest)


def _list_verbs(arguments: Sequence[str]) -> int:
    """The help, or what is wrong with the arguments."""
    parser = argparse.ArgumentParser(
        prog="lmanet", description="Video semantic segmentation with local memory attention."
    )
    listed = parser.add_subparsers(required=True, metavar="VERB")
    with program_needs("lmanet", "export"):
        for name in sorted(VERBS.names()):
            listed.add_parser(name, help=_help(name))
    parser.parse_args(arguments)
    return 0


def _help(name: str) -> str:
    try:
        return VERBS.find(name).HELP
    except ImportError as error:
        return f"not usable here: {error}"


if __name__ == "__main__":
    sys.exit(main())
