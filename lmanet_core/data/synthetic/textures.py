"""Surfaces drawn once and stretched over the street: facades, walls, fences, hedges, trees."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import cv2
import numpy as np

from lmanet_core.data.synthetic.labels import BUILDING, FENCE, VEGETATION, WALL

_PIXELS_PER_METRE = 12
_SMALLEST_LEVEL = 12

_PLASTER = (
    (206, 190, 160),
    (188, 172, 150),
    (170, 98, 76),
    (150, 84, 66),
    (196, 168, 120),
    (160, 160, 158),
    (134, 138, 140),
    (214, 206, 192),
    (178, 130, 100),
    (120, 126, 134),
)
_SHOP_SIGNS = ((170, 40, 40), (30, 90, 150), (30, 120, 70), (220, 170, 40), (60, 60, 66))
_LEAVES = ((66, 96, 42), (84, 112, 50), (56, 86, 48), (104, 120, 52), (122, 112, 48))


@dataclass(frozen=True)
class Texture:
    """A surface at several resolutions, largest first: (H, W, 4) uint8, RGB and label."""

    levels: tuple[np.ndarray, ...]
    label: int
    mean_color: tuple[float, float, float]

    @classmethod
    def from_image(cls, image: np.ndarray, label: int) -> Texture:
        red, green, blue = image.reshape(-1, 3).mean(axis=0).tolist()
        levels = tuple(_with_label(level, label) for level in _pyramid(image))
        return cls(levels, label, (red, green, blue))

    def level_for(self, height: float) -> np.ndarray:
        """The coarsest level that still has detail enough for this many pixels of height."""
        return _coarsest(self.levels, height)


@dataclass(frozen=True)
class Sprite:
    """A free-standing silhouette at several resolutions, with its masks (H, W), 0 or 255."""

    levels: tuple[np.ndarray, ...]
    masks: tuple[np.ndarray, ...]
    label: int

    @classmethod
    def from_image(cls, image: np.ndarray, mask: np.ndarray, label: int) -> Sprite:
        levels = tuple(_with_label(level, label) for level in _pyramid(image))
        return cls(levels, tuple(_pyramid(mask)), label)

    @property
    def aspect(self) -> float:
        """Width over height."""
        return self.levels[0].shape[1] / self.levels[0].shape[0]

    def level_for(self, height: float) -> tuple[np.ndarray, np.ndarray]:
        return _coarsest(self.levels, height), _coarsest(self.masks, height)


def facade(random: np.random.Generator, length: float, height: float) -> Texture:
    """A house front: windows storey by storey over shops or doors."""
    base = np.array(_PLASTER[random.integers(len(_PLASTER))]) + random.normal(0, 8, 3)
    image = _rough(random, base, length, height, 0.05)
    scale = _PIXELS_PER_METRE
    storey, ground_floor = 3.2 * scale, 4.0 * scale
    spacing = random.uniform(2.0, 3.2) * scale
    window = (random.uniform(0.45, 0.65) * spacing, random.uniform(0.45, 0.6) * storey)
    frame = base * random.choice((0.7, 1.25))
    columns = max(1, int(image.shape[1] / spacing))
    margin = (image.shape[1] - columns * spacing) / 2
    floor = image.shape[0] - ground_floor
    while floor - storey > 0.3 * scale:
        top = floor - storey + 0.2 * storey
        for column in range(columns):
            left = margin + (column + 0.5) * spacing - window[0] / 2
            _window(image, random, left, top, window[0], window[1], frame)
        floor -= storey
    _ground_floor(image, random, columns, spacing, margin)
    cv2.rectangle(image, (0, 0), (image.shape[1], int(0.35 * scale)), (base * 0.8).tolist(), -1)
    return Texture.from_image(image, BUILDING)


def wall(random: np.random.Generator, length: float, height: float) -> Texture:
    """Courses of stone under a coping."""
    base = np.array((150, 144, 134)) + random.normal(0, 10, 3)
    image = _rough(random, base, length, height, 0.08)
    course = 5
    for number, row in enumerate(range(3, image.shape[0], course)):
        cv2.line(image, (0, row), (image.shape[1], row), (base * 0.72).tolist(), 1)
        for column in range(6 * (number % 2), image.shape[1], 12):
            cv2.line(image, (column, row), (column, row + course), (base * 0.78).tolist(), 1)
    cv2.rectangle(image, (0, 0), (image.shape[1], 3), (base * 1.15).tolist(), -1)
    return Texture.from_image(image, WALL)


def fence(random: np.random.Generator, length: float, height: float) -> Texture:
    """Pickets before a dark background."""
    colors = ((126, 92, 60), (206, 204, 196), (70, 78, 72), (110, 70, 50))
    picket = np.array(colors[random.integers(len(colors))])
    image = _rough(random, np.array((48, 56, 40)), length, height, 0.2)
    for column in range(0, image.shape[1], 6):
        shade = (picket * random.uniform(0.9, 1.08)).tolist()
        cv2.rectangle(image, (column, 0), (column + 3, image.shape[0]), shade, -1)
    for row in (0.2, 0.8):
        top = int(row * image.shape[0])
        cv2.rectangle(image, (0, top), (image.shape[1], top + 1), (picket * 0.8).tolist(), -1)
    return Texture.from_image(image, FENCE)


def hedge(random: np.random.Generator, length: float, height: float) -> Texture:
    base = np.array(_LEAVES[random.integers(len(_LEAVES))]) * 0.8
    return Texture.from_image(_rough(random, base, length, height, 0.35), VEGETATION)


def tree(random: np.random.Generator, width: int = 150, height: int = 200) -> Sprite:
    """A trunk with branches under a crown of leafy balls, lit from above."""
    image = np.zeros((height, width, 3), np.float32)
    mask = np.zeros((height, width), np.uint8)
    trunk = np.array((84, 66, 50)) * random.uniform(0.8, 1.2)
    root, fork = (width // 2, height), (width // 2, int(0.45 * height))
    for thickness, end in ((9, fork), (4, (int(0.3 * width), int(0.3 * height))),
                           (4, (int(0.7 * width), int(0.3 * height)))):  # fmt: skip
        start = root if end == fork else fork
        cv2.line(mask, start, end, 255, thickness)
    image[:] = trunk
    leaves = np.array(_LEAVES[random.integers(len(_LEAVES))])
    rows, columns = np.mgrid[:height, :width].astype(np.float32)
    crown = np.full((height, width), -1, np.float32)
    light = np.zeros((height, width), np.float32)
    for _ in range(26):
        angle, distance = random.uniform(0, 2 * np.pi), np.sqrt(random.random())
        u = width * (0.5 + 0.36 * distance * np.cos(angle))
        v = height * (0.31 + 0.2 * distance * np.sin(angle))
        radius = random.uniform(0.1, 0.19) * width
        ball = 1 - ((columns - u) ** 2 + (rows - v) ** 2) / radius**2
        above = ball > np.maximum(crown, -0.3)
        light[above] = 0.95 - 0.45 * ((rows - v) / radius)[above]
        crown = np.maximum(crown, ball)
    leafy = crown + random.normal(0, 0.22, crown.shape) > 0.12
    speckle = cv2.GaussianBlur(random.normal(0, 1, crown.shape).astype(np.float32), (0, 0), 1.0)
    shade = np.clip(light + 0.55 * speckle, 0.35, 1.7)
    image[leafy] = (leaves * shade[..., None])[leafy]
    mask[leafy] = 255
    return Sprite.from_image(np.clip(image, 0, 255).astype(np.uint8), mask, VEGETATION)


def bush(random: np.random.Generator, width: int = 96, height: int = 64) -> Sprite:
    rows, columns = np.mgrid[:height, :width].astype(np.float32)
    leaves = np.array(_LEAVES[random.integers(len(_LEAVES))])
    crown = np.full((height, width), -1, np.float32)
    for _ in range(12):
        u, v = random.uniform(0.2, 0.8) * width, random.uniform(0.5, 1.0) * height
        radius = random.uniform(0.25, 0.45) * height
        crown = np.maximum(crown, 1 - ((columns - u) ** 2 + (rows - v) ** 2) / radius**2)
    mask = crown + random.normal(0, 0.15, crown.shape) > 0.1
    speckle = cv2.GaussianBlur(random.normal(0, 1, crown.shape).astype(np.float32), (0, 0), 1.0)
    shade = np.clip(1.15 - 0.5 * rows / height + 0.5 * speckle, 0.4, 1.6)
    image = np.clip(leaves * shade[..., None], 0, 255).astype(np.uint8)
    return Sprite.from_image(image, mask.astype(np.uint8) * 255, VEGETATION)


def tileable_noise(random: np.random.Generator, side: int, scale: float) -> np.ndarray:
    """(side, side) float32 noise of unit deviation that repeats without a seam."""
    frequency = np.hypot(np.fft.fftfreq(side)[:, None], np.fft.fftfreq(side)[None])
    spectrum = np.fft.fft2(random.standard_normal((side, side)))
    noise = np.fft.ifft2(spectrum * np.exp(-((frequency * scale) ** 2))).real
    return (noise / noise.std()).astype(np.float32)


def _window(
    image: np.ndarray,
    random: np.random.Generator,
    left: float,
    top: float,
    width: float,
    height: float,
    frame: np.ndarray,
) -> None:
    corner, opposite = (int(left), int(top)), (int(left + width), int(top + height))
    cv2.rectangle(image, corner, opposite, np.clip(frame, 0, 255).tolist(), -1)
    glass = np.array((62, 74, 88)) * random.uniform(0.6, 1.5)
    inner, outer = (corner[0] + 1, corner[1] + 1), (opposite[0] - 1, opposite[1] - 1)
    cv2.rectangle(image, inner, outer, glass.tolist(), -1)
    if random.random() < 0.4:
        curtain = (outer[0], inner[1] + int(random.uniform(0.2, 0.7) * height))
        cv2.rectangle(image, inner, curtain, (188, 184, 172), -1)
    middle = (inner[0] + outer[0]) // 2
    cv2.line(image, (middle, inner[1]), (middle, outer[1]), np.clip(frame, 0, 255).tolist(), 1)


def _ground_floor(
    image: np.ndarray, random: np.random.Generator, columns: int, spacing: float, margin: float
) -> None:
    height = image.shape[0]
    shop = random.random() < 0.5
    if shop:
        sign = _SHOP_SIGNS[random.integers(len(_SHOP_SIGNS))]
        top = height - int(3.9 * _PIXELS_PER_METRE)
        cv2.rectangle(image, (2, top), (image.shape[1] - 3, top + 8), sign, -1)
    for column in range(columns):
        left, right = margin + (column + 0.12) * spacing, margin + (column + 0.88) * spacing
        door = random.random() < 0.3
        top = height - int((2.6 if door or not shop else 2.9) * _PIXELS_PER_METRE)
        bottom = height if door else height - int((0.4 if shop else 1.1) * _PIXELS_PER_METRE)
        dark = (70, 50, 40) if door else (54, 62, 72)
        color = (np.array(dark) * random.uniform(0.8, 1.4)).tolist()
        cv2.rectangle(image, (int(left), top), (int(right), bottom), color, -1)


def _rough(
    random: np.random.Generator, base: np.ndarray, length: float, height: float, contrast: float
) -> np.ndarray:
    """A plain surface (H, W, 3) uint8 with stains and grain."""
    shape = (max(8, round(height * _PIXELS_PER_METRE)), max(8, round(length * _PIXELS_PER_METRE)))
    stains = cv2.resize(random.normal(0, 1, (4, 6)), shape[::-1], interpolation=cv2.INTER_CUBIC)
    grain = random.normal(0, 1, shape)
    shade = 1 + contrast * (0.6 * stains + 0.7 * grain)
    return np.clip(base * shade[..., None], 0, 255).astype(np.uint8)


def _pyramid(image: np.ndarray) -> list[np.ndarray]:
    levels = [image]
    while min(levels[-1].shape[:2]) >= 2 * _SMALLEST_LEVEL:
        height, width = levels[-1].shape[:2]
        half = (width // 2, height // 2)
        levels.append(cv2.resize(levels[-1], half, interpolation=cv2.INTER_AREA))
    return levels


def _coarsest(levels: Sequence[np.ndarray], height: float) -> np.ndarray:
    for level in reversed(levels):
        if level.shape[0] >= height:
            return level
    return levels[0]


def _with_label(image: np.ndarray, label: int) -> np.ndarray:
    return np.dstack((image, np.full(image.shape[:2], label, np.uint8)))
