"""The node's parameters: types, ranges, descriptions, and their values from ROS."""

from __future__ import annotations

import re
from collections.abc import Collection, Iterable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import asdict, dataclass, field, fields
from difflib import get_close_matches
from typing import Any

from rcl_interfaces.msg import FloatingPointRange, IntegerRange, ParameterDescriptor
from rclpy.exceptions import (
    InvalidParameterTypeException,
    InvalidParameterValueException,
    InvalidTopicNameException,
    ParameterException,
)
from rclpy.node import Node
from rclpy.parameter import Parameter
from rclpy.validate_topic_name import validate_topic_name

from lmanet_core.config import MAX_MEMORY_SIZE

MAX_THREADS = 1024
MAX_BATCH = 64
AUTO = "auto"
RELIABILITIES = (AUTO, "reliable", "best_effort")
DURABILITIES = (AUTO, "volatile", "transient_local")
IMAGE_SIZE = (-1, -1)
"""The `work_size` that is the image's own."""
_PALETTE_ENTRY = re.compile(r"(?P<name>[^=]*[^=\s])\s*=\s*#(?P<color>[0-9a-fA-F]{6})")


class ParameterError(ValueError):
    """A parameter has a value that cannot be used, or not now; the message names it."""


ANY_TIME = "takes effect at once"
UNCONFIGURED = "read when the node is configured; set it while the node is unconfigured"
START = "read when the process starts"


def _parameter(
    default: Any,
    description: str,
    limits: tuple[float, float] | None = None,
    change: str = UNCONFIGURED,
) -> Any:
    """A dataclass field that is a ROS parameter.

    Args:
        default: also gives the parameter its type.
        description: for people.
        limits: both are allowed values.
        change: when it may be changed, one of `ANY_TIME`, `UNCONFIGURED` and `START`.
    """
    metadata = {"description": description, "limits": limits, "change": change}
    return field(default=default, metadata=metadata)


@dataclass(frozen=True)
class NodeParameters:
    """What the user sets; a field's default gives the parameter its type.

    Raises:
        ParameterError: a value does not make sense.
    """

    autostart: bool = _parameter(
        True, "Whether the node configures and activates itself.", change=START
    )
    checkpoint: str = _parameter(
        "", "Path of a .safetensors checkpoint or name of shipped weights; empty: shipped default."
    )
    engine: str = _parameter(
        "",
        "Path of a file that `lmanet export` made; empty: none, run the checkpoint in PyTorch, or "
        "the shipped default, where no GPU is, in its exported form.",
    )
    backend: str = _parameter(
        "auto", "auto, torch, openvino, onnxruntime, tensorrt or tensorrt_rtx; see `engine`."
    )
    device: str = _parameter("auto", "auto, cpu, cuda or cuda:N.")
    precision: str = _parameter(
        "auto", "auto, fp32, bf16 or fp16; in PyTorch fp16 needs a CUDA device."
    )
    memory_size: int = _parameter(
        -1,
        "Past frames to remember; -1: as many as the checkpoint was made for; 0: no memory.",
        limits=(-1, MAX_MEMORY_SIZE),
    )
    work_size: tuple[int, int] = _parameter(
        (0, 0),
        "[width, height] at which the network runs; [0, 0]: as many pixels as the "
        "checkpoint records, in the image's proportions; [-1, -1]: the image's own size.",
    )
    output_size: tuple[int, int] = _parameter(
        (0, 0), "[width, height] of what is published; [0, 0]: the image's own size."
    )
    threads: int = _parameter(
        0, "Threads that compute on the CPU; 0: one for each core.", limits=(0, MAX_THREADS)
    )
    image_topics: tuple[str, ...] = _parameter(
        ("image",), "Topic of each camera; with several, outputs are in a namespace per camera."
    )
    max_batch: int = _parameter(
        0,
        "Cameras whose frames the network takes at once, at most; 0: all where that is faster.",
        limits=(0, MAX_BATCH),
    )
    compressed: bool = _parameter(
        False, "Subscribe to the topics' `/compressed` siblings instead of the topics themselves."
    )
    image_reliability: str = _parameter(
        AUTO, "auto (reliable if all publishers are), reliable or best_effort."
    )
    image_durability: str = _parameter(
        AUTO, "auto (transient_local if all publishers are), volatile or transient_local."
    )
    lazy: bool = _parameter(
        False,
        "Whether to let go of a camera as long as nobody subscribes to any of its outputs.",
        change=ANY_TIME,
    )
    max_frame_gap: float = _parameter(
        1.0,
        "Seconds between the stamps of two frames beyond which the memory starts anew; a network "
        "that takes longer for a few steps is given the time of those; 0: never.",
        limits=(0.0, 1e6),
        change=ANY_TIME,
    )
    max_rate: float = _parameter(
        0.0,
        "Frames per second that are segmented of each camera at most; 0: as many as possible.",
        limits=(0.0, 1e4),
        change=ANY_TIME,
    )
    min_confidence: float = _parameter(
        0.0,
        "Confidence below which a pixel's label becomes 255, unlabeled; 0: none does.",
        limits=(0.0, 1.0),
        change=ANY_TIME,
    )
    jpeg_quality: int = _parameter(80, "Of ~/overlay/compressed.", limits=(1, 100), change=ANY_TIME)
    overlay_opacity: float = _parameter(
        0.5,
        "How much of the class colours covers the image in ~/overlay.",
        limits=(0.0, 1.0),
        change=ANY_TIME,
    )
    palette: str = _parameter(
        "",
        "Colours instead of the checkpoint's: 'road=#804080, traffic light=#faaa1e'.",
        change=ANY_TIME,
    )
    diagnostics_rate: float = _parameter(
        1.0, "Diagnostics per second.", limits=(0.01, 100.0), change=ANY_TIME
    )
    silence_timeout: float = _parameter(
        2.0,
        "Seconds without a frame after which diagnostics report an error; 0: never.",
        limits=(0.0, 1e6),
        change=ANY_TIME,
    )
    warn_latency: float = _parameter(
        1.0,
        "Seconds from receipt to results, 95th percentile, that diagnostics warn of; 0: never.",
        limits=(0.0, 1e6),
        change=ANY_TIME,
    )
    error_latency: float = _parameter(
        5.0, "The same, reported as an error; 0: never.", limits=(0.0, 1e6), change=ANY_TIME
    )
    warn_output_rate: float = _parameter(
        0.0,
        "Results per second below which diagnostics warn; 0: never.",
        limits=(0.0, 1e4),
        change=ANY_TIME,
    )

    def __post_init__(self) -> None:
        for name, words in {
            "image_reliability": RELIABILITIES,
            "image_durability": DURABILITIES,
        }.items():
            if (word := getattr(self, name)) not in words:
                raise ParameterError(
                    f"parameter '{name}': expected one of {list(words)}, got {word!r}"
                )
        _check_size("work_size", self.work_size, {(0, 0): "the checkpoint's", IMAGE_SIZE: _OWN})
        _check_size("output_size", self.output_size, {(0, 0): _OWN})
        _check_topics(self.image_topics)
        parse_palette(self.palette)


def declare_parameters(node: Node) -> NodeParameters:
    """Declare all parameters on a node and read their values.

    Raises:
        ParameterError: a value is of the wrong type, out of range or without sense.
    """
    for parameter in fields(NodeParameters):
        _declare(node, parameter)
    return read_parameters(node)


def read_parameters(node: Node) -> NodeParameters:
    """The present values of declared parameters."""
    return _from_values({name: node.get_parameter(name).value for name in _FIELDS})


def changed_parameters(
    parameters: NodeParameters, changes: Iterable[Parameter], *, configured: bool
) -> NodeParameters:
    """The values after a change that ROS asks about; types and ranges have been checked.

    Args:
        parameters: the values before.
        changes: parameters of this node, also those of ROS itself.
        configured: whether the node uses the values already.

    Raises:
        ParameterError: a value has no sense, or cannot be changed now.
    """
    before = asdict(parameters)
    values = {change.name: change.value for change in changes if change.name in _FIELDS}
    after = _from_values(before | values)
    for name in values:
        change = _FIELDS[name].metadata["change"]
        if configured and change != ANY_TIME and getattr(after, name) != before[name]:
            raise ParameterError(f"parameter '{name}' is {change}")
    return after


def find_unknown(node: Node) -> list[str]:
    """A sentence about each parameter that was set at the start and that nobody has declared."""
    known = list(node.get_parameters_by_prefix(""))
    sentences = []
    # What nobody has declared rclpy shows nowhere else.
    for name in sorted(set(node._parameter_overrides) - set(known)):
        similar = get_close_matches(name, known, n=1)
        hint = f"; did you mean '{similar[0]}'?" if similar else ""
        sentences.append(f"parameter '{name}' is unknown and has no effect{hint}")
    return sentences


def parse_palette(text: str) -> dict[str, tuple[int, int, int]]:
    """Colours by class: 'road=#804080, traffic light=#faaa1e' -> {'road': (128, 64, 128), ...}.

    Raises:
        ParameterError: the text is of another form.
    """
    colors = {}
    for entry in filter(None, (part.strip() for part in text.split(","))):
        match = _PALETTE_ENTRY.fullmatch(entry)
        if not match:
            raise ParameterError(
                f"parameter 'palette': expected entries 'class=#rrggbb' with commas between "
                f"them, got {entry!r}"
            )
        red, green, blue = bytes.fromhex(match["color"])
        colors[match["name"]] = (red, green, blue)
    return colors


@contextmanager
def naming_qos_overrides(topic: str, entity: str) -> Iterator[None]:
    """Turn what rclpy raises for a bad `qos_overrides` parameter into a `ParameterError`.

    Args:
        topic: full name of the topic.
        entity: 'publisher' or 'subscription'.
    """
    try:
        yield
    except (ParameterException, RuntimeError) as error:
        raise ParameterError(f"parameter 'qos_overrides.{topic}.{entity}.*': {error}") from None


_OWN = "the image's own"
_FIELDS = {parameter.name: parameter for parameter in fields(NodeParameters)}


def _from_values(values: Mapping[str, Any]) -> NodeParameters:
    # ROS has lists of some kind where the dataclass has tuples.
    converted: dict[str, Any] = {
        name: tuple(value) if isinstance(_FIELDS[name].default, tuple) else value
        for name, value in values.items()
    }
    return NodeParameters(**converted)


def _check_size(name: str, size: tuple[int, ...], others: Mapping[tuple[int, int], str]) -> None:
    if size in others or (len(size) == 2 and min(size) > 0):
        return
    meanings = " or ".join(f"{list(other)} for {what} size" for other, what in others.items())
    raise ParameterError(
        f"parameter '{name}': expected [width, height] or {meanings}, got {list(size)}"
    )


def _check_topics(topics: Collection[str]) -> None:
    if not topics or len(set(topics)) < len(topics):
        raise ParameterError(
            f"parameter 'image_topics': expected one or more different topics, got {list(topics)}"
        )
    for topic in topics:
        try:
            validate_topic_name(topic)
        except InvalidTopicNameException as error:
            reason = str(error).partition(":")[0]
            raise ParameterError(f"parameter 'image_topics': {reason}, got {topic!r}") from None


def _declare(node: Node, parameter: Any) -> None:
    descriptor = _descriptor(parameter.default, **parameter.metadata)
    try:
        node.declare_parameter(parameter.name, parameter.default, descriptor)
    except (InvalidParameterTypeException, InvalidParameterValueException):
        # Not declared, then; declared without a type it gives away what it was set to.
        untyped = ParameterDescriptor(dynamic_typing=True)
        value = node.declare_parameter(parameter.name, None, untyped).value
        raise ParameterError(
            f"parameter '{parameter.name}': expected "
            f"{_expectation(parameter.default, parameter.metadata['limits'])}, got {value!r}"
        ) from None
    if node.get_parameter_or(parameter.name).type_ == Parameter.Type.NOT_SET:
        # To ROS, an empty list is of no type.
        raise ParameterError(
            f"parameter '{parameter.name}': expected "
            f"{_expectation(parameter.default, parameter.metadata['limits'])}, got an empty one"
        )


def _descriptor(
    default: Any, description: str, limits: tuple[float, float] | None, change: str
) -> ParameterDescriptor:
    descriptor = ParameterDescriptor(
        description=description, additional_constraints=change, read_only=change == START
    )
    if limits and isinstance(default, float):
        low, high = limits
        descriptor.floating_point_range = [FloatingPointRange(from_value=low, to_value=high)]
    elif limits:
        low, high = (int(limit) for limit in limits)
        descriptor.integer_range = [IntegerRange(from_value=low, to_value=high, step=1)]
    return descriptor


def _expectation(default: Any, limits: tuple[float, float] | None) -> str:
    if isinstance(default, tuple):
        return f"a list of {'strings' if isinstance(default[0], str) else 'integers'}"
    kind = {
        str: "a string",
        bool: "true or false",
        int: "an integer",
        float: "a number with a decimal point",
    }[type(default)]
    return f"{kind} in {limits[0]}..{limits[1]}" if limits else kind
