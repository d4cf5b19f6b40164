"""New recordings."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from types import TracebackType
from typing import Any

try:
    from rosbags.rosbag2 import CompressionFormat, CompressionMode, StoragePlugin, Writer
    from rosbags.typesys import Stores, get_typestore
except ModuleNotFoundError as error:
    raise ModuleNotFoundError(
        f"recordings need the package '{error.name}': pip install 'lmanet_ros[evaluation]'",
        name=error.name,
    ) from None

STORAGES = {"mcap": StoragePlugin.MCAP, "sqlite3": StoragePlugin.SQLITE3}


class BagWriter:
    """A rosbag2 that is written while the context lasts.

    Args:
        path: folder to make; it must not be there yet.
        storage: 'mcap', in compressed chunks, or 'sqlite3'.
    """

    def __init__(self, path: Path, storage: str = "mcap") -> None:
        self._writer = Writer(path, version=9, storage_plugin=STORAGES[storage])
        if storage == "mcap":
            self._writer.set_compression(CompressionMode.STORAGE, CompressionFormat.ZSTD)
        self._typestore = get_typestore(Stores.ROS2_JAZZY)

    def add_topic(self, topic: str, message_type: Any) -> Callable[[int, bytes], None]:
        """Add a topic of a type of ROS' own packages.

        Returns:
            A function that writes a message: when it was received, in nanoseconds, and serialized.
        """
        connection = self._writer.add_connection(
            topic, type_name(message_type), typestore=self._typestore
        )
        return lambda received, data: self._writer.write(connection, received, data)

    def __enter__(self) -> BagWriter:
        self._writer.open()
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        # Closed even after an error: what has been recorded by then can be looked at.
        self._writer.close()


def type_name(message_type: Any) -> str:
    """The name of a message class as recordings have it, such as 'sensor_msgs/msg/Image'."""
    package = message_type.__module__.partition(".")[0]
    return f"{package}/msg/{message_type.__name__}"
