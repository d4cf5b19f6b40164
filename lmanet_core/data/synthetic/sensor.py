"""What a camera does to an image: blur, exposure, dirt, noise; and one for depth to distances.

Labels are not its business.
Each frame has a random stream of its own, so that frames may be skipped without drawing numbers.
"""

from __future__ import annotations

import cv2
import numpy as np

from lmanet_core.data.synthetic.street_config import StreetConfig

_LONGEST_OCCLUSION = 3
_NOISE_STREAM, _OCCLUSION_STREAM, _DEPTH_STREAM = 1, 2, 3
_HOLES = 12
"""How many holes of a depth image fit above each other."""
_EDGE = 0.05
"""Share of its distance by which a thing stands out from what is behind it."""


def expose(image: np.ndarray, config: StreetConfig, seed: int, frame: int) -> np.ndarray:
    """The image (H, W, 3) uint8 as the sensor reports frame number `frame`."""
    random = np.random.default_rng((seed, _NOISE_STREAM, frame))
    if config.motion_blur:
        image = _motion_blur(image, config.motion_blur)
    if config.flicker:
        image = cv2.convertScaleAbs(image, alpha=max(0.2, random.normal(1, config.flicker)))
    if config.occlusion_rate:
        image = _occlude(image, config, seed, frame)
    if config.noise:
        grain = random.standard_normal(image.shape, dtype=np.float32)
        image = np.clip(image + config.noise * grain, 0, 255).astype(np.uint8)
    return image


def measure(depth: np.ndarray, config: StreetConfig, seed: int, frame: int) -> np.ndarray:
    """Distances (H, W) float32 as a depth camera reports them; 0 is no measurement."""
    random = np.random.default_rng((seed, _DEPTH_STREAM, frame))
    hole = _holes(depth, config.depth_holes, random) if config.depth_holes else None
    if config.depth_noise:
        grain = random.standard_normal(depth.shape, dtype=np.float32)
        depth = np.maximum(depth + config.depth_noise * (depth / 10) ** 2 * grain, 0)
    return depth if hole is None else np.where(hole, np.float32(0), depth)


def _holes(depth: np.ndarray, share: float, random: np.random.Generator) -> np.ndarray:
    """(H, W) bool: a share of the image, and what lies before something at its edge."""
    height, width = depth.shape
    coarse = (_HOLES, max(1, round(_HOLES * width / height)))
    field: np.ndarray = random.standard_normal(coarse, dtype=np.float32)
    field = cv2.resize(field, (width, height), interpolation=cv2.INTER_CUBIC)
    behind = cv2.dilate(depth, np.ones((3, 3), np.uint8))
    return (field < np.quantile(field, share)) | (behind > (1 + _EDGE) * depth + 0.1)


def _motion_blur(image: np.ndarray, share: float) -> np.ndarray:
    """Driving on while the shutter is open: the image streams away from the vanishing point."""
    height, width = image.shape[:2]
    total = np.zeros(image.shape, np.float32)
    for moment in (-0.5, -0.17, 0.17, 0.5):
        zoom = 1 + 0.05 * share * moment
        transform = np.array(
            ((zoom, 0, (1 - zoom) * 0.5 * width), (0, zoom, (1 - zoom) * 0.44 * height))
        )
        moved = cv2.warpAffine(image, transform, (width, height), borderMode=cv2.BORDER_REPLICATE)
        cv2.accumulate(moved, total)
    return cv2.convertScaleAbs(total, alpha=0.25)


def _occlude(image: np.ndarray, config: StreetConfig, seed: int, frame: int) -> np.ndarray:
    """Cover parts of the image with what began in this frame or in one of the last two."""
    image = image.copy()
    for begin in range(max(0, frame - _LONGEST_OCCLUSION + 1), frame + 1):
        random = np.random.default_rng((seed, _OCCLUSION_STREAM, begin))
        if random.random() >= config.occlusion_rate / config.frame_rate:
            continue
        if frame - begin >= random.integers(1, _LONGEST_OCCLUSION + 1):
            continue
        if random.random() < 0.3:
            _draw_wiper(image, random, frame - begin)
        else:
            _draw_blot(image, random)
    return image


def _draw_blot(image: np.ndarray, random: np.random.Generator) -> None:
    """Mud or a bird: a ragged spot of one colour."""
    height, width = image.shape[:2]
    angles = np.sort(random.uniform(0, 2 * np.pi, 14))
    radii = random.uniform(0.6, 1.0, 14) * random.uniform(0.15, 0.4) * height
    center = random.uniform((0.1 * width, 0.15 * height), (0.9 * width, 0.9 * height))
    outline = center + np.stack((1.3 * radii * np.cos(angles), radii * np.sin(angles)), axis=1)
    color = np.array(((92, 78, 60), (150, 150, 154), (44, 42, 40))[random.integers(3)])
    tone = (color * random.uniform(0.8, 1.2)).tolist()
    cv2.fillPoly(image, [np.rint(outline).astype(np.int32)], tone, cv2.LINE_AA)


def _draw_wiper(image: np.ndarray, random: np.random.Generator, age: int) -> None:
    height, width = image.shape[:2]
    foot = (round(random.uniform(0.2, 0.8) * width), round(1.2 * height))
    angle = random.uniform(0.25, 0.6) * np.pi + 0.15 * np.pi * age
    length = 1.6 * height
    tip = (round(foot[0] + length * np.cos(angle)), round(foot[1] - length * np.sin(angle)))
    cv2.line(image, foot, tip, (24, 24, 26), max(2, height // 14), cv2.LINE_AA)
