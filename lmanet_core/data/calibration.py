"""Frames to calibrate a quantised network with: of a recording, a video, a folder or the street."""

from __future__ import annotations

from itertools import islice

import numpy as np

from lmanet_core.data.synthetic import StreetConfig, StreetVideo
from lmanet_core.data.video_files import read_video

SYNTHETIC = "synthetic"

_SEEDS = (2**31 + 1000, 2**31 + 1001)
"""Seeds of streets that neither training nor the benchmarks draw."""


def calibration_frames(
    source: str, frames: int, held_out: int, size: tuple[int, int], topic: str = ""
) -> tuple[list[np.ndarray], list[np.ndarray]]:
    """Frames to calibrate with, and those that follow them to compare on.

    Args:
        source: `SYNTHETIC`, or path of a rosbag2, of a video file or of a folder of images.
        frames, held_out: how many of each at most; of a shorter source a quarter is held out.
        size: (width, height) of the street.
        topic: topic of the recording; empty: its only camera.

    Returns:
        (H, W, 3) uint8, RGB, each.

    Raises:
        ValueError: the source cannot be read, or has less than two frames.
    """
    if source == SYNTHETIC:
        config = StreetConfig(size=size, noise=8, flicker=0.05)
        streets = [(image for image, _ in StreetVideo(seed, config)) for seed in _SEEDS]
        return list(islice(streets[0], frames)), list(islice(streets[1], held_out))
    read = list(islice(read_video(source, topic), frames + held_out))
    if len(read) < 2:
        raise ValueError(f"{source}: expected two images or more, got {len(read)}")
    held_out = max(len(read) - frames, min(held_out, max(1, len(read) // 4)))
    return read[:-held_out], read[-held_out:]
