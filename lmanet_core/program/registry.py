"""What can be chosen by name: what comes with the library, and what others add."""

from __future__ import annotations

from collections.abc import Mapping
from importlib.metadata import EntryPoint, entry_points
from typing import Any, Generic, TypeVar

Entry = TypeVar("Entry")


class Registry(dict[str, Any], Generic[Entry]):
    """Entries by name, the library's and a program's own.

    A value is the entry itself or, as of an entry point, 'module:name', which is imported when it
    is first asked for. A program adds its own with `REGISTRY[name] = entry`; a package that is
    installed announces it in the entry point group, and every program finds it.

    Args:
        kind: what the entries are, as the setting that names one is called.
        group: group of the entry points of other packages.
        entries: the entries that come with the library.
    """

    def __init__(self, kind: str, group: str, entries: Mapping[str, Entry | str]) -> None:
        super().__init__(entries)
        self.kind = kind
        self.group = group

    def names(self) -> tuple[str, ...]:
        """All that `find` takes, those of other packages last."""
        return tuple(dict.fromkeys([*self, *entry_points(group=self.group).names]))

    def check(self, name: str) -> None:
        """Raise `ValueError` for a name that is nowhere; nothing is imported."""
        if not isinstance(name, str) or (name not in self and name not in self.names()):
            raise ValueError(f"{self.kind} must be one of {list(self.names())}, got {name!r}")

    def find(self, name: str) -> Entry:
        """The entry of a name.

        Raises:
            ValueError: there is none.
            ImportError: the entry needs a package that is not there.
        """
        self.check(name)
        if name not in self:
            return entry_points(group=self.group)[name].load()
        entry = self[name]
        return EntryPoint(name, entry, self.group).load() if isinstance(entry, str) else entry
