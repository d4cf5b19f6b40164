"""Progress bars that can be read where no terminal is, as under `ros2 launch`."""

from __future__ import annotations

import sys
from contextlib import suppress
from typing import TYPE_CHECKING, Any, TextIO

if TYPE_CHECKING:
    from tqdm import tqdm

LINE_PERIOD = 5.0
"""Seconds between two lines."""


def progress_bar(*arguments: Any, **options: Any) -> tqdm:
    """A bar in a terminal; elsewhere a line from time to time, for `ros2 launch` waits for its end.

    Args:
        *arguments, **options: of `tqdm`.
    """
    from tqdm import tqdm

    if not sys.stderr.isatty():
        options |= {"file": _Lines(sys.stderr), "mininterval": LINE_PERIOD}
    return tqdm(*arguments, **options)


class _Lines:
    """Takes what `tqdm` writes over itself in a terminal, and writes it line by line."""

    def __init__(self, stream: TextIO) -> None:
        self._stream = stream

    def write(self, text: str) -> None:
        # Who has started the program may be gone.
        with suppress(BrokenPipeError):
            if line := text.strip():
                self._stream.write(f"{line}\n")

    def flush(self) -> None:
        """Do nothing: a stream of errors keeps no line."""
