"""A program as a module that says what it is called with and what it does."""

from __future__ import annotations

import argparse
from collections.abc import Sequence
from typing import Protocol

from lmanet_core.program.run_program import run_program


class Verb(Protocol):
    """What `lmanet VERB` needs of a module. Importing it is quick: PyTorch, ROS and other packages
    that may be missing are imported where `run` needs them.

    Its docstring has an example, a line as the user types it, which `--help` shows.
    It may also have DESCRIPTION, a longer text for its own `--help`, and USER_ERRORS, the
    exceptions that tell what a user can mend where ValueError and OSError would hide others.
    """

    HELP: str
    """A line for `lmanet --help`."""
    EXTRA: str
    """The extra, see `setup.py`, that brings the packages which may be missing; empty: none is."""

    def add_arguments(self, parser: argparse.ArgumentParser) -> None:
        """Declare the options."""

    def run(self, arguments: argparse.Namespace) -> int | None:
        """Do it; the exit status, None is 0.

        Raises:
            ValueError, OSError: what the user can mend; it becomes a line.
        """


def example(verb: Verb) -> str:
    """The example in a verb's docstring, 'lmanet info street' for one; empty: it has none."""
    lines = (line.strip() for line in (verb.__doc__ or "").splitlines())
    return next((line for line in lines if line.startswith("lmanet ")), "")


def run_verb(verb: Verb, program: str, arguments: Sequence[str] | None = None) -> int:
    """Read the command line and do what the verb is for.

    Args:
        program: how the user calls it, for its help and its errors.
        arguments: None: those of this process.

    Returns:
        The exit status: 1 when the verb could not do what was asked.
    """

    def work() -> int | None:
        parser = argparse.ArgumentParser(
            prog=program,
            description=getattr(verb, "DESCRIPTION", verb.HELP),
            epilog=f"example: {shown}" if (shown := example(verb)) else None,
            formatter_class=argparse.RawDescriptionHelpFormatter,
        )
        verb.add_arguments(parser)
        return verb.run(parser.parse_args(arguments))

    errors = getattr(verb, "USER_ERRORS", (ValueError, OSError))
    return run_program(program, work, errors, verb.EXTRA or None)
