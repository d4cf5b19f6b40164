"""Types of command line arguments that several programs share."""

from __future__ import annotations

import argparse
import sys
from collections.abc import Sequence
from typing import Any


def image_size(text: str) -> tuple[int, int]:
    """WIDTHxHEIGHT -> (width, height), as an argparse type."""
    try:
        width, height = (int(side) for side in text.lower().split("x"))
    except ValueError:
        raise argparse.ArgumentTypeError(f"expected WIDTHxHEIGHT, got {text!r}") from None
    return width, height


def window_size(text: str) -> int | str:
    """Side of the attention window, or 'global', as an argparse type."""
    try:
        return text if text == "global" else int(text)
    except ValueError:
        raise argparse.ArgumentTypeError(
            f"expected an odd number or 'global', got {text!r}"
        ) from None


def place(text: str) -> tuple[int, int]:
    """X,Y -> (x, y), as an argparse type."""
    try:
        x, y = (int(number) for number in text.split(","))
    except ValueError:
        raise argparse.ArgumentTypeError(f"expected X,Y in pixels, got {text!r}") from None
    return x, y


def add_renamed(parser: argparse._ActionsContainer, old: str, new: str, **settings: Any) -> None:
    """Let an option's old name work for a release, with a line that names the new one.

    Args:
        parser: or a group of it, which has the option by its new name.
        old, new: as the user types them, such as '--worse' and '--corrupt'.
        settings: as `add_argument` takes them: those of the new option but for its help.
    """

    class Renamed(argparse.Action):
        def __call__(
            self,
            parser: argparse.ArgumentParser,
            namespace: argparse.Namespace,
            values: str | Sequence[Any] | None,
            option_string: str | None = None,
        ) -> None:
            print(f"{parser.prog}: {old} is now {new}, please use that", file=sys.stderr)
            setattr(namespace, self.dest, values)

    dest = new.lstrip("-").replace("-", "_")
    parser.add_argument(
        old,
        action=Renamed,
        dest=dest,
        default=argparse.SUPPRESS,
        help=argparse.SUPPRESS,
        **settings,
    )
