"""Frozen dataclasses from the plain values of a YAML or JSON file, checked against their types."""

from __future__ import annotations

import types
import typing
from collections.abc import Mapping
from dataclasses import MISSING, fields, is_dataclass
from pathlib import Path
from typing import Any, TypeVar

T = TypeVar("T")


def build(kind: type[T], values: Any, where: str) -> T:
    """An instance of a dataclass; sections become the dataclasses that its fields ask for, lists
    tuples, and texts paths.

    Args:
        kind: a dataclass whose fields are numbers, texts, paths, tuples, mappings of texts,
            dataclasses or None.
            A section may also be an instance of its dataclass already.
        values: what the file has.
        where: what the values are called in messages.

    Raises:
        ValueError: a setting is unknown, missing or of another type, or out of range.
    """
    if not isinstance(values, Mapping):
        raise ValueError(f"{where} must be a section of settings, got {values!r}")
    known = {field.name: field for field in fields(kind)}  # type: ignore[arg-type]
    if unknown := sorted(set(values) - set(known)):
        raise ValueError(f"{where}: unknown settings {unknown}; expected some of {sorted(known)}")
    required = {
        name
        for name, field in known.items()
        if field.default is MISSING and field.default_factory is MISSING
    }
    if missing := sorted(required - set(values)):
        raise ValueError(f"{where}: settings {missing} are missing")
    hints = typing.get_type_hints(kind)
    return kind(
        **{key: _convert(value, hints[key], f"{where}.{key}") for key, value in values.items()}
    )


def check_at_least(lowest: int, **values: float) -> None:
    """Refuse settings that are too small.

    Raises:
        ValueError: one is; it says which.
    """
    for name, value in values.items():
        if value < lowest:
            raise ValueError(f"{name} must be at least {lowest}, got {value}")


def _convert(value: Any, kind: Any, where: str) -> Any:
    choices = typing.get_args(kind) if isinstance(kind, types.UnionType) else (kind,)
    for choice in choices:
        if is_dataclass(choice) and value is not None:
            done = isinstance(value, typing.cast(type, choice))
            return value if done else build(typing.cast(type, choice), value, where)
        if _fits(value, choice):
            return _convert_one(value, choice, where)
    expected = " or ".join(_describe(choice) for choice in choices)
    raise ValueError(f"{where} must be {expected}, got {value!r}")


def _fits(value: Any, kind: Any) -> bool:
    if typing.get_origin(kind) is tuple:
        return isinstance(value, list | tuple) and len(value) == len(_items(kind, value))
    if typing.get_origin(kind) is Mapping:
        return isinstance(value, Mapping) and all(isinstance(key, str) for key in value)
    if kind is float:
        # YAML reads 1e-3, without a point, as text.
        return not isinstance(value, bool) and _is_number(value)
    if kind is Path:
        return isinstance(value, str | Path)
    return isinstance(value, kind) and isinstance(value, bool) == (kind is bool)


def _convert_one(value: Any, kind: Any, where: str) -> Any:
    if typing.get_origin(kind) is tuple:
        items = zip(value, _items(kind, value), strict=True)
        return tuple(_convert(item, its_kind, where) for item, its_kind in items)
    if typing.get_origin(kind) is Mapping:
        its_kind = typing.get_args(kind)[1]
        return {key: _convert(item, its_kind, f"{where}.{key}") for key, item in value.items()}
    if kind is Path:
        return Path(value).expanduser()
    return float(value) if kind is float else value


def _items(kind: Any, value: Any) -> tuple[Any, ...]:
    """Types of a tuple's items; `tuple[X, ...]` has as many as there are values."""
    items = typing.get_args(kind)
    return (items[0],) * len(value) if items[-1] is Ellipsis else items


def _is_number(value: Any) -> bool:
    try:
        float(value)
    except (TypeError, ValueError):
        return False
    return True


def _describe(kind: Any) -> str:
    if typing.get_origin(kind) is tuple:
        items = typing.get_args(kind)
        return "a list" if items[-1] is Ellipsis else f"a list of {len(items)}"
    if typing.get_origin(kind) is Mapping:
        return "a section"
    return "null" if kind is type(None) else str(kind.__name__)
