"""Messages of an MCAP file, whole or not.

The file is framed here, not by the `mcap` package, whose readers end at the first record that they
cannot read; what is in a record is read by the package.
"""

from __future__ import annotations

import struct
from bisect import bisect_right
from collections.abc import Callable, Iterator
from io import BytesIO
from pathlib import Path
from typing import IO

import zstandard
from mcap.data_stream import ReadDataStream
from mcap.exceptions import EndOfFile, McapError, RecordLengthLimitExceeded
from mcap.opcode import Opcode
from mcap.reader import SeekingReader
from mcap.records import Channel, Chunk, Message, Schema
from mcap.stream_reader import get_chunk_data_stream
from mcap.summary import Summary

from lmanet_ros.bags.message import BagMessage, LeftOut, as_line, decompress

MCAP_MAGIC = b"\x89MCAP0\r\n"
MCAP_DAMAGE = (
    McapError,
    ValueError,
    OverflowError,
    struct.error,
    zstandard.ZstdError,
    MemoryError,
)
"""Errors that damaged bytes raise."""
_NO_SCHEMA = 0


def read_mcap(file: Path, report: Callable[[str], None], left_out: LeftOut) -> Iterator[BagMessage]:
    """Messages in the order of the file, those of a chunk in the order of their times.

    Args:
        file: that begins with `MCAP_MAGIC`.
        report: called with a sentence for each part of the file that cannot be read.
        left_out: gets the single messages that cannot be read.

    Raises:
        One of `MCAP_DAMAGE`: nothing more can be read.
    """
    with file.open("rb") as stream:
        summary = _summary(stream)
        topics = _Topics(summary)
        chunks = sorted(index.chunk_start_offset for index in summary.chunk_indexes)
        for opcode, content in _file_records(stream, file.stat().st_size, chunks, report):
            if opcode == Opcode.CHUNK:
                records = _chunk_records(content, report)
            else:
                records = iter([(opcode, content)])
            messages = []
            for part, data in records:
                try:
                    if part == Opcode.MESSAGE:
                        messages.append(Message.read(_stream(data), len(data)))
                    else:
                        topics.learn(part, data)
                except MCAP_DAMAGE as error:
                    left_out.add(f"a record is damaged ({as_line(error)})")
            for message in sorted(messages, key=lambda message: message.log_time):
                readable = topics.message(message, left_out)
                if readable:
                    yield readable


class _Topics:
    """What a file says of its channels."""

    def __init__(self, summary: Summary) -> None:
        self._schemas = dict(summary.schemas)
        self._channels = dict(summary.channels)

    def learn(self, opcode: int, content: bytes) -> None:
        if opcode == Opcode.SCHEMA:
            schema = Schema.read(_stream(content))
            self._schemas[schema.id] = schema
        elif opcode == Opcode.CHANNEL:
            channel = Channel.read(_stream(content))
            self._channels[channel.id] = channel

    def message(self, message: Message, left_out: LeftOut) -> BagMessage | None:
        time = message.log_time
        channel = self._channels.get(message.channel_id)
        if channel is None:
            left_out.add(f"nothing says what channel {message.channel_id} is", time)
            return None
        schema = self._schemas.get(channel.schema_id)
        if schema is None:
            why = "has no" if channel.schema_id == _NO_SCHEMA else "has lost its"
            left_out.add(f"{channel.topic} ({channel.message_encoding}) {why} schema", time)
            return None
        try:
            data = decompress(message.data)
        except MCAP_DAMAGE as error:
            left_out.add(f"of {channel.topic}, damaged ({as_line(error)})", time)
            return None
        return BagMessage(channel.topic, schema.name, time, data, channel.message_encoding)


def _summary(stream: IO[bytes]) -> Summary:
    """The copies at the end of a file of what lies scattered in it, if they are there."""
    try:
        return SeekingReader(stream).get_summary() or Summary()
    except (*MCAP_DAMAGE, OSError):  # OSError: the file is shorter than a footer.
        return Summary()


def _file_records(
    stream: IO[bytes], size: int, chunks: list[int], report: Callable[[str], None]
) -> Iterator[tuple[int, bytes]]:
    """Opcode and content of the records of a file up to its footer.

    Args:
        stream: the file, `size` bytes.
        chunks: where chunks begin, by the index if there is one: where reading can go on.
        report: called with a sentence for what is skipped.
    """
    position = len(MCAP_MAGIC)
    while True:
        stream.seek(position)
        try:
            for opcode, content in _records(stream, size):
                yield opcode, content
                if opcode == Opcode.FOOTER:
                    return
                position = stream.tell()
            raise EndOfFile("the footer is missing")
        except (McapError, struct.error) as error:
            following = bisect_right(chunks, position)
            if following == len(chunks):
                raise
            report(
                f"what lies between byte {position} and the chunk at byte {chunks[following]} "
                f"is left out ({as_line(error)})"
            )
            position = chunks[following]


def _chunk_records(content: bytes, report: Callable[[str], None]) -> Iterator[tuple[int, bytes]]:
    """Opcode and content of the records of a chunk, as far as they can be read."""
    place = "its times are not known"
    try:
        chunk = Chunk.read(_stream(content))
        begin, end = chunk.message_start_time / 1e9, chunk.message_end_time / 1e9
        place = f"{begin:.3f} s to {end:.3f} s"
        unpacked, size = get_chunk_data_stream(chunk, validate_crc=True)
    except (*MCAP_DAMAGE, RuntimeError) as error:  # RuntimeError is all that lz4 raises.
        report(f"a damaged chunk is left out, {place} ({as_line(error)})")
        return
    try:
        yield from _records(BytesIO(unpacked.read(size)), size)
    except (McapError, struct.error) as error:
        report(f"the end of a damaged chunk is left out, {place} ({as_line(error)})")


def _records(stream: IO[bytes], size: int) -> Iterator[tuple[int, bytes]]:
    """Opcode and content of the records from where the stream stands to its end."""
    while stream.tell() < size:
        opcode, length = struct.unpack("<BQ", stream.read(9))
        if length > size - stream.tell():
            raise RecordLengthLimitExceeded(opcode, length, size - stream.tell())
        yield opcode, stream.read(length)


def _stream(content: bytes) -> ReadDataStream:
    return ReadDataStream(BytesIO(content))
