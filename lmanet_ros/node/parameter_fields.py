"""Parameters of a node as one frozen dataclass: types, ranges, descriptions, values from ROS."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import field, fields
from difflib import get_close_matches
from typing import Any, TypeVar

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

AUTO = "auto"
RELIABILITIES = (AUTO, "reliable", "best_effort")
DURABILITIES = (AUTO, "volatile", "transient_local")

P = TypeVar("P")
"""A dataclass whose fields are made by `parameter`."""


class ParameterError(ValueError):
    """A parameter has a value that cannot be used, or not now; the message names it."""


ANY_TIME = "takes effect at once"
UNCONFIGURED = "read when the node is configured; set it while the node is unconfigured"
START = "read when the process starts"


def parameter(
    default: Any,
    description: str,
    limits: tuple[float, float] | None = None,
    change: str = UNCONFIGURED,
    former_name: str = "",
) -> Any:
    """A dataclass field that is a ROS parameter.

    Args:
        default: also gives the parameter its type.
        description: for people.
        limits: both are allowed values.
        change: when it may be changed, one of `ANY_TIME`, `UNCONFIGURED` and `START`.
        former_name: under which it can be set, too, with a warning; empty: it has none.
    """
    metadata = {"description": description, "limits": limits, "change": change}
    return field(default=default, metadata=metadata | {"former_name": former_name})


def declare(node: Node, kind: type[P]) -> P:
    """Declare all parameters on a node and read their values.

    Raises:
        ParameterError: a value is of the wrong type, out of range or without sense.
    """
    for one in fields(kind):  # type: ignore[arg-type]
        metadata = {key: one.metadata[key] for key in ("description", "limits", "change")}
        _declare(node, one.name, one.default, **metadata)
        if former := one.metadata["former_name"]:
            described = metadata | {"description": f"Former name of {one.name}."}
            _declare(node, former, one.default, **described)
            if node.get_parameter(former).value != one.default:
                _warn_of_former_name(node, former, one.name)
    return read(node, kind)


def read(node: Node, kind: type[P]) -> P:
    """The present values of declared parameters."""
    return _from_values(kind, _values(node, kind))


def changed_parameters(
    node: Node, kind: type[P], changes: Iterable[Parameter], *, configured: bool
) -> P:
    """The values after a change that ROS asks about; types and ranges have been checked.

    Args:
        node: has the values before.
        kind: dataclass of its parameters.
        changes: parameters of this node, also those of ROS itself.
        configured: whether the node uses the values already.

    Raises:
        ParameterError: a value has no sense, or cannot be changed now.
    """
    values, before = _values(node, kind), read(node, kind)
    changed = {change.name: change.value for change in changes if change.name in values}
    after = _from_values(kind, values | changed)
    for one in fields(kind):  # type: ignore[arg-type]
        name, change = one.name, one.metadata["change"]
        if configured and change != ANY_TIME and getattr(after, name) != getattr(before, name):
            raise ParameterError(f"parameter '{name}' is {change}")
        if changed.get(one.metadata["former_name"], one.default) != one.default:
            _warn_of_former_name(node, one.metadata["former_name"], name)
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


def check_topics(name: str, topics: Collection[str]) -> None:
    """Check that a parameter is a list of different topics.

    Raises:
        ParameterError: it is not.
    """
    if not topics or len(set(topics)) < len(topics):
        raise ParameterError(
            f"parameter '{name}': expected one or more different topics, got {list(topics)}"
        )
    for topic in topics:
        try:
            validate_topic_name(topic)
        except InvalidTopicNameException as error:
            reason = str(error).partition(":")[0]
            raise ParameterError(f"parameter '{name}': {reason}, got {topic!r}") from None


def check_word(name: str, word: str, words: Collection[str]) -> None:
    """Check that a parameter is one of some words.

    Raises:
        ParameterError: it is not.
    """
    if word not in words:
        raise ParameterError(f"parameter '{name}': expected one of {list(words)}, got {word!r}")


def _values(node: Node, kind: type) -> dict[str, Any]:
    """What the node has for all names of its parameters, the former ones, too."""
    names = [name for one in fields(kind) for name in (one.name, one.metadata["former_name"])]
    return {name: node.get_parameter(name).value for name in names if name}


def _from_values(kind: type[P], values: Mapping[str, Any]) -> P:
    merged: dict[str, Any] = {}
    for one in fields(kind):  # type: ignore[arg-type]
        name, former = one.name, one.metadata["former_name"]
        set_to = {
            name: tuple(values[name]) if isinstance(one.default, tuple) else values[name]
            for name in (name, former)
            if name
        }
        set_to = {name: value for name, value in set_to.items() if value != one.default}
        if len(set_to) > 1:
            raise ParameterError(
                f"parameter '{former}' is the former name of '{name}': expected one of both, got "
                f"{set_to[former]!r} and {set_to[name]!r}"
            )
        # ROS has lists of some kind where the dataclass has tuples.
        merged[name] = next(iter(set_to.values()), one.default)
    return kind(**merged)


def _warn_of_former_name(node: Node, former: str, name: str) -> None:
    node.get_logger().warning(
        f"parameter '{former}' is called '{name}' now; the former name ends with this release"
    )


def _declare(
    node: Node,
    name: str,
    default: Any,
    description: str,
    limits: tuple[float, float] | None,
    change: str,
) -> None:
    descriptor = _descriptor(default, description, limits, change)
    try:
        node.declare_parameter(name, default, descriptor)
    except (InvalidParameterTypeException, InvalidParameterValueException):
        # Not declared, then; declared without a type it gives away what it was set to.
        untyped = ParameterDescriptor(dynamic_typing=True)
        value = node.declare_parameter(name, None, untyped).value
        raise ParameterError(
            f"parameter '{name}': expected {_expectation(default, limits)}, got {value!r}"
        ) from None
    if node.get_parameter_or(name).type_ == Parameter.Type.NOT_SET:
        # To ROS, an empty list is of no type.
        raise ParameterError(
            f"parameter '{name}': expected {_expectation(default, limits)}, got an empty one"
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
        return f"a list of {_PLURALS[type(default[0])]}"
    kind = {
        str: "a string",
        bool: "true or false",
        int: "an integer",
        float: "a number with a decimal point",
    }[type(default)]
    return f"{kind} in {limits[0]}..{limits[1]}" if limits else kind


_PLURALS = {str: "strings", int: "integers", float: "numbers with decimal points"}
