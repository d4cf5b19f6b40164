"""Clips made of single labelled images, by moving a camera over them.

Where few frames have labels, or none have neighbours, this trains a memory all the same: what is
where is exactly known, and each frame has noise and blur of its own. Networks with a space-time
memory are commonly trained in this way first (Oh et al., ICCV 2019).
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

import cv2
import numpy as np

from lmanet_core.data.augmentation import add_noise, warp_labels
from lmanet_core.data.clips import Clip, LabelledClips
from lmanet_core.data.video import VideoDataset
from lmanet_core.program.settings import check_at_least


@dataclass(frozen=True)
class MotionConfig:
    """How the camera moves from one frame to the next, and what its sensor does.

    A velocity is drawn for each clip within the bounds and changes steadily during the clip.

    Attributes:
        zoom: range of the enlargement; 0.03 is what three percent nearer looks like.
        translation: upper bound, as a share of the image's width.
        rotation: upper bound, in degrees.
        shear: upper bound, as a share of the height.
        acceleration: by how much of its bound a velocity changes per frame, at most.
        flicker: standard deviation of the exposure gain; 0.1 is ten percent.
        noise: grey levels, upper bound of the noise's standard deviation, drawn for each frame.
        blur: pixels, upper bound of the blur's standard deviation, drawn for each frame.
    """

    zoom: tuple[float, float] = (-0.01, 0.04)
    translation: float = 0.01
    rotation: float = 0.5
    shear: float = 0.005
    acceleration: float = 0.2
    flicker: float = 0.03
    noise: float = 0.0
    blur: float = 0.0

    def __post_init__(self) -> None:
        if not -0.5 <= self.zoom[0] <= self.zoom[1] <= 0.5:
            raise ValueError(f"zoom must be a range within -0.5..0.5, got {self.zoom}")
        bounds = ("translation", "rotation", "shear", "acceleration", "flicker", "noise", "blur")
        check_at_least(0, **{name: getattr(self, name) for name in bounds})


class PseudoClips:
    """One clip for each labelled frame; every frame of the clip has labels.

    The frame itself, unmoved, is one of the clip's, drawn at random. What comes into view from
    beyond its border is a reflection with the label 255.

    Args:
        dataset: where the labelled frames are from.
        frames: T.

    Raises:
        DatasetError: no frame has labels.
    """

    def __init__(self, dataset: VideoDataset, frames: int, motion: MotionConfig) -> None:
        check_at_least(1, frames=frames)
        self.classes = dataset.classes
        self.groups: tuple[tuple[int, ...], ...] = ()
        self.shuffle = True
        self._stills = LabelledClips(dataset, frames=1)
        self._frames = frames
        self._motion = motion

    def __len__(self) -> int:
        return len(self._stills)

    def clip(self, index: int, random: np.random.Generator) -> Clip:
        (image,), (labels,) = self._stills.clip(index, random)
        size = (image.shape[1], image.shape[0])
        transforms = list(_draw_transforms(self._motion, self._frames, size, random))
        images = [
            _expose(
                cv2.warpAffine(image, transform, size, borderMode=cv2.BORDER_REFLECT_101),
                self._motion,
                random,
            )
            for transform in transforms
        ]
        truth = [warp_labels(labels, transform, size) for transform in transforms]
        return Clip(np.stack(images), np.stack(truth))


def _draw_transforms(
    motion: MotionConfig, frames: int, size: tuple[int, int], random: np.random.Generator
) -> Iterator[np.ndarray]:
    """(2, 3) affine transforms from the still image to each frame."""
    lowest, highest = motion.zoom
    bounds = np.array(
        (highest - lowest, motion.rotation, motion.shear, motion.translation, motion.translation)
    )
    velocity = bounds * random.uniform(-1, 1, 5)
    velocity[0] = random.uniform(lowest, highest)
    acceleration = bounds * motion.acceleration * random.uniform(-1, 1, 5)
    still = int(random.integers(frames))
    # Where the camera heads to: near the middle of the image.
    focus = np.array(size) * random.uniform(0.35, 0.65, 2)
    for frame in range(frames):
        time = frame - still
        yield _transform(velocity * time + 0.5 * acceleration * time**2, size, focus)


def _transform(pose: np.ndarray, size: tuple[int, int], focus: np.ndarray) -> np.ndarray:
    """Zoom, rotation, shear and shift in x and y, as `_draw_transforms` counts them."""
    zoom, angle, shear = np.exp(pose[0]), np.deg2rad(pose[1]), pose[2]
    turn = np.array(((np.cos(angle), -np.sin(angle)), (np.sin(angle), np.cos(angle))))
    linear = zoom * turn @ np.array(((1, shear), (0, 1)))
    shift = focus - linear @ focus + pose[3:] * size[0]
    return np.column_stack((linear, shift))


def _expose(image: np.ndarray, motion: MotionConfig, random: np.random.Generator) -> np.ndarray:
    """A moved image as the sensor reports it."""
    if motion.flicker:
        gain = max(0.2, random.normal(1, motion.flicker))
        image = cv2.convertScaleAbs(image, alpha=gain)
    if (deviation := random.uniform(0, motion.blur)) > 0.1:
        image = cv2.GaussianBlur(image, (0, 0), deviation)
    if motion.noise:
        image = add_noise(image, random.uniform(0, motion.noise), random)
    return image
