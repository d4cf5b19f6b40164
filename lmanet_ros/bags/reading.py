"""Messages of any rosbag2, healthy or not: MCAP and SQLite, whole or cut off, compressed or not."""

from __future__ import annotations

import re
import sqlite3
import struct
import tempfile
from collections.abc import Callable, Iterator
from contextlib import closing
from dataclasses import dataclass
from pathlib import Path
from urllib.parse import quote

import yaml
import zstandard
from mcap.exceptions import McapError
from mcap.records import Channel, Chunk, McapRecord, Message, Schema
from mcap.stream_reader import StreamReader, breakup_chunk

STORAGE_SUFFIXES = (".mcap", ".db3")
COMPRESSED_SUFFIX = ".zstd"
"""Follows the storage's suffix when whole files are compressed."""
METADATA = "metadata.yaml"
ZSTD_MAGIC = b"\x28\xb5\x2f\xfd"

# What the libraries raise for bytes that are not what they should be.
_DAMAGE = (McapError, ValueError, KeyError, struct.error, zstandard.ZstdError, sqlite3.Error)


class BagError(ValueError):
    """A recording cannot be used at all; the message says which and why."""


@dataclass(frozen=True)
class BagMessage:
    """A message as it was recorded."""

    topic: str
    message_type: str
    """As in 'sensor_msgs/msg/Image'."""
    received: int
    """When it was recorded, nanoseconds."""
    data: bytes
    """Serialized (CDR)."""


def read_bag(
    path: Path, report: Callable[[str], None] = lambda problem: None
) -> Iterator[BagMessage]:
    """Messages in the order in which they were recorded, as far as they can be read.

    Neither an index nor metadata is needed, so a recording whose end is missing gives what is left
    of it. Other libraries read rosbag2 by the index at its end.

    Args:
        path: folder of a rosbag2 or one of its files.
        report: called with a sentence for everything that cannot be read.

    Raises:
        BagError: there is no recording at `path`.
    """
    files = _storage_files(path)
    if path.is_dir():
        _check_metadata(path, report)
    return _read_files(files, report)


def is_recording(path: Path) -> bool:
    """Whether a path is a folder with nothing in it but what belongs to a rosbag2."""
    return path.is_dir() and all(
        file.name == METADATA or _storage_suffix(file) in STORAGE_SUFFIXES
        for file in path.iterdir()
    )


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


def _storage_files(path: Path) -> list[Path]:
    if not path.exists():
        raise BagError(f"no recording '{path}': expected the folder of a rosbag2 or a file of one")
    files = sorted(path.iterdir(), key=_numbers_by_value) if path.is_dir() else [path]
    files = [file for file in files if _storage_suffix(file) in STORAGE_SUFFIXES]
    if not files:
        raise BagError(
            f"no recording in '{path}': expected {' or '.join(STORAGE_SUFFIXES)} files, "
            f"or the same with {COMPRESSED_SUFFIX} appended"
        )
    return files


def _numbers_by_value(file: Path) -> list[str | int]:
    """A sort key by which part 10 of a recording follows part 9."""
    return [int(part) if part.isdigit() else part for part in re.split(r"(\d+)", file.name)]


def _storage_suffix(file: Path) -> str:
    return file.with_suffix("").suffix if file.suffix == COMPRESSED_SUFFIX else file.suffix


def _check_metadata(folder: Path, report: Callable[[str], None]) -> None:
    try:
        text = (folder / METADATA).read_text()
        listed = yaml.safe_load(text)["rosbag2_bagfile_information"]["relative_file_paths"]
        missing = [name for name in listed if not (folder / Path(name).name).exists()]
    except FileNotFoundError:
        report(f"{METADATA} is missing: the recording was never finished")
    except (yaml.YAMLError, OSError, KeyError, TypeError, ValueError) as error:
        report(f"{METADATA} cannot be read: {_line(error)}")
    else:
        for name in missing:
            report(f"{name}: {METADATA} names this file, but it is missing")


def _read_files(files: list[Path], report: Callable[[str], None]) -> Iterator[BagMessage]:
    for file in files:

        def report_of_file(problem: str, name: str = file.name) -> None:
            report(f"{name}: {problem}")

        if file.suffix != COMPRESSED_SUFFIX:
            yield from _read_storage(file, report_of_file)
            continue
        with tempfile.TemporaryDirectory() as folder:
            unpacked = Path(folder) / file.stem
            _decompress_file(file, unpacked, report_of_file)
            yield from _read_storage(unpacked, report_of_file)


def _decompress_file(source: Path, target: Path, report: Callable[[str], None]) -> None:
    with source.open("rb") as reader, target.open("wb") as writer:
        try:
            zstandard.ZstdDecompressor().copy_stream(reader, writer)
        except zstandard.ZstdError as error:
            report(f"decompressed up to an error: {_line(error)}")


def _read_storage(file: Path, report: Callable[[str], None]) -> Iterator[BagMessage]:
    read = _read_mcap if file.suffix == ".mcap" else _read_sqlite
    received: int | None = None
    try:
        for message in read(file, report):
            received = message.received
            yield message
    except _DAMAGE as error:
        place = "at its beginning" if received is None else f"after {received / 1e9:.3f} s"
        report(f"cut off or damaged {place} ({_line(error)})")


def _read_mcap(file: Path, report: Callable[[str], None]) -> Iterator[BagMessage]:
    schemas: dict[int, Schema] = {}
    channels: dict[int, Channel] = {}
    with file.open("rb") as stream:
        # A damaged length must not ask for more memory than there is.
        limit = file.stat().st_size
        for record in StreamReader(stream, emit_chunks=True, record_size_limit=limit).records:
            messages = []
            for part in _parts(record, report):
                if isinstance(part, Schema):
                    schemas[part.id] = part
                elif isinstance(part, Channel):
                    channels[part.id] = part
                elif isinstance(part, Message):
                    messages.append(part)
            for message in sorted(messages, key=lambda message: message.log_time):
                channel = channels[message.channel_id]
                yield BagMessage(
                    channel.topic,
                    schemas[channel.schema_id].name,
                    message.log_time,
                    _decompress(message.data),
                )


def _parts(record: McapRecord, report: Callable[[str], None]) -> list[McapRecord]:
    """The records of a chunk, and any other record by itself."""
    if not isinstance(record, Chunk):
        return [record]
    try:
        return breakup_chunk(record, validate_crc=True)
    except (*_DAMAGE, RuntimeError) as error:  # RuntimeError is all that lz4 raises.
        begin, end = record.message_start_time / 1e9, record.message_end_time / 1e9
        report(f"a damaged chunk is left out, {begin:.3f} s to {end:.3f} s ({_line(error)})")
        return []


def _read_sqlite(file: Path, report: Callable[[str], None]) -> Iterator[BagMessage]:
    # A recorder that was killed may have left its last messages in the write-ahead log.
    has_log = file.with_name(f"{file.name}-wal").exists()
    uri = f"file:{quote(str(file))}?{'mode=ro' if has_log else 'immutable=1'}"
    with closing(sqlite3.connect(uri, uri=True)) as database:
        # Without it SQLite refuses a file that is shorter than its header says.
        database.execute("PRAGMA writable_schema=ON")
        topics = {row[0]: row[1:] for row in database.execute("SELECT id, name, type FROM topics")}
        # By row, not by the index on time: the index is spread over the file, and damaged with it.
        rows = database.execute("SELECT topic_id, timestamp, data FROM messages ORDER BY id")
        for topic, received, data in rows:
            name, message_type = topics[topic]
            yield BagMessage(name, message_type, received, _decompress(data))


def _decompress(data: bytes) -> bytes:
    """Undo rosbag2's compression of single messages; no serialized message begins like that."""
    if not data.startswith(ZSTD_MAGIC):
        return data
    return zstandard.ZstdDecompressor().decompressobj().decompress(data)


def _line(error: Exception) -> str:
    return " ".join(f"{type(error).__name__} {error}".split())
