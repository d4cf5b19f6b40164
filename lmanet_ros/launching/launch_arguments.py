"""What the launch files make of their arguments; nothing here needs a ROS installation."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from lmanet_ros.network_choice import CHOICES

DEFAULT_PARAMS_FILE = "segmentation_node.yaml"
CLOUD_PARAMS_FILE = "semantic_cloud.yaml"
"""Both in the folder `config/` of the package."""
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
    return [one] if one else _topics(several)


@dataclass(frozen=True)
class CloudSource:
    """Topics and parameters of one semantic cloud node.

    Attributes:
        camera: what the segmentation node calls the camera; empty: it has only one.
        remappings: pairs of names.
        parameters: parameters that the user asked for.
    """

    camera: str
    remappings: tuple[tuple[str, str], ...]
    parameters: dict[str, Any]


def cloud_sources(
    arguments: Mapping[str, str], cameras: Sequence[str], outputs: str
) -> list[CloudSource]:
    """The semantic cloud nodes that launch arguments ask for, one for each camera.

    Args:
        arguments: values by name.
        cameras: what the segmentation node calls its cameras; of a single one ''.
        outputs: full name of the segmentation node, under which its outputs are.

    Raises:
        ArgumentError: a value has no sense.
    """
    given = {name: arguments.get(name, "") for name in ("depth_topic", "cloud_topic")}
    wanted = switch("cloud", arguments.get("cloud") or "false")
    if not wanted:
        if name := next((name for name, value in given.items() if value), ""):
            raise ArgumentError(f"{name} belongs to cloud:=true, got {name}:={given[name]} alone")
        return []
    if all(given.values()):
        raise ArgumentError("expected depth_topic or cloud_topic, got both")
    source = "cloud" if given["cloud_topic"] else "depth"
    topics = _topics(given[f"{source}_topic"]) or [source]
    if source == "cloud" and len(topics) == 1:
        # One lidar for all cameras.
        topics *= len(cameras)
    if len(topics) != len(cameras):
        raise ArgumentError(
            f"{source}_topic: expected a topic for each of {len(cameras)} cameras, with commas, "
            f"got {topics}"
        )
    own = {
        name: switch(name, arguments[name])
        for name in ("autostart", "use_sim_time")
        if arguments.get(name)
    }
    return [
        CloudSource(
            camera,
            (
                ("labels", f"{outputs}/{camera}/labels" if camera else f"{outputs}/labels"),
                ("classes", f"{outputs}/classes"),
                (source, topic),
            ),
            {**({"range_source": source} if source == "cloud" else {}), **own},
        )
        for camera, topic in zip(cameras, topics, strict=True)
    ]


def _topics(text: str) -> list[str]:
    return [topic for part in text.split(",") if (topic := part.strip())]


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
