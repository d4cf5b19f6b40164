"""The street as an endless video with labels."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np

from lmanet_core.cloud.camera_model import CameraModel
from lmanet_core.data.synthetic.canvas import SUPERSAMPLING, Atmosphere, Canvas
from lmanet_core.data.synthetic.ground import Backdrop
from lmanet_core.data.synthetic.scene import Pose, Street
from lmanet_core.data.synthetic.sensor import expose, measure
from lmanet_core.data.synthetic.street_camera import Camera
from lmanet_core.data.synthetic.street_config import StreetConfig

_SKIES = (
    # light, haze
    ((1.08, 1.05, 0.98), (206, 216, 228)),
    ((0.84, 0.86, 0.9), (196, 200, 206)),
    ((1.1, 0.96, 0.8), (230, 208, 176)),
    ((0.66, 0.68, 0.74), (150, 156, 168)),
)


@dataclass(frozen=True)
class StreetFrame:
    """All that is known of a frame.

    Attributes:
        image: (H, W, 3) uint8, RGB.
        labels: (H, W) uint8.
        depth: (H, W) float32, metres along the camera's axis, as the sensor reports it: 0 for none;
            None if nobody asked for it.
        camera: that draws the frame. It looks along the street and turns by shifting its image, so
            the calibration is of this frame.
        pose: where the camera is.
    """

    image: np.ndarray
    labels: np.ndarray
    depth: np.ndarray | None
    camera: CameraModel
    pose: Pose


class StreetVideo(Iterator[tuple[np.ndarray, np.ndarray]]):
    """A drive down a street that never ends.

    Yields (image, labels): uint8 (H, W, 3) RGB and uint8 (H, W) with the 19 Cityscapes classes,
    exact for every pixel. The same seed gives the same street and the same traffic whatever the
    sensor does; size and frame rate belong to the drive.

    Args:
        seed: seed of the street and its traffic.
        config: size, rate and sensor.
        depth: whether frames have a depth, which takes longer.
    """

    def __init__(
        self, seed: int, config: StreetConfig | None = None, *, depth: bool = False
    ) -> None:
        self._seed = seed
        self._config = config or StreetConfig()
        self._frame = 0
        random = np.random.default_rng(seed)
        width, height = self._config.size
        camera = Camera(width * SUPERSAMPLING, height * SUPERSAMPLING)
        light, haze = _SKIES[random.integers(len(_SKIES))]
        atmosphere = Atmosphere(
            light=np.array(light) * random.uniform(0.9, 1.1),
            haze=np.array(haze, dtype=float),
            visibility=float(random.uniform(90, 260)),
            sun_side=int(random.choice((-1, 1))),
        )
        self._street = Street(random, camera)
        self._backdrop = Backdrop(random, camera, atmosphere, self._street)
        self._canvas = Canvas(camera, atmosphere, depth)

    def __next__(self) -> tuple[np.ndarray, np.ndarray]:
        frame = self.next_frame()
        return frame.image, frame.labels

    def next_frame(self) -> StreetFrame:
        """The next frame with all that is known of it."""
        camera, pose = self._street.camera, self._street.pose
        self._canvas.begin(camera)
        self._backdrop.paint(self._canvas, self._street)
        for thing in self._street.in_painting_order():
            thing.paint(self._canvas)
        image, labels = self._canvas.image_and_labels()
        image = expose(image, self._config, self._seed, self._frame)
        depth = self._canvas.depth()
        if depth is not None:
            depth = measure(depth, self._config, self._seed, self._frame)
        self.skip(1)
        return StreetFrame(image, labels, depth, _camera_model(camera), pose)

    def skip(self, frames: int) -> None:
        """Drive on without rendering, which is much faster."""
        for _ in range(frames):
            self._street.advance(1 / self._config.frame_rate)
        self._frame += frames


def _camera_model(camera: Camera) -> CameraModel:
    """Camera of the image, which has fewer pixels than the canvas."""
    values = (camera.focal, camera.center_u, camera.horizon)
    focal, u, v = (value / SUPERSAMPLING for value in values)
    size = (camera.width // SUPERSAMPLING, camera.height // SUPERSAMPLING)
    return CameraModel(size, (focal, focal), (u, v))
