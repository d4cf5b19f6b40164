"""How programs end: with a line for what the user can mend, else with a traceback."""

from __future__ import annotations

import os
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager, nullcontext
from pathlib import Path

from lmanet_core.program.extras import MissingExtraError, needs_extra

INTERRUPTED = 130
"""Exit status after Ctrl-C, as of any program that SIGINT ends."""


@contextmanager
def program_needs(program: str, extra: str) -> Iterator[None]:
    """End a program well while it imports its packages, which takes long enough for Ctrl-C.

    The program ends with a line where a package is missing, and without a word at Ctrl-C.

    Args:
        program: its name.
        extra: as of `needs_extra`.
    """
    try:
        with needs_extra(extra, "this"):
            yield
    except MissingExtraError as error:
        sys.exit(f"{program}: {error}")
    except KeyboardInterrupt:
        sys.exit(INTERRUPTED)


def run_program(
    name: str,
    work: Callable[[], int | None],
    expected: tuple[type[Exception], ...] = (ValueError, OSError),
    extra: str | None = None,
) -> int:
    """Do what a program is for.

    Args:
        name: of the program, to begin the line with.
        work: returns the exit status; None is 0.
        expected: what it raises when the user has to change something.
        extra: extra of this package that brings the packages which may be missing.

    Returns:
        The exit status; 1 after what was expected.
    """
    told: tuple[type[Exception], ...] = (MissingExtraError, *expected)
    try:
        with needs_extra(extra, "this") if extra else nullcontext():
            return work() or 0
    except told as error:
        message = _describe(error)
    except KeyboardInterrupt:
        return INTERRUPTED
    print(f"{name}: {message}", file=sys.stderr)
    return 1


def require_writable(path: Path, *, folder: bool) -> None:
    """Find out before the work, not after it, whether its result can be written.

    Args:
        path: what will be written; it and the folders above need not be there yet.
        folder: whether it will be a folder with files.

    Raises:
        OSError: it cannot be written; it says why.
    """
    if path.exists() and path.is_dir() != folder:
        raise OSError(f"{path} is {'no folder' if folder else 'a folder'}: it cannot be written")
    place = path if path.exists() else path.absolute().parent
    while not place.exists():
        place = place.parent
    if place != path and not place.is_dir():
        raise OSError(f"{path} cannot be written: {place} is no folder")
    if not os.access(place, os.W_OK):
        raise OSError(f"{path} cannot be written: no permission to write to {place}")


def _describe(error: Exception) -> str:
    if isinstance(error, OSError) and error.strerror:
        # Without the number, which says nothing to people.
        return f"{error.filename}: {error.strerror}" if error.filename else error.strerror
    return str(error)
