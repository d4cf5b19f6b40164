"""What stands beside the street: houses, walls, trees, poles, lights, signs, parked bicycles."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Protocol

import numpy as np

from lmanet_core.data.synthetic.canvas import Canvas, Easel, Rgb
from lmanet_core.data.synthetic.labels import (
    BICYCLE,
    BUILDING,
    MOTORCYCLE,
    POLE,
    TRAFFIC_LIGHT,
    TRAFFIC_SIGN,
)
from lmanet_core.data.synthetic.street_camera import NEAR
from lmanet_core.data.synthetic.textures import Sprite, Texture

_METAL = (112, 116, 118)


class Thing(Protocol):
    """Anything that is painted. What has the larger `end` is painted first."""

    @property
    def end(self) -> float:
        """Where along the street the thing ends (m)."""

    def paint(self, canvas: Canvas) -> None: ...


@dataclass(frozen=True)
class Panel:
    """An upright surface along the street: a house front, wall, fence or hedge.

    Attributes:
        x: its distance from the centre line, right positive.
        start, end: its places along the street.
        depth: how far a house reaches away from the street; 0 for walls.
        roof: colour of a pitched roof, if there is one.
    """

    x: float
    start: float
    end: float
    height: float
    texture: Texture
    depth: float = 0.0
    roof: Rgb | None = None

    def paint(self, canvas: Canvas) -> None:
        side = 1 if self.x > 0 else -1
        sunny = side != canvas.atmosphere.sun_side
        cut = max(self.start, canvas.camera.s + NEAR)
        begin = (cut - self.start) / (self.end - self.start)
        if self.roof is not None:
            ridge = self.x + side * 0.5 * self.depth
            top = 1.35 * self.height
            slope = ((self.x, self.height, cut), (self.x, self.height, self.end),
                     (ridge, top, self.end), (ridge, top, cut))  # fmt: skip
            canvas.polygon(np.array(slope), self.roof, BUILDING, 1.1 if sunny else 0.8)
        corners = ((self.x, self.height, cut), (self.x, self.height, self.end),
                   (self.x, 0, self.end), (self.x, 0, cut))  # fmt: skip
        canvas.textured(np.array(corners), self.texture, begin, 1.1 if sunny else 0.72)
        if self.depth and cut == self.start:
            self._paint_end_wall(canvas, side)

    def _paint_end_wall(self, canvas: Canvas, side: int) -> None:
        back = self.x + side * self.depth
        outline = [(self.x, 0, self.start), (back, 0, self.start), (back, self.height, self.start)]
        if self.roof is not None:
            outline.append((0.5 * (self.x + back), 1.35 * self.height, self.start))
        outline.append((self.x, self.height, self.start))
        canvas.polygon(np.array(outline), self.texture.mean_color, BUILDING, 0.85)


@dataclass(frozen=True)
class Plant:
    """A tree or bush."""

    x: float
    end: float
    height: float
    sprite: Sprite

    def paint(self, canvas: Canvas) -> None:
        canvas.sprite(canvas.easel(self.x, self.end), self.sprite, self.height)


@dataclass(frozen=True)
class StreetLamp:
    x: float
    end: float
    height: float = 7.0

    def paint(self, canvas: Canvas) -> None:
        easel = canvas.easel(self.x, self.end)
        arm = -1.6 if self.x > 0 else 1.6
        canvas.stroke(easel, ((0, 0), (0, self.height)), 0.16, _METAL, POLE)
        canvas.stroke(easel, ((0, self.height), (arm, self.height + 0.3)), 0.1, _METAL, POLE)
        canvas.stroke(easel, ((arm, self.height + 0.3), (1.4 * arm, self.height + 0.3)), 0.16,
                      (225, 222, 205), POLE)  # fmt: skip


@dataclass(frozen=True)
class TrafficLight:
    """A light on its pole. `phase` 0 is red, 1 amber, 2 green."""

    x: float
    end: float
    phase: int

    def paint(self, canvas: Canvas) -> None:
        easel = canvas.easel(self.x, self.end)
        canvas.stroke(easel, ((0, 0), (0, 3.6)), 0.14, _METAL, POLE)
        box = ((-0.22, 2.6), (0.22, 2.6), (0.22, 3.7), (-0.22, 3.7))
        canvas.cutout(easel, box, (34, 36, 34), TRAFFIC_LIGHT)
        lamps = ((235, 40, 30), (240, 180, 40), (50, 220, 110))
        for number, color in enumerate(lamps):
            lit = color if number == self.phase else tuple(0.22 * channel for channel in color)
            canvas.disc(easel, 0.0, 3.5 - 0.34 * number, 0.13, lit, TRAFFIC_LIGHT)


@dataclass(frozen=True)
class TrafficSign:
    """A sign on its pole. `kind`: speed limit, warning, blue square, stop, direction board."""

    x: float
    end: float
    kind: int
    KINDS = 5

    def paint(self, canvas: Canvas) -> None:
        easel = canvas.easel(self.x, self.end)
        canvas.stroke(easel, ((0, 0), (0, 2.4)), 0.09, _METAL, POLE)
        if self.kind == 0:
            canvas.disc(easel, 0, 2.5, 0.36, (200, 30, 30), TRAFFIC_SIGN)
            canvas.disc(easel, 0, 2.5, 0.26, (240, 240, 240), TRAFFIC_SIGN)
        elif self.kind == 1:
            self._triangle(canvas, easel, 0.45, (200, 30, 30))
            self._triangle(canvas, easel, 0.29, (240, 240, 235))
        elif self.kind == 2:
            self._board(canvas, easel, 0.34, 0.34, (30, 80, 180))
            canvas.disc(easel, 0, 2.5, 0.14, (240, 240, 240), TRAFFIC_SIGN)
        elif self.kind == 3:
            angles = np.pi / 8 + np.arange(8) * np.pi / 4
            octagon = np.stack((0.4 * np.cos(angles), 2.5 + 0.4 * np.sin(angles)), axis=1)
            canvas.cutout(easel, octagon.tolist(), (196, 24, 34), TRAFFIC_SIGN)
            band = ((-0.26, 2.44), (0.26, 2.44), (0.26, 2.56), (-0.26, 2.56))
            canvas.cutout(easel, band, (240, 240, 240), TRAFFIC_SIGN)
        else:
            self._board(canvas, easel, 0.75, 0.32, (236, 200, 40))

    def _triangle(self, canvas: Canvas, easel: Easel, radius: float, color: Rgb) -> None:
        outline = ((-0.87 * radius, 2.5 - 0.5 * radius), (0.87 * radius, 2.5 - 0.5 * radius),
                   (0, 2.5 + radius))  # fmt: skip
        canvas.cutout(easel, outline, color, TRAFFIC_SIGN)

    def _board(self, canvas: Canvas, easel: Easel, right: float, up: float, color: Rgb) -> None:
        outline = ((-right, 2.5 - up), (right, 2.5 - up), (right, 2.5 + up), (-right, 2.5 + up))
        canvas.cutout(easel, outline, color, TRAFFIC_SIGN)


@dataclass(frozen=True)
class ParkedTwoWheeler:
    """A bicycle or motorcycle at the edge of the pavement, seen from the side."""

    x: float
    end: float
    color: Rgb
    motorized: bool

    def paint(self, canvas: Canvas) -> None:
        easel = canvas.easel(self.x, self.end)
        label, tyre = (MOTORCYCLE, 0.16) if self.motorized else (BICYCLE, 0.07)
        for right in (-0.55, 0.55):
            canvas.ring(easel, right, (0.33, 0.33), tyre, (30, 30, 32), label)
        frame = ((-0.55, 0.33), (-0.2, 0.75), (0.35, 0.78), (0.0, 0.3), (-0.2, 0.75))
        canvas.stroke(easel, frame, 0.08, self.color, label)
        canvas.stroke(easel, ((0.55, 0.33), (0.33, 1.0), (0.2, 1.02)), 0.07, (44, 44, 46), label)
        canvas.stroke(easel, ((-0.35, 0.86), (-0.05, 0.86)), 0.1, (30, 28, 28), label)
        if self.motorized:
            body = ((-0.6, 0.6), (-0.3, 0.85), (0.3, 0.95), (0.45, 0.7), (0.2, 0.3), (-0.25, 0.3))
            canvas.cutout(easel, body, self.color, label)
