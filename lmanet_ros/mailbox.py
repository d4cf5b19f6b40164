"""A mailbox with one slot: the newest item wins."""

from __future__ import annotations

from threading import Condition
from typing import Generic, TypeVar

Item = TypeVar("Item")


class Mailbox(Generic[Item]):
    """Hands items from one thread to another; an item not yet taken gives way to a newer one."""

    def __init__(self) -> None:
        self._changed = Condition()
        self._item: Item | None = None
        self._closed = False

    def put(self, item: Item) -> bool:
        """Leave an item, never waiting. True if an item that nobody had taken gave way to it."""
        with self._changed:
            replaced = self._item is not None
            self._item = item
            self._changed.notify()
        return replaced

    def take(self) -> Item | None:
        """Wait for an item and take it out; None once the mailbox is closed."""
        with self._changed:
            self._changed.wait_for(lambda: self._closed or self._item is not None)
            item, self._item = self._item, None
            return None if self._closed else item

    def close(self) -> None:
        """Wake the thread that waits and let every `take` from now on return None."""
        with self._changed:
            self._closed = True
            self._changed.notify_all()
