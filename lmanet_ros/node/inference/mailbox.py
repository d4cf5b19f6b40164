"""A mailbox in which few items of each sender wait: the newest win, in rotation."""

from __future__ import annotations

from collections import deque
from collections.abc import Hashable
from threading import Condition
from typing import Generic, TypeVar

Item = TypeVar("Item")

MOST_WAITING = 8
"""Items of a sender that may wait, whatever room there is."""


class Mailbox(Generic[Item]):
    """Hands items from one thread to another, those of a sender in order.

    Where there is no room a sender's oldest give way, but the newest of each always waits. Who was
    served longest ago is served first, whenever its items came: one that sends more often than
    others, or just before them, gets no more than its share.
    """

    def __init__(self) -> None:
        self._changed = Condition()
        # Of those senders that have any.
        self._items: dict[Hashable, deque[Item]] = {}
        # All senders; who was served longest ago comes first.
        self._service_order: dict[Hashable, None] = {}
        self._closed = False

    def put(self, item: Item, sender: Hashable = None, room: int = 1) -> list[Item]:
        """Leave an item, never waiting; the items that gave way to it.

        Args:
            item: what is left.
            sender: the camera that it comes from.
            room: items that may wait, all senders together, without one of this sender giving way.
        """
        with self._changed:
            self._service_order.setdefault(sender)
            waiting = self._items.setdefault(sender, deque())
            waiting.append(item)
            total = sum(map(len, self._items.values()))
            excess = max(total - room, len(waiting) - MOST_WAITING)
            gave_way = [waiting.popleft() for _ in range(min(excess, len(waiting) - 1))]
            self._changed.notify()
        return gave_way

    def take(self, limit: int = 1) -> list[Item]:
        """Wait for an item and take out the oldest of each of `limit` senders at most.

        Nothing comes once the mailbox is closed.
        """
        with self._changed:
            self._changed.wait_for(lambda: self._closed or bool(self._items))
            if self._closed:
                return []
            served = [sender for sender in self._service_order if sender in self._items][:limit]
            for sender in served:
                del self._service_order[sender]
                self._service_order[sender] = None
            return [self._take_oldest(sender) for sender in served]

    def clear(self) -> list[Item]:
        """Take out all that is there, without waiting."""
        with self._changed:
            items = [item for waiting in self._items.values() for item in waiting]
            self._items.clear()
        return items

    def close(self) -> None:
        """Wake the thread that waits and let every `take` from now on return nothing."""
        with self._changed:
            self._closed = True
            self._changed.notify_all()

    def _take_oldest(self, sender: Hashable) -> Item:
        item = self._items[sender].popleft()
        if not self._items[sender]:
            del self._items[sender]
        return item
