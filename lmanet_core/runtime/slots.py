"""Which of the memory's slots is written next, whatever the slots are made of."""

from __future__ import annotations


class Slots:
    """Numbers of slots for S frames; the newest frame takes the place of the oldest.

    The slots' order is not the frames' order. Attention does not mind: its softmax runs over an
    unordered set of frames.

    Args:
        memory_size: S, number of slots.
        write_interval: n; the first frame and every n-th after it are kept.

    Attributes:
        filled: how many slots hold a frame; they are the first ones.

    Raises:
        ValueError: an argument is below 1.
    """

    def __init__(self, memory_size: int, write_interval: int = 1) -> None:
        if memory_size < 1:
            raise ValueError(f"memory_size must be at least 1, got {memory_size}")
        if write_interval < 1:
            raise ValueError(f"write_interval must be at least 1, got {write_interval}")
        self.memory_size = memory_size
        self.write_interval = write_interval
        self.filled = 0
        self._next = 0
        self._offered = 0

    @property
    def progress(self) -> tuple[int, int]:
        """State that decides how many frames are held: two memories of the same state and size stay
        equal from then on."""
        return self.filled, self._offered % self.write_interval

    def take(self) -> int | None:
        """Offer a frame: the slot that it belongs into, or None if it is not due."""
        due = self._offered % self.write_interval == 0
        self._offered += 1
        if not due:
            return None
        slot, self._next = self._next, (self._next + 1) % self.memory_size
        self.filled = min(self.filled + 1, self.memory_size)
        return slot

    def clear(self) -> None:
        """Forget all frames."""
        self.filled = 0
        self._next = 0
        self._offered = 0
