"""The memory of a stream: the last S frames' keys and values in preallocated slots."""

from __future__ import annotations

from collections.abc import Sequence

import torch
from torch import Tensor

from lmanet_core.runtime.slots import Slots


class RingBuffer(Slots):
    """Fixed slots for S frames; the newest overwrites the oldest, nothing is shifted or copied.

    Satisfies `lmanet_core.models.MemoryStore`; for arguments and errors see `Slots`.
    """

    def __init__(self, memory_size: int, write_interval: int = 1) -> None:
        super().__init__(memory_size, write_interval)
        self._keys: Tensor | None = None
        self._values: Tensor | None = None

    def read(self) -> tuple[Tensor, Tensor] | None:
        """Views of the filled slots, keys (B, S, Dk, H, W) and values (B, S, Dv, H, W).

        They change with the next `write`. None while the buffer is empty.
        """
        if self.filled == 0 or self._keys is None or self._values is None:
            return None
        return self._keys[:, : self.filled], self._values[:, : self.filled]

    def allocate(self, key: Tensor, value: Tensor) -> tuple[Tensor, Tensor]:
        """Make slots for frames like this one, (B, Dk, H, W) and (B, Dv, H, W), and forget all.

        Returns:
            All slots, filled or not, keys (B, S, Dk, H, W) and values (B, S, Dv, H, W), of zeros
            and with their channels innermost. Writing changes what is in them, not where they are.
        """
        # Both or none: memory may run out between them.
        slots = _allocate(key, self.memory_size), _allocate(value, self.memory_size)
        self._keys, self._values = slots
        self.clear()
        return slots

    def write(self, key: Tensor, value: Tensor) -> None:
        """Copy a frame's key (B, Dk, H, W) and value (B, Dv, H, W) into the oldest slot.

        The first write allocates all slots. Frames of another shape may come after `clear`.
        Frames between two that are due are left out.
        """
        if self._keys is None or self._values is None or self._keys[:, 0].shape != key.shape:
            self.allocate(key, value)
            assert self._keys is not None
            assert self._values is not None
        if (slot := self.take()) is not None:
            self._keys[:, slot] = key
            self._values[:, slot] = value


class BatchOfStores:
    """The memories of several streams as that of a batch of them.

    Args:
        stores: with equal `progress`, for frames of the same size, of one stream each.
    """

    def __init__(self, stores: Sequence[RingBuffer]) -> None:
        self._stores = stores

    def read(self) -> tuple[Tensor, Tensor] | None:
        """keys (B, S, Dk, H, W) and values (B, S, Dv, H, W), copied; None if there are none."""
        frames = [past for store in self._stores if (past := store.read()) is not None]
        if not frames:
            return None
        keys, values = zip(*frames, strict=True)
        return torch.cat(keys), torch.cat(values)

    def write(self, key: Tensor, value: Tensor) -> None:
        """Give each stream its frame of key (B, Dk, H, W) and value (B, Dv, H, W)."""
        for store, *frame in zip(self._stores, key.split(1), value.split(1), strict=True):
            store.write(*frame)


def _allocate(frame: Tensor, memory_size: int) -> Tensor:
    """Slots (B, S, D, H, W), each with its channels innermost as the attention reads them."""
    batch, channels, height, width = frame.shape
    slots = torch.zeros(
        (batch, memory_size, height, width, channels), dtype=frame.dtype, device=frame.device
    )
    return slots.permute(0, 1, 4, 2, 3)
