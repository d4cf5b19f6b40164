"""Packages that not every installation has, and what to say where one is missing."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager


class MissingExtraError(ValueError):
    """A package is not installed; the message names the extra that brings it."""


@contextmanager
def needs_extra(extra: str, purpose: str) -> Iterator[None]:
    """Name the extra where an import in this block finds a package missing.

    Args:
        extra: of this package's, see `setup.py`.
        purpose: what the package is for, as the beginning of a sentence.

    Raises:
        MissingExtraError: a package is missing.
    """
    try:
        yield
    except ModuleNotFoundError as error:
        if error.name is None or error.name.startswith("lmanet"):
            raise
        raise MissingExtraError(
            f"{purpose} needs the package {error.name}, which is not installed; it comes with the "
            f"extra '{extra}': pip install '.[{extra}]' in the folder of this repository"
        ) from None
