"""What the node's diagnostics say, for those who listen to it."""

from __future__ import annotations

from typing import Any


def frame_counts(diagnostics: Any) -> dict[str, int]:
    """What happened to the frames: the whole numbers in a DiagnosticArray of the node, by name."""
    return {
        value.key: int(value.value)
        for status in diagnostics.status
        for value in status.values
        if value.value.isdigit()
    }
