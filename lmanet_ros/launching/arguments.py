"""What the launch files make of their arguments; nothing here needs a ROS installation."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

from lmanet_ros.network_choice import CHOICES

DEFAULT_PARAMS_FILE = "efficientnet_lite0.yaml"
"""In the folder `config/` of the package."""
TEXTS = ("device", "image_reliability")
SWITCHES = ("autostart", "compressed", "use_sim_time")


class ArgumentError(ValueError):
    """A launch argument cannot be used; the message names it."""


def node_parameters(arguments: Mapping[str, str]) -> dict[str, Any]:
    """Parameters of the node that are asked for by launch arguments.

    Args:
        arguments: values by name; those that are empty or missing ask for nothing.

    Raises:
        ArgumentError: a value has no sense.
    """
    given = {name: value for name, value in arguments.items() if value}
    parameters: dict[str, Any] = {name: given[name] for name in TEXTS if name in given}
    # A path or the name of shipped weights.
    parameters |= {name: str(Path(given[name]).expanduser()) for name in CHOICES if name in given}
    parameters |= {name: switch(name, given[name]) for name in SWITCHES if name in given}
    if topics := image_topics(arguments):
        parameters["image_topics"] = topics
    return parameters


def image_topics(arguments: Mapping[str, str]) -> list[str]:
    """The cameras' topics, out of the arguments `image_topic` or `cameras`; empty: none is given.

    Raises:
        ArgumentError: both are given.
    """
    one, several = arguments.get("image_topic", ""), arguments.get("cameras", "")
    if one and several:
        raise ArgumentError(
            f"expected image_topic or cameras, got both: image_topic:={one} cameras:={several}"
        )
    return [one] if one else [topic for part in several.split(",") if (topic := part.strip())]


def switch(name: str, value: str) -> bool:
    """Value of an argument that is true or false.

    Raises:
        ArgumentError: it is neither.
    """
    values = {"true": True, "false": False}
    if value.lower() not in values:
        raise ArgumentError(f"{name}: expected true or false, got '{value}'")
    return values[value.lower()]


def existing_path(name: str, value: str) -> Path:
    """A file or folder that an argument names, `~` being the user's home.

    Raises:
        ArgumentError: there is none.
    """
    path = Path(value).expanduser()
    if not path.exists():
        # Left to itself, a node starts with its defaults where there is no file of parameters.
        raise ArgumentError(f"{name}: there is no '{path}'")
    return path
