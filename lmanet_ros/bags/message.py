"""A message of a recording, and the count of messages that cannot be read."""

from __future__ import annotations

import struct
from collections.abc import Iterator
from dataclasses import dataclass

import zstandard

ZSTD_MAGIC = b"\x28\xb5\x2f\xfd"
CDR = "cdr"
"""How ROS 2 serializes messages."""


@dataclass(frozen=True)
class BagMessage:
    """A message as it was recorded."""

    topic: str
    message_type: str
    """Type, as in 'sensor_msgs/msg/Image'."""
    received: int
    """When it was recorded, nanoseconds."""
    data: bytes
    """Serialized."""
    encoding: str = CDR
    """How it is serialized."""


class LeftOut:
    """What of a file cannot be read, while all else of it is."""

    def __init__(self) -> None:
        self._counts: dict[str, int] = {}
        self._first: dict[str, int | None] = {}

    def add(self, reason: str, received: int | None = None) -> None:
        """Leave a message out.

        Args:
            reason: what is wrong, in words that are equal for all messages of a kind.
            received: when it was recorded, nanoseconds; None: not known.
        """
        self._counts[reason] = self._counts.get(reason, 0) + 1
        self._first.setdefault(reason, received)

    def sentences(self) -> Iterator[str]:
        """A sentence for each reason."""
        for reason, count in self._counts.items():
            first = self._first[reason]
            what = "a message is left out" if count == 1 else f"{count} messages are left out"
            place = "" if first is None else f", {'the first ' * (count > 1)}of {first / 1e9:.3f} s"
            yield f"{what}{place}: {reason}"


def header_stamp(data: bytes) -> int:
    """Nanoseconds of the stamp of a serialized message that begins with a std_msgs/Header.

    Of bytes that are too few for one, -1.
    """
    if len(data) < 12:
        return -1
    # Four bytes say how what follows is encoded, the second of them in which byte order.
    order = "<" if data[1] & 1 else ">"
    seconds, nanoseconds = struct.unpack_from(f"{order}iI", data, 4)
    return int(seconds * 1_000_000_000 + nanoseconds)


def decompress(data: bytes) -> bytes:
    """Undo rosbag2's compression of single messages; no serialized message begins like that.

    Raises:
        zstandard.ZstdError: the data is damaged.
    """
    if not data.startswith(ZSTD_MAGIC):
        return data
    return zstandard.ZstdDecompressor().decompressobj().decompress(data)


def as_line(error: Exception) -> str:
    """An error in one line."""
    return " ".join(f"{type(error).__name__} {error}".split())
