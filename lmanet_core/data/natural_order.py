"""The order in which people number files: frame2 before frame10."""

from __future__ import annotations

import re
from pathlib import Path

_NUMBER = re.compile(r"([0-9]+)")


def natural_order(file: Path | str) -> tuple[list[str | int], str]:
    """A sort key by a file's name, in which numbers count by their value.

    Args:
        file: a path, of which the last part counts, or a name.
    """
    name = file.name if isinstance(file, Path) else file
    # Text and numbers alternate, so that like is compared with like.
    parts = _NUMBER.split(name)
    return [int(part) if index % 2 else part for index, part in enumerate(parts)], name
