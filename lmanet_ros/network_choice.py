"""Which network a node is to run: a checkpoint or an exported file, two parameters, one choice."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from itertools import pairwise
from typing import Any

CHOICES = ("checkpoint", "model_file", "engine")
"""Names of parameters; the last is the former name of the second."""
EMPTY = frozenset({"", "''", '""'})
"""Texts that choose nothing, also as YAML has them."""


def whole_choice(parameters: Mapping[str, Any]) -> dict[str, Any]:
    """Parameters in which what a file sets cannot contradict the network that was asked for.

    Args:
        parameters: parameters that the user asked for. Where they name a checkpoint or an exported
            file, the others, which a parameter file or a launch file may set, become empty. Where
            they name both, the node makes sure that they belong together.
    """
    chosen = [name for name in CHOICES if str(parameters.get(name, "")).strip() not in EMPTY]
    others = {name: "" for name in CHOICES if chosen and name not in parameters}
    return {**parameters, **others}


def choosing_arguments(args: Sequence[str]) -> list[str]:
    """What a node's command line lacks for a whole choice; to be put behind it.

    Args:
        args: as it was typed.
    """
    typed = dict(
        word.split(":=", 1)
        for option, word in pairwise(args)
        if option in ("-p", "--param") and ":=" in word
    )
    added = [name for name in whole_choice(typed) if name not in typed]
    return ["--ros-args", *(word for name in added for word in ("-p", f"{name}:=''"))] * bool(added)
