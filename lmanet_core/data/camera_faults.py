"""What weather, lenses, sensors and links do to a camera's images.

Each function takes an image, (H, W, 3) uint8, RGB, the largest amount that may be drawn, and the
random numbers to draw from, and returns a changed copy.
"""

from __future__ import annotations

import math

import cv2
import numpy as np

from lmanet_core.data.augmentation import add_noise

NEAR = 0.12
"""Share of the image below the horizon after which the ground is half as far as it gets."""
ZOOMS = 8
"""Images that a blur of the camera's way forward is made of."""
STREAKS = 500
"""Streaks of the heaviest rain in a picture of 448x256."""
DROPS = 12
"""On the glass, in the heaviest rain."""


def haze(image: np.ndarray, largest: float, random: np.random.Generator) -> np.ndarray:
    """Hide up to that share of what is farthest; how far a row is follows from a flat ground."""
    height, width = image.shape[:2]
    below = np.arange(height)[:, None] / height - random.uniform(0.25, 0.6)
    distance = NEAR / (np.maximum(below, 0) + NEAR)
    thickness = -math.log(1 - min(0.98, random.uniform(0, largest)))
    density = 1 + random.uniform(0, 1) * (_clouds((height, width), random) - 0.5)
    visible = np.exp(-thickness * distance * density)[..., None]
    air = random.uniform(150, 250) * random.uniform(0.95, 1.05, 3)
    return _to_bytes(image * visible + air * (1 - visible))


def rain(image: np.ndarray, largest: float, random: np.random.Generator) -> np.ndarray:
    """Streaks or flakes in the air, and drops on the glass that blur what is behind them."""
    height, width = image.shape[:2]
    amount = random.uniform(0, largest)
    streaks: np.ndarray = np.zeros((height, width), np.uint8)
    count = 1 + int(amount * STREAKS * height * width / (448 * 256))
    angle = random.normal(0, 0.4)
    length = np.array((math.sin(angle), math.cos(angle))) * random.uniform(2, 2 + 0.15 * height)
    starts = random.uniform(-0.1, 1, (count, 2)) * (width, height)
    ends = starts + random.uniform(0.5, 1.5, (count, 1)) * length
    thickest = int(random.integers(1, 4))
    for start, end in zip(starts.astype(int).tolist(), ends.astype(int).tolist(), strict=True):
        brightness, thickness = random.uniform(60, 255), int(random.integers(1, thickest + 1))
        cv2.line(streaks, start, end, brightness, thickness, cv2.LINE_AA)
    streaks = cv2.GaussianBlur(streaks, (0, 0), random.uniform(0.3, 1.2))
    opaque = streaks[..., None] * (random.uniform(0.3, 0.9) / 255)
    veil = random.uniform(0, 0.4) * amount
    wet = (image * (1 - veil) + 200 * veil) * (1 - opaque) + 230 * opaque
    return _drops(_to_bytes(wet), round(amount * DROPS * random.random()), random)


def dirt(image: np.ndarray, largest: float, random: np.random.Generator) -> np.ndarray:
    """Mud, ice or a film of water on up to that share of the glass, too near to be sharp."""
    shape = image.shape[:2]
    clouds = _clouds(shape, random)
    edge = np.quantile(clouds, 1 - random.uniform(0, largest))
    opaque = np.clip((clouds - edge) / random.uniform(0.05, 0.4), 0, random.uniform(0.4, 0.95))
    colour = random.uniform(30, 250) * random.uniform(0.85, 1.15, 3)
    spots = 1 + random.uniform(0, 0.6) * (_clouds(shape, random) - 0.5)
    return _to_bytes(image * (1 - opaque[..., None]) + (opaque * spots)[..., None] * colour)


def defocus(image: np.ndarray, largest: float, random: np.random.Generator) -> np.ndarray:
    """Spread each point over a disc with a radius of up to `largest` pixels."""
    radius = random.uniform(0, largest)
    reach = math.ceil(radius)
    places = np.arange(-reach, reach + 1)
    # Half a pixel's width from inside to outside.
    disc = np.clip(radius + 0.5 - np.hypot(places[:, None], places), 0, 1)
    return cv2.filter2D(image, -1, disc / disc.sum())


def motion(image: np.ndarray, largest: float, random: np.random.Generator) -> np.ndarray:
    """Spread each point along a line of up to `largest` pixels, as a moving camera does. On a turn
    or a bump all lines are alike; on the way forward they lead away from a point and grow with the
    distance from it."""
    length = random.uniform(0, largest)
    if random.random() < 0.3:
        return _zoom(image, length, random)
    angle = random.uniform(0, math.pi)
    reach = math.ceil(length / 2) + 1
    kernel = np.zeros((2 * reach + 1, 2 * reach + 1))
    along = np.linspace(-length / 2, length / 2, 4 * reach + 1)
    x, y = reach + along * math.cos(angle), reach + along * math.sin(angle)
    left, top = np.floor(x).astype(int), np.floor(y).astype(int)
    for row, down in ((top, 1 - (y - top)), (top + 1, y - top)):
        for column, across in ((left, 1 - (x - left)), (left + 1, x - left)):
            np.add.at(kernel, (row, column), down * across)
    return cv2.filter2D(image, -1, kernel / kernel.sum())


def night(image: np.ndarray, largest: float, random: np.random.Generator) -> np.ndarray:
    """Little light: dark, in the colour of lamps, and the noise of what is left of it amplified;
    1 is a night."""
    darkness = random.uniform(0, largest)
    colours = 1 - darkness * random.uniform(0, 0.35, 3)
    light = (image / 255.0) ** (1 + 2.5 * darkness * random.random())
    light *= (1 - 0.7 * darkness * random.random()) * colours
    # Of photons, which grows with the light, and of the sensor, which does not.
    noise = darkness * random.uniform(0, 0.12) * np.sqrt(light) + darkness * random.uniform(0, 0.06)
    light += noise * random.standard_normal(image.shape, np.float32)
    return _to_bytes(255 * light)


def banding(image: np.ndarray, largest: float, random: np.random.Generator) -> np.ndarray:
    """Brighter and darker rows by up to that share: lamps that flicker while rows are read."""
    turns = random.uniform(0.3, 6) * np.arange(len(image)) / len(image) + random.random()
    gain = 1 + random.uniform(0, largest) * np.sin(2 * math.pi * turns)
    return _to_bytes(image * gain[:, None, None])


def grain(image: np.ndarray, largest: float, random: np.random.Generator) -> np.ndarray:
    """Noise wider than a pixel, in colour or in grey, of up to `largest` grey levels."""
    height, width = image.shape[:2]
    wide = random.uniform(1, 3)
    size = max(1, round(width / wide)), max(1, round(height / wide))
    channels = 3 if random.random() < 0.7 else 1
    coarse = random.standard_normal((size[1], size[0], channels), np.float32)
    noise = cv2.resize(coarse, (width, height), interpolation=cv2.INTER_CUBIC)
    return _to_bytes(image + random.uniform(0, largest) * noise.reshape(height, width, channels))


def lost_pixels(image: np.ndarray, largest: float, random: np.random.Generator) -> np.ndarray:
    """Up to that share of the values 0 or 255: hot and dead pixels, wrong bits."""
    drawn = random.random(image.shape, np.float32)
    share = random.uniform(0, largest)
    changed = image.copy()
    changed[drawn < share / 2] = 0
    changed[drawn > 1 - share / 2] = 255
    return changed


def low_bit_rate(image: np.ndarray, largest: float, random: np.random.Generator) -> np.ndarray:
    """What a slow link leaves: fewer pixels, by a factor of up to 1 + `largest` along each side,
    coarsely compressed, without noise, in blocks or smoothed."""
    height, width = image.shape[:2]
    factor = 1 + random.uniform(0, largest)
    size = max(1, round(width / factor)), max(1, round(height / factor))
    small = compress(cv2.resize(image, size, interpolation=cv2.INTER_AREA), 0.9, random)
    way_back = cv2.INTER_NEAREST if random.random() < 0.5 else cv2.INTER_LINEAR
    return cv2.resize(small, (width, height), interpolation=way_back)


def compress(image: np.ndarray, largest: float, random: np.random.Generator) -> np.ndarray:
    """JPEG; 0..1 is what it may take away, 0.9 being its quality 10."""
    quality = round(100 * (1 - random.uniform(0, largest)))
    _, data = cv2.imencode(".jpg", image, (cv2.IMWRITE_JPEG_QUALITY, quality))
    picture = cv2.imdecode(data, cv2.IMREAD_COLOR)
    assert picture is not None
    return picture


def noise(image: np.ndarray, largest: float, random: np.random.Generator) -> np.ndarray:
    """Noise of each value by itself, of up to `largest` grey levels."""
    return add_noise(image, random.uniform(0, largest), random)


def _zoom(image: np.ndarray, length: float, random: np.random.Generator) -> np.ndarray:
    height, width = image.shape[:2]
    x, y = random.uniform(0.2, 0.8, 2) * (width, height)
    total = np.zeros(image.shape, np.float32)
    for zoom in np.linspace(1 - length / width, 1 + length / width, ZOOMS):
        transform = np.array(((zoom, 0, x * (1 - zoom)), (0, zoom, y * (1 - zoom))))
        total += cv2.warpAffine(image, transform, (width, height), borderMode=cv2.BORDER_REFLECT)
    return _to_bytes(total / ZOOMS)


def _drops(image: np.ndarray, count: int, random: np.random.Generator) -> np.ndarray:
    if count == 0:
        return image
    height, width = image.shape[:2]
    covered: np.ndarray = np.zeros((height, width), np.float32)
    for _ in range(count):
        place = random.uniform(0, 1, 2) * (width, height)
        axes = random.uniform(0.01, 0.08, 2) * height
        axes_pixels = tuple(np.ceil(axes).astype(int).tolist())
        cv2.ellipse(covered, place.astype(int).tolist(), axes_pixels, 0, 0, 360, 1.0, -1)
    covered = cv2.GaussianBlur(covered, (0, 0), 1.5)[..., None]
    # A drop shows a wide view of the scene, upside down.
    behind = cv2.GaussianBlur(image[::-1], (0, 0), 0.03 * height) * random.uniform(0.8, 1.3)
    return _to_bytes(image * (1 - covered) + behind * covered)


def _clouds(shape: tuple[int, int], random: np.random.Generator) -> np.ndarray:
    """(H, W) float32 in 0..1, large patches with smaller ones upon them."""
    height, width = shape
    clouds = np.zeros(shape, np.float32)
    weight = 1.0
    for cells in (3, 6, 12, 24, 48):
        patches = random.random((cells, 2 * cells), np.float32)
        clouds += weight * cv2.resize(patches, (width, height), interpolation=cv2.INTER_CUBIC)
        weight *= 0.6
    lowest, highest = clouds.min(), clouds.max()
    return (clouds - lowest) / max(1e-6, highest - lowest)


def _to_bytes(image: np.ndarray) -> np.ndarray:
    return np.clip(np.round(image), 0, 255).astype(np.uint8)
