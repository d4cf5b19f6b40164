"""Dataclasses from the plain values of a file."""

from __future__ import annotations

from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pytest

from lmanet_core.program.settings import build


@dataclass(frozen=True)
class Inner:
    rate: float = 0.5


@dataclass(frozen=True)
class Outer:
    name: str
    count: int = 1
    size: tuple[int, int] | None = None
    folder: Path | None = None
    on: bool = True
    inner: Inner = field(default_factory=Inner)


def test_values_become_what_the_fields_ask_for() -> None:
    values = {"name": "a", "size": [3, 4], "folder": "data", "inner": {"rate": "1e-3"}}
    assert build(Outer, values, "file") == Outer("a", 1, (3, 4), Path("data"), True, Inner(0.001))
    assert build(Outer, {"name": "a", "size": None}, "file") == Outer("a")


@pytest.mark.parametrize(
    ("values", "complaint"),
    [
        (["name"], r"file must be a section of settings, got \['name'\]"),
        ({}, r"file: settings \['name'\] are missing"),
        ({"name": "a", "colour": 1}, r"file: unknown settings \['colour'\]; expected some of"),
        ({"name": 1}, r"file\.name must be str, got 1"),
        ({"name": "a", "count": True}, r"file\.count must be int, got True"),
        ({"name": "a", "on": 1}, r"file\.on must be bool, got 1"),
        ({"name": "a", "size": [1]}, r"file\.size must be a list of 2 or null, got \[1\]"),
        ({"name": "a", "size": [1, 0.5]}, r"file\.size must be int, got 0\.5"),
        ({"name": "a", "inner": {"rate": "fast"}}, r"file\.inner\.rate must be float, got 'fast'"),
    ],
)
def test_what_does_not_fit_is_named(values: Any, complaint: str) -> None:
    with pytest.raises(ValueError, match=complaint):
        build(Outer, values, "file")
