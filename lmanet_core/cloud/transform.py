"""From one frame of coordinates to another."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np


@dataclass(frozen=True)
class Transform:
    """A rotation, then a translation.

    Attributes:
        rotation: (3, 3) float64.
        translation: (3,) float64, in metres.
    """

    rotation: np.ndarray
    translation: np.ndarray

    @classmethod
    def from_quaternion(
        cls, translation: Sequence[float], quaternion: Sequence[float]
    ) -> Transform:
        """From the values that ROS has in a Transform message.

        Args:
            translation: x, y, z in metres.
            quaternion: x, y, z, w, of any length but 0.

        Raises:
            ValueError: these are no rotation and translation.
        """
        values = np.array((*translation, *quaternion), float)
        length = float(np.linalg.norm(values[3:]))
        if len(values) != 7 or not np.isfinite(values).all() or length < 1e-9:
            raise ValueError(
                "expected a translation x, y, z and a quaternion x, y, z, w other than zero, "
                f"got {list(translation)} and {list(quaternion)}"
            )
        x, y, z, w = values[3:] / length
        rotation = np.array(
            (
                (1 - 2 * (y * y + z * z), 2 * (x * y - z * w), 2 * (x * z + y * w)),
                (2 * (x * y + z * w), 1 - 2 * (x * x + z * z), 2 * (y * z - x * w)),
                (2 * (x * z - y * w), 2 * (y * z + x * w), 1 - 2 * (x * x + y * y)),
            )
        )
        return cls(rotation, values[:3])

    def __call__(self, points: np.ndarray) -> np.ndarray:
        """(N, 3) points in the other frame; float32 stays float32."""
        rotation = self.rotation.T.astype(points.dtype)
        return points @ rotation + self.translation.astype(points.dtype)
