"""Messages of an SQLite file of a rosbag2, whole or not."""

from __future__ import annotations

import sqlite3
from collections.abc import Iterable, Iterator
from contextlib import closing
from functools import partial
from pathlib import Path
from typing import Any
from urllib.parse import quote

import zstandard

from lmanet_ros.bags.message import BagMessage, LeftOut, as_line, decompress

SQLITE_MAGIC = b"SQLite format 3\0"
LOG_SUFFIX = "-wal"
"""Ending of the write-ahead log, which holds the last messages of a recorder that was killed."""
LONGEST_DAMAGE = 10_000
"""Rows one after the other that cannot be read, before the rest is given up: the number of a
damaged row may be as large as any."""


def read_sqlite(file: Path, left_out: LeftOut) -> Iterator[BagMessage]:
    """Messages in the order of their times or, where that cannot be told, of the file.

    Args:
        file: that begins with `SQLITE_MAGIC`. If there is a write-ahead log beside it, SQLite
            writes into the folder.
        left_out: gets the messages that cannot be read.

    Raises:
        sqlite3.Error: nothing more can be read.
    """
    has_log = file.with_name(file.name + LOG_SUFFIX).exists()
    uri = f"file:{quote(str(file))}?{'mode=ro' if has_log else 'immutable=1'}"
    with closing(sqlite3.connect(uri, uri=True)) as database:
        # Without it SQLite refuses a file that is shorter than its header says.
        database.execute("PRAGMA writable_schema=ON")
        database.text_factory = partial(str, encoding="utf-8", errors="replace")
        topics = _topics(database)
        rows = _rows_by_number(database, left_out)
        if (numbers := _numbers_by_time(database)) is not None:
            rows = _rows(database, numbers, left_out)
        for number, received, data in rows:
            # SQLite keeps any type of value in any column.
            if not isinstance(received, int) or received < 0:
                left_out.add(f"its time is {received!r}")
                continue
            if number not in topics:
                left_out.add(f"nothing says what topic {number!r} is", received)
                continue
            topic, message_type, encoding = topics[number]
            try:
                yield BagMessage(topic, message_type, received, decompress(data), encoding)
            except (zstandard.ZstdError, AttributeError, TypeError, MemoryError) as error:
                # The errors in between: no bytes.
                left_out.add(f"of {topic}, damaged ({as_line(error)})", received)


def _topics(database: sqlite3.Connection) -> dict[object, tuple[str, str, str]]:
    """Name, type and encoding by number."""
    rows = database.execute("SELECT id, name, type, serialization_format FROM topics")
    return {
        number: (name, message_type, encoding)
        for number, name, message_type, encoding in rows
        if all(isinstance(text, str) for text in (name, message_type, encoding))
    }


def _numbers_by_time(database: sqlite3.Connection) -> list[int] | None:
    """Numbers of all rows in the order of their times; None if they are in it, or damaged."""
    rows: list[tuple[int, int]] = []
    try:
        # Not by the index on time: that is spread over the file, and damaged with it.
        query = "SELECT id, timestamp FROM messages NOT INDEXED"
        for number, received in database.execute(query):
            if not isinstance(received, int) or (rows and number <= rows[-1][1]):
                return None
            rows.append((received, number))
    except sqlite3.Error:
        return None
    ordered = sorted(rows)
    return None if ordered == rows else [number for _, number in ordered]


def _rows(
    database: sqlite3.Connection, numbers: Iterable[int], left_out: LeftOut
) -> Iterator[tuple[Any, ...]]:
    """Topic, time and data of these rows."""
    for number in numbers:
        try:
            yield database.execute(
                "SELECT topic_id, timestamp, data FROM messages WHERE id = ?", (number,)
            ).fetchone()
        except sqlite3.Error as error:
            left_out.add(f"the file is damaged where it was ({as_line(error)})")


def _rows_by_number(database: sqlite3.Connection, left_out: LeftOut) -> Iterator[tuple[Any, ...]]:
    """Topic, time and data of each message; what cannot be read is stepped over."""
    last, passed, damaged = -1, 0, 0
    while True:
        try:
            # One at a time: Python reads ahead, and an error would cost the row before it, too.
            row = database.execute(
                "SELECT id, topic_id, timestamp, data FROM messages WHERE id > ? "
                "ORDER BY id LIMIT 1",
                (last,),
            ).fetchone()
            if row and row[0] <= last:
                raise sqlite3.DatabaseError("rows are out of order")
        except sqlite3.Error as error:
            passed, damaged = passed + 1, damaged + 1
            if last >= _ask(database, "max(id)") or damaged > LONGEST_DAMAGE:
                raise
            last += 1
            left_out.add(f"the file is damaged where it was ({as_line(error)})")
            continue
        if row is None:
            for _ in range(passed, _ask(database, "count(*)")):
                left_out.add("the file is damaged on the way to it")
            return
        last, passed, damaged = row[0], passed + 1, 0
        yield row[1:]


def _ask(database: sqlite3.Connection, figure: str) -> int:
    """A figure of all messages; -1 if that cannot be read, either: the file is cut off."""
    try:
        return int(database.execute(f"SELECT {figure} FROM messages").fetchone()[0])
    except (sqlite3.Error, TypeError):  # TypeError: of no row.
        return -1
