"""How recordings are written; nothing here needs ROS."""

from __future__ import annotations

from dataclasses import dataclass

STORAGES = ("mcap", "sqlite3")
"""'mcap' in compressed chunks."""
IMAGE_FORMATS = ("raw", "jpeg", "png")


@dataclass(frozen=True)
class BagFormat:
    """How a recording is written."""

    storage: str = "mcap"
    """One of `STORAGES`."""
    images: str = "raw"
    """One of `IMAGE_FORMATS`."""
