"""The command line of a node: parameters behind --ros-args, help, and nothing else."""

from __future__ import annotations

import sys
from collections.abc import Sequence
from dataclasses import fields
from difflib import get_close_matches
from textwrap import fill, indent
from typing import Any

from lmanet_ros.processes import as_yaml, without_ros_arguments

WIDTH = 100
MISUSED = 2
"""Exit status, as argparse has it."""


def answer_arguments(
    program: str, description: str, parameters: type, args: Sequence[str]
) -> int | None:
    """Give help, or refuse what ROS would ignore.

    Args:
        program: name of the node and of its program.
        description: what it does, a sentence.
        parameters: dataclass of its parameters, whose fields' metadata have a `description`.
        args: command line without the program's name.

    Returns:
        The exit status, or None where the node is to start.
    """
    words = without_ros_arguments(args)
    if {"-h", "--help"} & set(words):
        print(_help(program, description, parameters))
        return 0
    if not words:
        return None
    names = [parameter.name for parameter in fields(parameters)]
    # Of '-p name:=value', the second word.
    asked = next((word for word in words if ":=" in word), words[0])
    name, _, value = asked.lstrip("-").replace(":=", "=", 1).partition("=")
    similar = get_close_matches(name.replace("-", "_"), names, n=1)
    hint = f"; did you mean: --ros-args -p {similar[0]}:={value or 'VALUE'}" if similar else ""
    print(
        f"{program}: unknown argument '{words[0]}': parameters are given behind --ros-args, see "
        f"--help{hint}",
        file=sys.stderr,
    )
    return MISUSED


def _help(program: str, description: str, parameters: type) -> str:
    lines = [
        f"usage: {program} [--help] [--ros-args [-p NAME:=VALUE ...] [--params-file FILE] "
        "[-r FROM:=TO ...]]",
        "",
        description,
        "",
        "parameters and their defaults:",
    ]
    for parameter in fields(parameters):
        lines.append(f"  {parameter.name}:={_as_typed(parameter.default)}")
        lines.append(indent(fill(parameter.metadata["description"], WIDTH - 6), " " * 6))
    return "\n".join(lines)


def _as_typed(value: Any) -> str:
    return as_yaml(list(value) if isinstance(value, tuple) else value)
