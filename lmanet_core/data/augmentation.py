"""Changes that make a training clip another one, the same for all of its frames."""

from __future__ import annotations

from dataclasses import dataclass
from statistics import NormalDist

import cv2
import numpy as np

from lmanet_core.data.clips import Clip
from lmanet_core.network.classes import IGNORE_LABEL
from lmanet_core.program.settings import check_at_least

_QUANTILES = np.array([NormalDist().inv_cdf((i + 0.5) / 256) for i in range(256)])
_NORMAL = _QUANTILES / _QUANTILES.std()
"""256 equally likely numbers, of a standard deviation of 1."""


@dataclass(frozen=True)
class AugmentationConfig:
    """What is drawn for each clip. The defaults are those of the paper: mirrored or not, moved by
    0 to 2 pixels.

    Attributes:
        crop_size: (width, height) of the part that is kept; None: the size of the frames. Beyond
            the frames images are black and labels 255.
        scale: range of the factor by which frames are enlarged.
        aspect: range of the factor by which width is enlarged beyond that.
        flip: whether half of the clips are mirrored.
        translate: pixels, up to which the clip is moved to the right and down.
        class_centred: share of the crops that lie around a pixel of a class drawn from those in
            sight, so that rare ones are seen often; the others lie anywhere.
        brightness: up to how much of full scale is added or taken away.
        contrast, gamma, color: 0.1 draws factors in 1 / 1.1 .. 1.1: of the distance from the mean
            grey, of the exponent, of each colour by itself.
        blur: pixels, upper bound of the standard deviation of a blur that half of the clips get.
        noise: grey levels, upper bound of the standard deviation of the noise, which alone is new
            in every frame.
    """

    crop_size: tuple[int, int] | None = None
    scale: tuple[float, float] = (1.0, 1.0)
    aspect: tuple[float, float] = (1.0, 1.0)
    flip: bool = True
    translate: int = 2
    class_centred: float = 0.0
    brightness: float = 0.0
    contrast: float = 0.0
    gamma: float = 0.0
    color: float = 0.0
    blur: float = 0.0
    noise: float = 0.0

    def __post_init__(self) -> None:
        if self.crop_size is not None and min(self.crop_size) < 1:
            raise ValueError(f"crop_size must be (width, height), got {self.crop_size}")
        for name in ("scale", "aspect"):
            lowest, highest = getattr(self, name)
            if not 0 < lowest <= highest:
                raise ValueError(f"{name} must be a range of factors, got {(lowest, highest)}")
        amounts = ("translate", "brightness", "contrast", "gamma", "color", "blur", "noise")
        check_at_least(0, **{name: getattr(self, name) for name in amounts})
        if not 0 <= self.class_centred <= 1:
            raise ValueError(f"class_centred must be in 0..1, got {self.class_centred}")


def augment(clip: Clip, config: AugmentationConfig, random: np.random.Generator) -> Clip:
    """Draw a geometry and a light for the whole clip and apply both."""
    height, width = clip.labels.shape[1:]
    size = config.crop_size or (width, height)
    transform = _draw_transform(clip.labels[-1], size, config, random)
    labels = [warp_labels(frame, transform, size) for frame in clip.labels]
    images = [cv2.warpAffine(frame, transform, size) for frame in clip.images]
    curves = _draw_curves(config, random)
    if curves is not None:
        images = [cv2.LUT(image, curves) for image in images]
    if config.blur and random.random() < 0.5:
        deviation = random.uniform(0.1, max(0.1, config.blur))
        images = [cv2.GaussianBlur(image, (0, 0), deviation) for image in images]
    if config.noise:
        deviation = random.uniform(0, config.noise)
        images = [add_noise(image, deviation, random) for image in images]
    return Clip(np.stack(images), np.stack(labels))


def warp_labels(labels: np.ndarray, transform: np.ndarray, size: tuple[int, int]) -> np.ndarray:
    """Move (H, W) labels by a (2, 3) affine transform; 255 comes in from outside."""
    return cv2.warpAffine(
        labels, transform, size, flags=cv2.INTER_NEAREST, borderValue=IGNORE_LABEL
    )


def add_noise(image: np.ndarray, deviation: float, random: np.random.Generator) -> np.ndarray:
    """Gaussian noise of that standard deviation on (H, W, 3) uint8.

    In whole grey levels; none is beyond 2.9 standard deviations.
    """
    # One of 256 numbers for each value: ten times as fast as NumPy's own normal distribution.
    drawn = np.frombuffer(random.bytes(image.size), np.uint8).reshape(image.shape)
    grain = cv2.LUT(drawn, np.round(deviation * _NORMAL).astype(np.int16))
    return cv2.add(image, grain, dtype=cv2.CV_8U)


def _draw_transform(
    labels: np.ndarray,
    size: tuple[int, int],
    config: AugmentationConfig,
    random: np.random.Generator,
) -> np.ndarray:
    """(2, 3) affine transform from the frame to what is kept of it."""
    frame = np.array(labels.shape[::-1])
    scale = random.uniform(*config.scale)
    zoom = np.array((scale * random.uniform(*config.aspect), scale))
    scaled = np.round(frame * zoom).astype(int)
    zoom = scaled / frame
    corner = _draw_corner(labels, zoom, scaled, size, config.class_centred, random)
    shift = random.integers(0, config.translate + 1, 2) - corner
    # Pixels have their centres at half-integers of the zoomed plane.
    x, y = shift + 0.5 * (zoom - 1)
    transform = np.array(((zoom[0], 0, x), (0, zoom[1], y)))
    if config.flip and random.random() < 0.5:
        transform[0] = (0, 0, size[0] - 1) - transform[0]
    return transform


def _draw_corner(
    labels: np.ndarray,
    zoom: np.ndarray,
    scaled: np.ndarray,
    size: tuple[int, int],
    class_centred: float,
    random: np.random.Generator,
) -> np.ndarray:
    """(x, y) where the crop begins in the zoomed frame; a smaller frame lies within the crop."""
    room = scaled - size
    lowest, highest = np.minimum(room, 0), np.maximum(room, 0)
    centred = class_centred > 0 and random.random() < class_centred
    if not centred or not (present := _classes_in(labels)):
        return random.integers(lowest, highest, endpoint=True)
    row, column = _draw_pixel(labels == random.choice(present), random)
    pixel = (np.array((column, row)) * zoom).astype(int)
    return np.clip(pixel - random.integers(size), lowest, highest)


def _classes_in(labels: np.ndarray) -> list[int]:
    return np.flatnonzero(np.bincount(labels.ravel(), minlength=256)[:IGNORE_LABEL]).tolist()


def _draw_pixel(mask: np.ndarray, random: np.random.Generator) -> tuple[int, int]:
    pixels = np.flatnonzero(mask)
    row, column = divmod(int(pixels[random.integers(len(pixels))]), mask.shape[1])
    return row, column


def _draw_curves(config: AugmentationConfig, random: np.random.Generator) -> np.ndarray | None:
    """(1, 256, 3) uint8, what becomes of each value of each channel; None if nothing does."""
    if not (config.brightness or config.contrast or config.gamma or config.color):
        return None
    values = np.linspace(0, 1, 256)[:, None]
    curves = values ** draw_factor(config.gamma, random)
    curves = 0.5 + (curves - 0.5) * draw_factor(config.contrast, random)
    curves = curves * [draw_factor(config.color, random) for _ in range(3)]
    curves = curves + random.uniform(-config.brightness, config.brightness)
    return np.clip(np.round(255 * curves), 0, 255).astype(np.uint8)[None]


def draw_factor(spread: float, random: np.random.Generator) -> float:
    """A factor in 1 / (1 + spread) .. 1 + spread, as likely up as down."""
    return float((1 + spread) ** random.uniform(-1, 1))
