"""The street as an endless video with labels."""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np

from lmanet_core.data.synthetic.camera import Camera
from lmanet_core.data.synthetic.canvas import SUPERSAMPLING, Atmosphere, Canvas
from lmanet_core.data.synthetic.config import StreetConfig
from lmanet_core.data.synthetic.ground import Backdrop
from lmanet_core.data.synthetic.scene import Street
from lmanet_core.data.synthetic.sensor import expose

_SKIES = (
    # light, haze
    ((1.08, 1.05, 0.98), (206, 216, 228)),
    ((0.84, 0.86, 0.9), (196, 200, 206)),
    ((1.1, 0.96, 0.8), (230, 208, 176)),
    ((0.66, 0.68, 0.74), (150, 156, 168)),
)


class StreetVideo(Iterator[tuple[np.ndarray, np.ndarray]]):
    """A drive down a street that never ends.

    Yields (image, labels): uint8 (H, W, 3) RGB and uint8 (H, W) with the 19 Cityscapes classes,
    exact for every pixel. The same seed gives the same street and the same traffic whatever the
    sensor does; size and frame rate belong to the drive.
    """

    def __init__(self, seed: int, config: StreetConfig | None = None) -> None:
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
        self._canvas = Canvas(camera, atmosphere)

    def __next__(self) -> tuple[np.ndarray, np.ndarray]:
        self._canvas.camera = self._street.camera
        self._backdrop.paint(self._canvas, self._street)
        for thing in self._street.in_painting_order():
            thing.paint(self._canvas)
        image, labels = self._canvas.image_and_labels()
        image = expose(image, self._config, self._seed, self._frame)
        self.skip(1)
        return image, labels

    def skip(self, frames: int) -> None:
        """Drive on without rendering, which is much faster."""
        for _ in range(frames):
            self._street.advance(1 / self._config.frame_rate)
        self._frame += frames
