"""Whether a frame continues the video that the memory holds."""

from __future__ import annotations

from dataclasses import dataclass

NANOSECONDS = 1_000_000_000


@dataclass(frozen=True)
class FrameIdentity:
    """What tells one video stream from another."""

    stamp: int
    """Nanoseconds."""
    frame_id: str
    size: tuple[int, int]
    """(width, height)."""


def find_break(previous: FrameIdentity, current: FrameIdentity, max_frame_gap: float) -> str | None:
    """Why `current` does not continue the video of `previous`; None if it does.

    Args:
        previous: the last frame that was segmented.
        current: the frame to be segmented next.
        max_frame_gap: longest time in seconds between two frames of a video; 0: any.
    """
    gap = (current.stamp - previous.stamp) / NANOSECONDS
    if current.frame_id != previous.frame_id:
        return f"frame_id changed from '{previous.frame_id}' to '{current.frame_id}'"
    if current.size != previous.size:
        return f"image size changed from {_format(previous.size)} to {_format(current.size)}"
    if gap < 0:
        return f"time went back by {-gap:.3f} s"
    if 0 < max_frame_gap < gap:
        return f"{gap:.3f} s between two frames exceed {max_frame_gap:.3f} s, see max_frame_gap"
    return None


def _format(size: tuple[int, int]) -> str:
    return f"{size[0]}x{size[1]}"
