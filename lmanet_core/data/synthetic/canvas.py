"""What the street is painted on: colour and label in one image, so that they cannot disagree."""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

import cv2
import numpy as np

from lmanet_core.data.synthetic.street_camera import NEAR, VIEW_DISTANCE, Camera
from lmanet_core.data.synthetic.surfaces import Place, Surfaces
from lmanet_core.data.synthetic.textures import Sprite, Texture

Rgb = Sequence[float]

SUPERSAMPLING = 2
"""Canvas pixels per image pixel and axis: colours are averaged, labels are sampled."""


@dataclass(frozen=True)
class Atmosphere:
    """Light and haze of a scene.

    Attributes:
        light: gain of every surface's red, green and blue.
        haze: colour that far things fade to, 0..255.
        visibility: distance (m) at which two thirds of a colour are gone.
        sun_side: -1 or 1, the side of the street that the sun stands on.
    """

    light: np.ndarray
    haze: np.ndarray
    visibility: float
    sun_side: int

    def haze_share(self, depth: np.ndarray | float) -> np.ndarray:
        """Share of a colour that is gone at this distance (m)."""
        return 1.0 - np.exp(-np.maximum(depth, 0.0) / self.visibility)

    def tone(self, color: Rgb, depth: float, gain: float = 1.0) -> list[float]:
        """The colour of a surface in this light, seen through this much air."""
        # Called tens of thousands of times a second: plain numbers are faster than short arrays.
        gone = 1.0 - math.exp(-max(depth, 0.0) / self.visibility)
        return [
            min(channel * gain * light, 255.0) * (1.0 - gone) + haze * gone
            for channel, light, haze in zip(
                color, self.light.tolist(), self.haze.tolist(), strict=True
            )
        ]

    def tone_table(self, depth: float, gain: float) -> np.ndarray:
        """`tone` for whole images: a look-up table for RGB and label."""
        share = float(self.haze_share(depth))
        grey = np.arange(256.0)[:, None]
        table = np.empty((1, 256, 4), np.uint8)
        lit = np.minimum(grey * (gain * self.light), 255.0)
        table[0, :, :3] = lit * (1 - share) + self.haze * share
        table[0, :, 3] = np.arange(256)
        return table


@dataclass(frozen=True)
class Easel:
    """A place on the ground where flat things stand upright, facing the camera.

    Attributes:
        u, v: pixel of the ground point.
        scale: pixels per metre.
        depth: distance from the camera (m).
    """

    u: float
    v: float
    scale: float
    depth: float


class Canvas:
    """(H, W, 4) uint8 pixels, red, green, blue and label, painted from far to near.

    Args:
        camera: that sees what is painted.
        atmosphere: light and haze.
        depth: whether to note how far away it is, too.
    """

    def __init__(self, camera: Camera, atmosphere: Atmosphere, depth: bool = False) -> None:
        self.camera = camera
        self.atmosphere = atmosphere
        self.pixels = np.zeros((camera.height, camera.width, 4), np.uint8)
        self._surfaces = Surfaces(camera.width, camera.height) if depth else None

    def begin(self, camera: Camera) -> None:
        """Begin a frame, seen by a camera of the same size."""
        self.camera = camera
        if self._surfaces:
            self._surfaces.begin(camera)

    def depth(self) -> np.ndarray | None:
        """Metres along the camera's axis (H, W) float32, 0 for the sky; None if nobody asked."""
        return self._surfaces.depth(SUPERSAMPLING) if self._surfaces else None

    def image_and_labels(self) -> tuple[np.ndarray, np.ndarray]:
        """RGB (H, W, 3) and labels (H, W), without the supersampling."""
        size = (self.camera.width // SUPERSAMPLING, self.camera.height // SUPERSAMPLING)
        image = cv2.resize(self.pixels, size, interpolation=cv2.INTER_AREA)
        labels = self.pixels[1::SUPERSAMPLING, 1::SUPERSAMPLING, 3].copy()
        return cv2.cvtColor(image, cv2.COLOR_RGBA2RGB), labels

    def easel(self, x: float, s: float) -> Easel:
        u, v = self.camera.project(np.array(((x, 0.0, s),)))[0].tolist()
        depth = s - self.camera.s
        return Easel(u, v, self.camera.focal / max(depth, NEAR), depth)

    def fill(self, pixels: np.ndarray, tone: Rgb, label: int, place: Place = None) -> None:
        """Fill a polygon, given in canvas pixels (N, 2)."""
        outline = [np.rint(pixels).astype(np.int32)]
        self._draw(lambda image, value: cv2.fillPoly(image, outline, value), tone, label, place)

    def polygon(self, points: np.ndarray, color: Rgb, label: int, gain: float = 1.0) -> None:
        """Fill a polygon, given in street coordinates (N, 3)."""
        depth = float(points[:, 2].mean()) - self.camera.s
        tone = self.atmosphere.tone(color, depth, gain)
        self.fill(self.camera.project(points), tone, label, points)

    def cutout(self, easel: Easel, outline: Sequence[Rgb], color: Rgb, label: int) -> None:
        """Fill a polygon given in metres right of and above an easel's ground point."""
        points = np.asarray(outline) * (easel.scale, -easel.scale) + (easel.u, easel.v)
        self.fill(points, self.atmosphere.tone(color, easel.depth), label, easel.depth)

    def disc(
        self, easel: Easel, right: float, up: float, radius: float, color: Rgb, label: int
    ) -> None:
        center = (round(easel.u + right * easel.scale), round(easel.v - up * easel.scale))
        tone = self.atmosphere.tone(color, easel.depth)
        size = max(1, round(radius * easel.scale))
        self._draw(
            lambda image, value: cv2.circle(image, center, size, value, -1),
            tone,
            label,
            easel.depth,
        )

    def stroke(
        self, easel: Easel, points: Sequence[Rgb], width: float, color: Rgb, label: int
    ) -> None:
        """A line through points given as for `cutout`, with its width in metres."""
        pixels = np.asarray(points) * (easel.scale, -easel.scale) + (easel.u, easel.v)
        thickness = max(1, round(width * easel.scale))
        line = [np.rint(pixels).astype(np.int32)]
        self._draw(
            lambda image, value: cv2.polylines(image, line, False, value, thickness),
            self.atmosphere.tone(color, easel.depth),
            label,
            easel.depth,
        )

    def ring(
        self,
        easel: Easel,
        right: float,
        radii: tuple[float, float],
        width: float,
        color: Rgb,
        label: int,
    ) -> None:
        """A wheel that stands on the ground, with its half width and half height in metres."""
        center = (round(easel.u + right * easel.scale), round(easel.v - radii[1] * easel.scale))
        axes = (max(1, round(radii[0] * easel.scale)), max(1, round(radii[1] * easel.scale)))
        thickness = max(1, round(width * easel.scale))
        self._draw(
            lambda image, value: cv2.ellipse(image, center, axes, 0, 0, 360, value, thickness),
            self.atmosphere.tone(color, easel.depth),
            label,
            easel.depth,
        )

    def strip(
        self, left: float, right: float, start: float, end: float, color: Rgb, label: int
    ) -> None:
        """A piece of ground between two distances from the centre line and two places along it.

        Colours stay as they are: the ground gets light and haze as a whole.
        """
        near, far = max(start - self.camera.s, NEAR), min(end - self.camera.s, VIEW_DISTANCE)
        if near >= far:
            return
        steps = 2 if end - start < 8 or self.camera.curvature == 0 else 10
        places = self.camera.s + np.geomspace(near, far, steps)
        points = np.zeros((2 * steps, 3))
        points[:steps, 0], points[steps:, 0] = left, right
        points[:, 2] = np.concatenate((places, places[::-1]))
        self.fill(self.camera.project(points), color, label)

    def textured(
        self, corners: np.ndarray, texture: Texture, begin: float = 0.0, gain: float = 1.0
    ) -> None:
        """Stretch a texture over a quadrilateral.

        Args:
            corners: (4, 3) street points: top near, top far, bottom far, bottom near.
            texture: its left side is put to the near end.
            begin: share of the texture that lies behind the camera and is cut off.
        """
        quad = self.camera.project(corners)
        depths = np.maximum(corners[:, 2] - self.camera.s, 0)
        depth = float(0.7 * depths.min() + 0.3 * depths.max())
        low = np.maximum(np.floor(quad.min(0)), 0).astype(int)
        high = np.minimum(np.ceil(quad.max(0)) + 1, self.pixels.shape[1::-1]).astype(int)
        width, height = (high - low).tolist()
        if width < 1 or height < 1:
            return
        largest = max(quad[3, 1] - quad[0, 1], quad[2, 1] - quad[1, 1])
        source = texture.level_for(largest)
        source = cv2.LUT(source, self.atmosphere.tone_table(depth, gain))
        rows, columns = source.shape[:2]
        frame = np.array(
            ((begin * columns, 0), (columns, 0), (columns, rows), (begin * columns, rows))
        )
        transform = cv2.getPerspectiveTransform(
            (frame - 0.5).astype(np.float32), (quad - low).astype(np.float32)
        )
        stretched = cv2.warpPerspective(
            source, transform, (width, height), borderMode=cv2.BORDER_REPLICATE
        )
        mask = np.zeros((height, width), np.uint8)
        cv2.fillPoly(mask, [np.rint(quad - low).astype(np.int32)], 255)
        self._copy(stretched, mask, low, high, corners)

    def sprite(self, easel: Easel, sprite: Sprite, height: float) -> None:
        """Stand a sprite of this height (m) on the ground."""
        tall = height * easel.scale
        wide = tall * sprite.aspect
        low = np.maximum((round(easel.u - wide / 2), round(easel.v - tall)), 0)
        high = np.minimum((round(easel.u + wide / 2), round(easel.v)), self.pixels.shape[1::-1])
        width, rows = (high - low).tolist()
        if width < 1 or rows < 1:
            return
        source, mask = sprite.level_for(tall)
        source = cv2.LUT(source, self.atmosphere.tone_table(easel.depth, 1.0))
        zoom = tall / source.shape[0]
        transform = np.array(
            ((zoom, 0, easel.u - wide / 2 - low[0]), (0, zoom, easel.v - tall - low[1]))
        )
        image = cv2.warpAffine(source, transform, (width, rows), borderMode=cv2.BORDER_REPLICATE)
        cover = cv2.warpAffine(mask, transform, (width, rows), flags=cv2.INTER_LINEAR)
        mask = np.where(cover > 127, 255, 0).astype(np.uint8)
        self._copy(image, mask, low, high, easel.depth)

    def _draw(
        self, draw: Callable[[np.ndarray, Any], object], tone: Rgb, label: int, place: Place
    ) -> None:
        draw(self.pixels, (*tone, label))
        if self._surfaces:
            self._surfaces.paint(draw, place)

    def _copy(
        self, image: np.ndarray, mask: np.ndarray, low: np.ndarray, high: np.ndarray, place: Place
    ) -> None:
        """Copy (H, W, 4) pixels to the region between two corners, where the mask says so."""
        region = np.s_[low[1] : high[1], low[0] : high[0]]
        cv2.copyTo(image, mask, self.pixels[region])
        if self._surfaces:
            self._surfaces.paint(
                lambda numbers, value: np.copyto(numbers[region], value, where=mask > 0), place
            )
