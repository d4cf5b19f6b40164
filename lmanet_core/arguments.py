"""Types of command line arguments that several programs share."""

from __future__ import annotations

import argparse


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
