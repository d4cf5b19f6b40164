"""Frames made worse than those before them, so that it pays to remember those."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace

import cv2
import numpy as np

from lmanet_core.data.augmentation import add_noise, draw_factor
from lmanet_core.data.checks import check_not_negative
from lmanet_core.data.clips import Clip, ClipsOfSource, ClipSource
from lmanet_core.data.video import Video, VideoDataset

MOST_AT_ONCE = 2
"""Ways in which one frame becomes worse."""


@dataclass(frozen=True)
class WorseningConfig:
    """What may become of a frame; one or two of what is not 0, drawn.

    Attributes:
        chance: share of the frames that it happens to.
        noise: grey levels, upper bound of the noise's standard deviation.
        blur: pixels, upper bound of the blur's standard deviation.
        exposure: 0.5 draws factors of the brightness in 1 / 1.5 .. 1.5.
        compression: 0..1, upper bound of what JPEG takes away; 0.9 is its quality 10.
        cover: upper bound of the sides of a patch of one colour, as a share of the frame's.
    """

    chance: float = 0.6
    noise: float = 25.0
    blur: float = 2.5
    exposure: float = 0.8
    compression: float = 0.9
    cover: float = 0.4

    def __post_init__(self) -> None:
        check_not_negative(noise=self.noise, blur=self.blur, exposure=self.exposure)
        for name in ("chance", "compression", "cover"):
            if not 0 <= getattr(self, name) <= 1:
                raise ValueError(f"{name} must be in 0..1, got {getattr(self, name)}")


class WorsenedClips(ClipsOfSource):
    """The clips of a source, some of their frames worse. Labels stay as they are.

    Args:
        source: of clips.
        config: how.
        last_only: whether no frame but the last can be.
    """

    def __init__(
        self, source: ClipSource, config: WorseningConfig, last_only: bool = False
    ) -> None:
        super().__init__(source)
        self._config = config
        self._last_only = last_only

    def clip(self, index: int, random: np.random.Generator) -> Clip:
        clip = self._source.clip(index, random)
        images = list(clip.images)
        for frame in (-1,) if self._last_only else range(len(images)):
            if random.random() < self._config.chance:
                images[frame] = worsen(images[frame], self._config, random)
        return Clip(np.stack(images), clip.labels)


@dataclass(frozen=True)
class WorsenedVideo:
    """A video some of whose frames are worse, the same ones whenever they are read."""

    video: Video
    config: WorseningConfig
    seed: int

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
        random = np.random.default_rng((self.seed, index))
        return worsen(image, self.config, random) if random.random() < self.config.chance else image

    def labels(self, index: int) -> np.ndarray | None:
        return self.video.labels(index)


def worsened(dataset: VideoDataset, config: WorseningConfig) -> VideoDataset:
    """The data set with some frames worse, to see whether a memory bridges them."""
    videos = (WorsenedVideo(video, config, seed) for seed, video in enumerate(dataset.videos))
    return replace(dataset, videos=tuple(videos))


def worsen(image: np.ndarray, config: WorseningConfig, random: np.random.Generator) -> np.ndarray:
    """A worse copy of an image, (H, W, 3) uint8."""
    ways = [name for name in _WAYS if getattr(config, name) > 0]
    number = min(len(ways), int(random.integers(1, MOST_AT_ONCE + 1)))
    chosen = random.choice(len(ways), number, replace=False) if ways else ()
    # In the order in which a camera does it, whatever was drawn first.
    for way in sorted(chosen):
        image = _WAYS[ways[way]](image, getattr(config, ways[way]), random)
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


def _add_noise(image: np.ndarray, largest: float, random: np.random.Generator) -> np.ndarray:
    return add_noise(image, random.uniform(0, largest), random)


def _compress(image: np.ndarray, largest: float, random: np.random.Generator) -> np.ndarray:
    quality = round(100 * (1 - random.uniform(0, largest)))
    _, data = cv2.imencode(".jpg", image, (cv2.IMWRITE_JPEG_QUALITY, quality))
    picture = cv2.imdecode(data, cv2.IMREAD_COLOR)
    assert picture is not None
    return picture


_WAYS: dict[str, Callable[[np.ndarray, float, np.random.Generator], np.ndarray]] = {
    "cover": _cover,
    "blur": _blur,
    "exposure": _expose,
    "noise": _add_noise,
    "compression": _compress,
}
"""Field of `WorseningConfig` -> what it does, in the order from scene to file."""
