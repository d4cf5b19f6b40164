"""Messages of an SQLite file of a rosbag2, whole or not."""

from __future__ import annotations

import sqlite3
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path
from urllib.parse import quote

import zstandard

from lmanet_ros.bags.message import BagMessage, LeftOut, as_line, decompress

SQLITE_MAGIC = b"SQLite format 3\0"
LOG_SUFFIX = "-wal"
"""Of the write-ahead log, which holds the last messages of a recorder that was killed."""


def read_sqlite(file: Path, left_out: LeftOut) -> Iterator[BagMessage]:
    """Messages in the order in which they were recorded.

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
        columns = "id, name, type, serialization_format"
        topics = {row[0]: row[1:] for row in database.execute(f"SELECT {columns} FROM topics")}
        for number, received, data in _rows(database, left_out):
            if number not in topics:
                left_out.add(f"nothing says what topic {number} is", received)
                continue
            topic, message_type, encoding = topics[number]
            try:
                yield BagMessage(topic, message_type, received, decompress(data), encoding)
            except (zstandard.ZstdError, AttributeError, TypeError, MemoryError) as error:
                # The errors in between: SQLite keeps any type of value in any column.
                left_out.add(f"of {topic}, damaged ({as_line(error)})", received)


def _rows(database: sqlite3.Connection, left_out: LeftOut) -> Iterator[tuple[int, int, bytes]]:
    """Topic, time and data of each message; what cannot be read is stepped over."""
    last = -1
    while True:
        try:
            # By row, not by the index on time: that is spread over the file, and damaged with it.
            # One at a time: Python reads ahead, and an error would cost the row before it, too.
            row = database.execute(
                "SELECT id, topic_id, timestamp, data FROM messages WHERE id > ? "
                "ORDER BY id LIMIT 1",
                (last,),
            ).fetchone()
        except sqlite3.Error as error:
            if last >= _last_row(database):
                raise
            last += 1
            left_out.add(f"the file is damaged where it was ({as_line(error)})")
            continue
        if row is None:
            return
        last = row[0]
        yield row[1:]


def _last_row(database: sqlite3.Connection) -> int:
    """-1 if that cannot be read, either: the file is cut off."""
    try:
        return int(database.execute("SELECT max(id) FROM messages").fetchone()[0])
    except sqlite3.Error:
        return -1
