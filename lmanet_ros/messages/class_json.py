"""Class tables as topics and recordings carry them: JSON in a std_msgs/String."""

from __future__ import annotations

import json

from lmanet_core import ClassTable
from lmanet_core.network.classes import IGNORE_LABEL, Color

UNLABELED = "unlabeled"
"""Name of `IGNORE_LABEL`, which is no class."""


def to_json(classes: ClassTable) -> str:
    """A class table as users read it: label, name and colour of each class."""
    entries = [
        {"label": label, "name": name, "color": "#{:02x}{:02x}{:02x}".format(*color)}
        for label, (name, color) in enumerate(zip(classes.names, classes.palette, strict=True))
    ]
    return json.dumps({"classes": entries, "ignore_label": IGNORE_LABEL, "ignore_name": UNLABELED})


def from_json(text: str) -> ClassTable:
    """The class table that `to_json` wrote.

    Raises:
        ValueError: the text is no such table.
    """
    try:
        entries = json.loads(text)["classes"]
        if [entry["label"] for entry in entries] != list(range(len(entries))):
            raise ValueError("labels must be 0, 1, 2 and so on")
        palette = tuple(_color(entry["color"]) for entry in entries)
        return ClassTable(tuple(str(entry["name"]) for entry in entries), palette)
    except (KeyError, TypeError, ValueError) as error:
        raise ValueError(f"expected a class table in JSON, got {text[:80]!r} ({error})") from None


def _color(text: str) -> Color:
    red, green, blue = bytes.fromhex(text.removeprefix("#"))
    return red, green, blue
