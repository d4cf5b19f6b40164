"""The node's parameters: types, ranges, descriptions, and their values from ROS."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field, fields
from typing import Any

from rcl_interfaces.msg import FloatingPointRange, IntegerRange, ParameterDescriptor
from rclpy.exceptions import (
    InvalidParameterTypeException,
    InvalidParameterValueException,
    ParameterException,
)
from rclpy.node import Node

from lmanet_core.config import MAX_MEMORY_SIZE

MAX_THREADS = 1024


class ParameterError(ValueError):
    """A parameter has a value that the node cannot start with; the message names it."""


def _parameter(default: Any, description: str, limits: tuple[float, float] | None = None) -> Any:
    """A dataclass field that is a ROS parameter; both `limits` are allowed values."""
    return field(default=default, metadata={"description": description, "limits": limits})


@dataclass(frozen=True)
class NodeParameters:
    """What the user sets; a field's default gives the parameter its type."""

    checkpoint: str = _parameter(
        "", "Path of a .safetensors checkpoint or name of shipped weights; empty: shipped default."
    )
    engine: str = _parameter(
        "", "Path of a file that `lmanet export` made of the checkpoint; empty: none, use PyTorch."
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
        (0, 0), "[width, height] at which the network runs; [0, 0]: the image's own size."
    )
    threads: int = _parameter(
        0, "Threads that PyTorch computes with on the CPU; 0: its choice.", limits=(0, MAX_THREADS)
    )
    compressed: bool = _parameter(False, "Subscribe to `image/compressed` instead of `image`.")
    max_frame_gap: float = _parameter(
        1.0,
        "Seconds between the stamps of two frames beyond which the memory starts anew; 0: never.",
        limits=(0.0, 1e6),
    )
    overlay_opacity: float = _parameter(
        0.5, "How much of the class colours covers the image in ~/overlay.", limits=(0.0, 1.0)
    )


def declare_parameters(node: Node) -> NodeParameters:
    """Declare all parameters on a node and read their values.

    Raises:
        ParameterError: a value is of the wrong type or out of range.
    """
    values = {parameter.name: _declare(node, parameter) for parameter in fields(NodeParameters)}
    work_size = tuple(values["work_size"])
    if len(work_size) != 2 or min(work_size) < 0 or (0 in work_size and any(work_size)):
        raise ParameterError(
            "parameter 'work_size': expected [width, height] or [0, 0] for the image's own size, "
            f"got {list(work_size)}"
        )
    return NodeParameters(**values | {"work_size": work_size})


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


def _declare(node: Node, parameter: Any) -> Any:
    descriptor = _descriptor(parameter.default, **parameter.metadata)
    try:
        return node.declare_parameter(parameter.name, parameter.default, descriptor).value
    except (InvalidParameterTypeException, InvalidParameterValueException):
        # Not declared, then; declared without a type it gives away what it was set to.
        untyped = ParameterDescriptor(dynamic_typing=True)
        value = node.declare_parameter(parameter.name, None, untyped).value
        raise ParameterError(
            f"parameter '{parameter.name}': expected "
            f"{_expectation(parameter.default, parameter.metadata['limits'])}, got {value!r}"
        ) from None


def _descriptor(
    default: Any, description: str, limits: tuple[float, float] | None
) -> ParameterDescriptor:
    descriptor = ParameterDescriptor(description=description, read_only=True)
    if limits and isinstance(default, float):
        low, high = limits
        descriptor.floating_point_range = [FloatingPointRange(from_value=low, to_value=high)]
    elif limits:
        low, high = (int(limit) for limit in limits)
        descriptor.integer_range = [IntegerRange(from_value=low, to_value=high, step=1)]
    return descriptor


def _expectation(default: Any, limits: tuple[float, float] | None) -> str:
    kind = {
        str: "a string",
        bool: "true or false",
        int: "an integer",
        float: "a number with a decimal point",
        tuple: "a list of integers",
    }[type(default)]
    return f"{kind} in {limits[0]}..{limits[1]}" if limits else kind
