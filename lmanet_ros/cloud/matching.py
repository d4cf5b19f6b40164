"""Messages that belong together, found by their stamps."""

from __future__ import annotations

from collections import deque
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, Generic, TypeVar

A = TypeVar("A")
B = TypeVar("B")

MAX_KEPT = 100
"""Messages of a kind that wait at most, however long they may."""


@dataclass(frozen=True)
class _Waiting:
    stamp: int
    item: Any
    since: float


class StampMatcher(Generic[A, B]):
    """Pairs of messages of two topics whose stamps are (almost) the same, whichever comes first.

    Each is used once. A message finds the one with the nearest stamp among those that wait.

    Args:
        slop: nanoseconds that two stamps may be apart.
        patience: seconds, by `now`, that a message waits.
        on_unmatched: called with 0 or 1, the side, and the message that found no partner.
    """

    def __init__(
        self, slop: int, patience: float, on_unmatched: Callable[[int, Any], None]
    ) -> None:
        self.slop = slop
        self.patience = patience
        self.newest: list[int | None] = [None, None]
        """The stamps of the newest message of both sides."""
        self._on_unmatched = on_unmatched
        self._waiting: tuple[deque[_Waiting], deque[_Waiting]] = (deque(), deque())

    def add_first(self, stamp: int, item: A, now: float) -> tuple[A, B] | None:
        """Take a message of the first topic; with its partner if that is there."""
        other = self._add(0, stamp, item, now)
        return None if other is None else (item, other.item)

    def add_second(self, stamp: int, item: B, now: float) -> tuple[A, B] | None:
        """Take a message of the second topic; with its partner if that is there."""
        other = self._add(1, stamp, item, now)
        return None if other is None else (other.item, item)

    def expire(self, now: float) -> None:
        """Let go of those that have waited too long."""
        for side, waiting in enumerate(self._waiting):
            while waiting and (len(waiting) > MAX_KEPT or waiting[0].since < now - self.patience):
                self._on_unmatched(side, waiting.popleft().item)

    def clear(self) -> None:
        """Forget all that waits, uncounted."""
        self.newest = [None, None]
        for waiting in self._waiting:
            waiting.clear()

    def _add(self, side: int, stamp: int, item: Any, now: float) -> _Waiting | None:
        self.newest[side] = stamp
        self.expire(now)
        own, others = self._waiting[side], self._waiting[1 - side]
        near = [other for other in others if abs(other.stamp - stamp) <= self.slop]
        if not near:
            own.append(_Waiting(stamp, item, now))
            return None
        partner = min(near, key=lambda other: abs(other.stamp - stamp))
        others.remove(partner)
        return partner
