"""The program `lmanet`; also `python -m lmanet_core.command`."""

from __future__ import annotations

import argparse
import sys
from collections.abc import Sequence

from lmanet_core.command import convert, doctor, export, info

VERBS = {"convert": convert, "doctor": doctor, "export": export, "info": info}


def main(arguments: Sequence[str] | None = None) -> int:
    """Run one verb.

    Args:
        arguments: of the command line; None: those of this process.

    Returns:
        The exit status: 1 when the verb could not do what was asked.
    """
    parser = argparse.ArgumentParser(prog="lmanet", description="Checkpoints of LMANet.")
    verbs = parser.add_subparsers(required=True, metavar="VERB")
    for name, verb in VERBS.items():
        verb.add_arguments(verbs.add_parser(name, help=verb.HELP, description=verb.HELP))
    parsed = parser.parse_args(arguments)
    try:
        parsed.run(parsed)
    except (ValueError, OSError) as error:
        print(f"lmanet: {error}", file=sys.stderr)
        return 1
    return 0


if __name__ == "__main__":
    sys.exit(main())
