"""How good and how fast the node's answers in a recording are."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np


@dataclass(frozen=True)
class Score:
    """Figures of a recording; times in milliseconds.

    Attributes:
        frames: what happened to the frames, by the node's own account.
        answered: frames in the recording with all outputs; the figures below are about them.
        latency_p50, latency_p95: from the stamp of an image to the arrival of its labels.
        iou: of each class, of the node's labels against the exact ones; None without those.
        single_frame_iou: the same for a network that sees one frame at a time.
    """

    frames: dict[str, int]
    answered: int
    latency_p50: float
    latency_p95: float
    iou: np.ndarray | None
    single_frame_iou: np.ndarray | None
