"""What an evaluation must reach, for use in continuous integration."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any, NamedTuple

FIGURES = {"mIoU": "miou", "VC_16": "vc16", "fps": "fps"}
"""What can be asked for, and where it is in a summary."""


class Limit(NamedTuple):
    """The least that a figure may be: mIoU and VC_16 in percent, fps in answers per second."""

    figure: str
    least: float

    @classmethod
    def parse(cls, figure: str, least: str) -> Limit:
        """From the words of a command line.

        Raises:
            ValueError: no such figure, or no value that it can have.
        """
        if figure not in FIGURES:
            raise ValueError(f"expected one of {', '.join(FIGURES)}, got '{figure}'")
        try:
            value = float(least)
        except ValueError:
            raise ValueError(f"expected a number, got '{least}'") from None
        if figure != "fps" and not 1 <= value <= 100:
            raise ValueError(f"{figure} is in percent, 1 to 100, got {least}")
        return cls(figure, value)


def find_missed(limits: Iterable[Limit], summary: Mapping[str, Any]) -> list[str]:
    """A sentence for each limit that a summary, of a recording or of several, does not reach."""
    figures = summary.get("total", summary)
    missed = []
    for limit in limits:
        value = figures[FIGURES[limit.figure]]
        if value is not None and limit.figure != "fps":
            value *= 100
        if value is None or value < limit.least:
            found = "unknown" if value is None else f"{value:.2f}"
            missed.append(f"{limit.figure} is {found}, expected at least {limit.least:g}")
    return missed
