"""Counts that are added up, and written down to be added to others later."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict, dataclass, fields
from typing import Any

from typing_extensions import Self

from lmanet_core.program.settings import build


@dataclass(frozen=True)
class Counts:
    """What dataclasses of counts share. The sum of two is that of both together.

    Fields are numbers, what can be added like them, tuples of these, and texts, which are the same
    in both.
    """

    def __add__(self, other: Self) -> Self:
        pairs = {f.name: (getattr(self, f.name), getattr(other, f.name)) for f in fields(self)}
        return type(self)(**{name: _sum(*pair) for name, pair in pairs.items()})

    def to_dict(self) -> dict[str, Any]:
        """Plain values, ready for JSON."""
        return asdict(self)

    @classmethod
    def from_dict(cls, values: Mapping[str, Any]) -> Self:
        """Inverse of `to_dict`, also by way of JSON.

        Raises:
            ValueError: a value is missing, unknown or of another type.
        """
        return build(cls, values, cls.__name__)


def _sum(one: Any, other: Any) -> Any:
    if isinstance(one, tuple):
        return tuple(_sum(*pair) for pair in zip(one, other, strict=True))
    return one if isinstance(one, str) else one + other
