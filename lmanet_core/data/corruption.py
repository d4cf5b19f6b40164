"""Frames corrupted at random, so that it pays to remember those before them."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass

import cv2
import numpy as np

from lmanet_core.data import camera_faults
from lmanet_core.data.augmentation import draw_factor
from lmanet_core.data.clips import Clip, ClipsOfSource, ClipSource
from lmanet_core.data.corrupted_video import FrameInRun, with_corrupted_frames
from lmanet_core.data.video import VideoDataset
from lmanet_core.program.settings import check_at_least

MOST_AT_ONCE = 2
"""Corruptions of one frame."""
SHARES = (
    *("chance", "compression", "cover", "haze", "rain", "dirt"),
    *("night", "banding", "lost_pixels"),
)
"""What is in 0..1."""


@dataclass(frozen=True)
class CorruptionConfig:
    """How frames are corrupted: by one or two of the settings that are not 0, drawn for each frame.

    The first five are what every memory learns from. The others, 0 unless asked for, are what a
    camera sees on a bad day, see `lmanet_core.data.camera_faults`. Lengths are in pixels of the
    frame as it is then.

    Attributes:
        chance: share of the frames that it happens to.
        noise: grey levels, upper bound of the noise's standard deviation.
        blur: pixels, upper bound of the blur's standard deviation.
        exposure: 0.5 draws factors of the brightness in 1 / 1.5 .. 1.5.
        compression: 0..1, upper bound of what JPEG takes away; 0.9 is its quality 10.
        cover: upper bound of the sides of a patch of one colour, as a share of the frame's.
        haze: 0..1, upper bound of the share of what is farthest that haze hides.
        rain: 0..1, upper bound of how heavily it rains or snows.
        dirt: 0..1, upper bound of the share of the glass that is dirty, icy or wet.
        defocus: pixels, upper bound of the radius of the disc that a point becomes.
        motion: pixels, upper bound of the length of the line that a point becomes.
        night: 0..1, upper bound of how dark it is; 1 is a night under lamps.
        banding: 0..1, upper bound of how much brighter or darker some rows are.
        grain: grey levels, upper bound of the deviation of noise that is wider than a pixel.
        lost_pixels: 0..1, upper bound of the share of values that are 0 or 255.
        low_bit_rate: 3 leaves down to a quarter of the pixels along each side, coarsely compressed.
        run_length: frames in a row that are corrupted together, in the same ways: a gust, a tunnel.
    """

    chance: float = 0.6
    noise: float = 25.0
    blur: float = 2.5
    exposure: float = 0.8
    compression: float = 0.9
    cover: float = 0.4
    haze: float = 0.0
    rain: float = 0.0
    dirt: float = 0.0
    defocus: float = 0.0
    motion: float = 0.0
    night: float = 0.0
    banding: float = 0.0
    grain: float = 0.0
    lost_pixels: float = 0.0
    low_bit_rate: float = 0.0
    run_length: int = 1

    def __post_init__(self) -> None:
        check_at_least(1, run_length=self.run_length)
        check_at_least(0, **{name: getattr(self, name) for name in _CORRUPTIONS})
        for name in SHARES:
            if not 0 <= getattr(self, name) <= 1:
                raise ValueError(f"{name} must be in 0..1, got {getattr(self, name)}")


class CorruptedClips(ClipsOfSource):
    """The clips of a source, some of their frames corrupted. Labels stay as they are.

    Args:
        source: of clips.
        config: how.
        last_only: whether no frame but the last can be.
    """

    def __init__(
        self, source: ClipSource, config: CorruptionConfig, last_only: bool = False
    ) -> None:
        super().__init__(source)
        self._config = config
        self._last_only = last_only

    def clip(self, index: int, random: np.random.Generator) -> Clip:
        clip = self._source.clip(index, random)
        images = list(clip.images)
        for run in [[-1]] if self._last_only else self._runs(len(images), random):
            if random.random() < self._config.chance:
                names = _draw_corruptions(self._config, random)
                for frame in run:
                    images[frame] = _apply(names, images[frame], self._config, random)
        return Clip(np.stack(images), clip.labels)

    def _runs(self, frames: int, random: np.random.Generator) -> list[list[int]]:
        """All frames in their order, parted anywhere."""
        length = self._config.run_length
        first = -int(random.integers(length)) if length > 1 else 0
        starts = range(first, frames, length)
        return [list(range(max(0, start), min(frames, start + length))) for start in starts]


class ClipsWithCorruptedCopies(ClipsOfSource):
    """Clips of each frame followed by a corrupted copy. Labels stay as they are.

    Args:
        source: of clips of one frame.
        config: how; its chance does not matter.
    """

    def __init__(self, source: ClipSource, config: CorruptionConfig) -> None:
        super().__init__(source)
        self._config = config

    def clip(self, index: int, random: np.random.Generator) -> Clip:
        clip = self._source.clip(index, random)
        copies = [corrupt(image, self._config, random) for image in clip.images]
        images = np.concatenate([clip.images, np.stack(copies)])
        return Clip(images, np.concatenate([clip.labels, clip.labels]))


def corrupt_dataset(dataset: VideoDataset, config: CorruptionConfig) -> VideoDataset:
    """The data set with some frames corrupted, to see whether a memory bridges them."""

    def corrupt_frame(image: np.ndarray, frame: FrameInRun) -> np.ndarray:
        names = _draw_corruptions(config, frame.random)
        # The same corruptions, but each frame has noise of its own.
        own = np.random.default_rng((*frame.seed, frame.number)) if frame.number else frame.random
        return _apply(names, image, config, own)

    return with_corrupted_frames(dataset, corrupt_frame, config.chance, config.run_length)


def corrupt(image: np.ndarray, config: CorruptionConfig, random: np.random.Generator) -> np.ndarray:
    """A corrupted copy of an image, (H, W, 3) uint8."""
    return _apply(_draw_corruptions(config, random), image, config, random)


def _draw_corruptions(config: CorruptionConfig, random: np.random.Generator) -> list[str]:
    """Names, in the order in which a camera does it, whatever was drawn first."""
    names = [name for name in _CORRUPTIONS if getattr(config, name) > 0]
    number = min(len(names), int(random.integers(1, MOST_AT_ONCE + 1)))
    chosen = random.choice(len(names), number, replace=False) if names else ()
    return [names[index] for index in sorted(chosen)]


def _apply(
    names: Sequence[str], image: np.ndarray, config: CorruptionConfig, random: np.random.Generator
) -> np.ndarray:
    for name in names:
        image = _CORRUPTIONS[name](image, getattr(config, name), random)
    return image


def _cover(image: np.ndarray, largest: float, random: np.random.Generator) -> np.ndarray:
    shape = np.array(image.shape[:2])
    sides = (shape * random.uniform(0, largest, 2)).astype(int)
    top, left = random.integers(shape - sides, endpoint=True)
    covered = image.copy()
    covered[top : top + sides[0], left : left + sides[1]] = random.integers(256, size=3)
    return covered


def _blur(image: np.ndarray, largest: float, random: np.random.Generator) -> np.ndarray:
    # A blur of less does nothing, and OpenCV takes 0 for a request to choose itself.
    return cv2.GaussianBlur(image, (0, 0), max(0.1, random.uniform(0, largest)))


def _expose(image: np.ndarray, spread: float, random: np.random.Generator) -> np.ndarray:
    return cv2.convertScaleAbs(image, alpha=draw_factor(spread, random))


_CORRUPTIONS: dict[str, Callable[[np.ndarray, float, np.random.Generator], np.ndarray]] = {
    "haze": camera_faults.haze,
    "rain": camera_faults.rain,
    "cover": _cover,
    "dirt": camera_faults.dirt,
    "defocus": camera_faults.defocus,
    "motion": camera_faults.motion,
    "blur": _blur,
    "night": camera_faults.night,
    "exposure": _expose,
    "banding": camera_faults.banding,
    "noise": camera_faults.noise,
    "grain": camera_faults.grain,
    "lost_pixels": camera_faults.lost_pixels,
    "low_bit_rate": camera_faults.low_bit_rate,
    "compression": camera_faults.compress,
}
"""Field of `CorruptionConfig` -> what it does, in the order from scene to file."""
