"""A mailbox with one slot per sender: the newest item of each wins, and senders take turns."""

from __future__ import annotations

from collections.abc import Hashable
from threading import Condition
from typing import Generic, TypeVar

Item = TypeVar("Item")


class Mailbox(Generic[Item]):
    """Hands items from one thread to another; an item not yet taken gives way to a newer one.

    Who waits longest is served first. A sender waits from its first item that is not yet taken:
    one that sends more often than others gets no more than its turn.
    """

    def __init__(self) -> None:
        self._changed = Condition()
        # In the order of service: a dictionary keeps a key's place when its value is replaced.
        self._items: dict[Hashable, Item] = {}
        self._closed = False

    def put(self, item: Item, sender: Hashable = None) -> bool:
        """Leave an item, never waiting. True if one that nobody had taken gave way to it."""
        with self._changed:
            replaced = sender in self._items
            self._items[sender] = item
            self._changed.notify()
        return replaced

    def take(self) -> Item | None:
        """Wait for an item and take it out; None once the mailbox is closed."""
        with self._changed:
            self._changed.wait_for(lambda: self._closed or bool(self._items))
            if self._closed:
                return None
            return self._items.pop(next(iter(self._items)))

    def clear(self) -> list[Item]:
        """Take out all that is there, without waiting."""
        with self._changed:
            items = list(self._items.values())
            self._items.clear()
        return items

    def close(self) -> None:
        """Wake the thread that waits and let every `take` from now on return None."""
        with self._changed:
            self._closed = True
            self._changed.notify_all()
