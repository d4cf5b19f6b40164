"""New recordings."""

from __future__ import annotations

import sqlite3
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path
from typing import Any

from lmanet_core.output.files import replacing_folder
from lmanet_ros.messages.message_types import type_name

try:
    from rosbags.rosbag2 import CompressionFormat, CompressionMode, StoragePlugin, Writer
    from rosbags.typesys import Stores, get_typestore
except ModuleNotFoundError as error:
    raise ModuleNotFoundError(
        f"recordings need the package '{error.name}': pip install 'lmanet_ros[evaluation]'",
        name=error.name,
    ) from None


class BagWriter:
    """A rosbag2 that is written while the context lasts, and in its place when that has ended.

    After an error what has been recorded by then is there, unless another recording was.

    Args:
        path: folder to make; a recording that is there is replaced.
        storage: 'mcap', in compressed chunks, or 'sqlite3'.

    Raises:
        OSError: the recording cannot be written; it names `path`.
    """

    def __init__(self, path: Path, storage: str = "mcap") -> None:
        self._path = path
        self._storage = storage
        self._typestore = get_typestore(Stores.ROS2_JAZZY)
        self._closing = ExitStack()

    def add_topic(self, topic: str, message_type: Any) -> Callable[[int, bytes], None]:
        """Add a topic of a type of ROS' own packages.

        Returns:
            A function that writes a message: when it was received, in nanoseconds, and serialized.
        """
        with self._told_path():
            connection = self._writer.add_connection(
                topic, type_name(message_type), typestore=self._typestore
            )

        def write(received: int, data: bytes) -> None:
            with self._told_path():
                self._writer.write(connection, received, data)

        return write

    def __enter__(self) -> BagWriter:
        with ExitStack() as stack:
            folder = stack.enter_context(replacing_folder(self._path))
            self._writer = Writer(
                folder, version=9, storage_plugin=StoragePlugin[self._storage.upper()]
            )
            if self._storage == "mcap":
                self._writer.set_compression(CompressionMode.STORAGE, CompressionFormat.ZSTD)
            with self._told_path():
                self._writer.open()
            stack.push(self._close)
            self._closing = stack.pop_all()
        return self

    def __exit__(self, *error: Any) -> None:
        self._closing.__exit__(*error)

    def _close(self, *error: object) -> None:
        # Even after an error: what has been recorded by then can be looked at.
        with self._told_path():
            self._writer.close()

    @contextmanager
    def _told_path(self) -> Iterator[None]:
        """Name the recording where an error of writing does not."""
        try:
            yield
        except (OSError, sqlite3.Error) as error:
            reason = getattr(error, "strerror", None) or error
            raise OSError(f"{self._path} cannot be written: {reason}") from None
