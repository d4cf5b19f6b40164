"""A mailbox with one slot per sender: the newest item of each wins, and senders take turns."""

from __future__ import annotations

from collections.abc import Hashable
from threading import Condition
from typing import Generic, TypeVar

Item = TypeVar("Item")


class Mailbox(Generic[Item]):
    """Hands items from one thread to another; an item not yet taken gives way to a newer one.

    Who was served longest ago is served first, whenever its items came: one that sends more often
    than others, or just before them, gets no more than its turn.
    """

    def __init__(self) -> None:
        self._changed = Condition()
        self._items: dict[Hashable, Item] = {}
        # All senders; who was served longest ago comes first.
        self._turns: dict[Hashable, None] = {}
        self._closed = False

    def put(self, item: Item, sender: Hashable = None) -> bool:
        """Leave an item, never waiting. True if one that nobody had taken gave way to it."""
        with self._changed:
            replaced = sender in self._items
            self._turns.setdefault(sender)
            self._items[sender] = item
            self._changed.notify()
        return replaced

    def take(self, limit: int = 1) -> list[Item]:
        """Wait for an item and take out those of `limit` senders at most, of none more than one.

        Nothing comes once the mailbox is closed.
        """
        with self._changed:
            self._changed.wait_for(lambda: self._closed or bool(self._items))
            if self._closed:
                return []
            served = [sender for sender in self._turns if sender in self._items][:limit]
            for sender in served:
                del self._turns[sender]
                self._turns[sender] = None
            return [self._items.pop(sender) for sender in served]

    def clear(self) -> list[Item]:
        """Take out all that is there, without waiting."""
        with self._changed:
            items = list(self._items.values())
            self._items.clear()
        return items

    def close(self) -> None:
        """Wake the thread that waits and let every `take` from now on return nothing."""
        with self._changed:
            self._closed = True
            self._changed.notify_all()
