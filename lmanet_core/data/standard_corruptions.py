"""The field's standard corruptions, for judging alone: no training here has seen them.

Source: Hendrycks and Dietterich, ICLR 2019; for Cityscapes: Kamann and Rother, CVPR 2020; from
the package `imagecorruptions`, in the fork that works with NumPy 2.
"""

from __future__ import annotations

import inspect
from collections.abc import Sequence
from dataclasses import dataclass, replace

import numpy as np

from lmanet_core.data.video import Video, VideoDataset
from lmanet_core.program.extras import needs_extra
from lmanet_core.program.settings import check_at_least

CORRUPTIONS = (
    *("gaussian_noise", "shot_noise", "impulse_noise"),
    *("defocus_blur", "glass_blur", "motion_blur", "zoom_blur"),
    *("snow", "frost", "fog", "brightness"),
    *("contrast", "elastic_transform", "pixelate", "jpeg_compression"),
)
"""The fifteen whose mean is reported."""
SEVERITIES = range(1, 6)
SMALLEST_SIDE = 32
"""In pixels, of images that can be corrupted."""


def standard_corruption(image: np.ndarray, name: str, severity: int, seed: int) -> np.ndarray:
    """A corrupted copy of an image, (H, W, 3) uint8, RGB; the same for the same seed.

    Args:
        image: H and W at least 32.
        name: one of `CORRUPTIONS`.
        severity: 1 to 5.
        seed: of what is drawn.

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


@dataclass(frozen=True)
class VideoWithStandardCorruption:
    """A video some of whose frames are corrupted, the same ones, and alike, whenever it is read."""

    video: Video
    corruption: str
    severity: int
    share: float
    seed: int
    run_length: int = 1

    @property
    def name(self) -> str:
        return self.video.name

    @property
    def labelled(self) -> Sequence[int]:
        return self.video.labelled

    def __len__(self) -> int:
        return len(self.video)

    def image(self, index: int) -> np.ndarray:
        image = self.video.image(index)
        run, number = divmod(index, self.run_length)
        random = np.random.default_rng((self.seed, run))
        if random.random() >= self.share:
            return image
        seed = random.integers(2**31, size=self.run_length)[number]
        return standard_corruption(image, self.corruption, self.severity, int(seed))

    def labels(self, index: int) -> np.ndarray | None:
        return self.video.labels(index)


def with_standard_corruption(
    dataset: VideoDataset, corruption: str, severity: int, share: float = 1.0, run_length: int = 1
) -> VideoDataset:
    """The data set with that share of its frames corrupted; which ones depends on nothing else.

    Args:
        run_length: frames in a row that are corrupted together, or are not.

    Raises:
        ValueError: the share is not in 0..1, or the length is less than 1.
    """
    check_at_least(1, run_length=run_length)
    if not 0 <= share <= 1:
        raise ValueError(f"share must be in 0..1, got {share}")
    videos = (
        VideoWithStandardCorruption(video, corruption, severity, share, seed, run_length)
        for seed, video in enumerate(dataset.videos)
    )
    return replace(dataset, videos=tuple(videos))
