"""The field's standard corruptions, for judging alone: no training here has seen them.

Source: Hendrycks and Dietterich, ICLR 2019; for Cityscapes: Kamann and Rother, CVPR 2020; from
the package `imagecorruptions`, in the fork that works with NumPy 2.
"""

from __future__ import annotations

import inspect

import numpy as np

from lmanet_core.data.corrupted_video import FrameInRun, with_corrupted_frames
from lmanet_core.data.video import VideoDataset
from lmanet_core.program.extras import needs_extra

CORRUPTIONS = (
    *("gaussian_noise", "shot_noise", "impulse_noise"),
    *("defocus_blur", "glass_blur", "motion_blur", "zoom_blur"),
    *("snow", "frost", "fog", "brightness"),
    *("contrast", "elastic_transform", "pixelate", "jpeg_compression"),
)
"""The fifteen whose mean is reported."""
SEVERITIES = range(1, 6)
SMALLEST_SIDE = 32
"""Pixels of the smallest side of images that can be corrupted."""


def standard_corruption(image: np.ndarray, name: str, severity: int, seed: int) -> np.ndarray:
    """A corrupted copy of an image, (H, W, 3) uint8, RGB; the same for the same seed.

    Args:
        image: H and W at least 32.
        name: one of `CORRUPTIONS`.
        severity: 1 to 5.
        seed: seed of what is drawn.

    Raises:
        ValueError: an argument is out of range.
        MissingExtraError: the package is not installed.
    """
    if name not in CORRUPTIONS:
        raise ValueError(f"corruption must be one of {', '.join(CORRUPTIONS)}, got {name!r}")
    if severity not in SEVERITIES:
        raise ValueError(f"severity must be in 1..5, got {severity}")
    if min(image.shape[:2]) < SMALLEST_SIDE:
        height, width = image.shape[:2]
        raise ValueError(f"images to corrupt must have sides of 32 or more, got {width}x{height}")
    with needs_extra("corruptions", "Corrupting images"):
        from imagecorruptions import corruption_dict
        from PIL import Image
    function = corruption_dict[name]
    takes_seed = "seed" in inspect.signature(function).parameters
    # What the others draw comes from NumPy's one global state, which is put back.
    state = np.random.get_state()
    np.random.seed(seed)
    try:
        corrupted = function(
            Image.fromarray(image), severity, **({"seed": seed} if takes_seed else {})
        )
    finally:
        np.random.set_state(state)
    return np.asarray(corrupted).astype(np.uint8)


def with_standard_corruption(
    dataset: VideoDataset, corruption: str, severity: int, share: float = 1.0, run_length: int = 1
) -> VideoDataset:
    """The data set with that share of its frames corrupted; which ones depends on nothing else.

    Args:
        run_length: frames in a row that are corrupted together, or are not.

    Raises:
        ValueError: the share is not in 0..1, or the length is less than 1.
    """

    def corrupt_frame(image: np.ndarray, frame: FrameInRun) -> np.ndarray:
        seed = frame.random.integers(2**31, size=run_length)[frame.number]
        return standard_corruption(image, corruption, severity, int(seed))

    return with_corrupted_frames(dataset, corrupt_frame, share, run_length)
