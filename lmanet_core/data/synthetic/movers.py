"""What moves along the street: vehicles, pedestrians, riders."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace

import numpy as np

from lmanet_core.data.synthetic.canvas import Canvas, Easel, Rgb
from lmanet_core.data.synthetic.labels import (
    BICYCLE,
    BUS,
    CAR,
    MOTORCYCLE,
    PERSON,
    RIDER,
    ROAD,
    TRAIN,
    TRUCK,
)

_GLASS = (38, 46, 56)
_TYRE = (26, 26, 28)
_FACES = {
    "back": [0, 1, 5, 4],
    "front": [2, 3, 7, 6],
    "left": [3, 0, 4, 7],
    "right": [1, 2, 6, 5],
    "top": [4, 5, 6, 7],
}
"""Corners of a block's faces, seen from outside: bottom left, bottom right, top right, top left."""

_SMALLEST_DETAILED = 10
"""Canvas pixels; details of lower blocks would be less than a pixel."""

Detail = tuple[str, float, float, float, float, Rgb]
"""A rectangle on a face: face, left, bottom, right, top as shares of the face, colour."""


@dataclass(frozen=True)
class Block:
    """A box that may narrow towards its top; a vehicle is made of a few.

    Attributes:
        back, front: ends of the box along the vehicle, from its middle (m).
        bottom, top: heights (m).
        half_width: at the bottom (m).
        slope: how far the top draws in at back, front and both sides (m).
    """

    back: float
    front: float
    bottom: float
    top: float
    half_width: float
    color: Rgb
    slope: tuple[float, float, float] = (0.0, 0.0, 0.0)
    details: tuple[Detail, ...] = ()

    def corners(self) -> np.ndarray:
        """(8, 3) points (right, up, forward): bottom then top, counter-clockwise from back left."""
        back, front, side = self.slope
        wide, narrow = self.half_width, self.half_width - side
        return np.array(
            (
                (-wide, self.bottom, self.back),
                (wide, self.bottom, self.back),
                (wide, self.bottom, self.front),
                (-wide, self.bottom, self.front),
                (-narrow, self.top, self.back + back),
                (narrow, self.top, self.back + back),
                (narrow, self.top, self.front - front),
                (-narrow, self.top, self.front - front),
            )
        )


def _is_seen_from_outside(face: np.ndarray) -> bool:
    """Whether the corners (4, 2) of a face run counter-clockwise on the image, v pointing down."""
    (right, down), (up_right, up_down) = (face[2] - face[0]).tolist(), (face[3] - face[1]).tolist()
    return bool(right * up_down < down * up_right)


@dataclass
class Placed:
    """Has a place: right of the centre line and along the street (m)."""

    x: float
    s: float

    @property
    def end(self) -> float:
        return self.s


@dataclass
class Vehicle(Placed):
    """A car, truck, bus or tram.

    Attributes:
        heading: 0 drives along the street, pi against it, +-pi/2 across it.
        wheels: places of the axles from the middle (m).
    """

    heading: float
    speed: float
    label: int
    blocks: tuple[Block, ...]
    length: float
    wheels: tuple[float, ...] = ()
    wheel_radius: float = 0.33

    def move(self, seconds: float) -> None:
        self.x += self.speed * seconds * float(np.sin(self.heading))
        self.s += self.speed * seconds * float(np.cos(self.heading))

    def paint(self, canvas: Canvas) -> None:
        self._paint_shadow(canvas)
        for number, block in enumerate(self.blocks):
            visible = self._paint_block(canvas, block)
            if number == 0:
                self._paint_wheels(canvas, block, visible)

    def _place(self, points: np.ndarray) -> np.ndarray:
        cos, sin = np.cos(self.heading), np.sin(self.heading)
        right, forward = points[:, 0], points[:, 2]
        return np.stack(
            (
                self.x + right * cos + forward * sin,
                points[:, 1],
                self.s + forward * cos - right * sin,
            ),
            axis=1,
        )

    def _paint_shadow(self, canvas: Canvas) -> None:
        wide, long = 1.12 * self.blocks[0].half_width, 0.52 * self.length
        corners = np.array(((-wide, 0, -long), (wide, 0, -long), (wide, 0, long), (-wide, 0, long)))
        canvas.polygon(self._place(corners), (38, 38, 40), ROAD)

    def _paint_block(self, canvas: Canvas, block: Block) -> set[str]:
        corners = self._place(block.corners())
        pixels = canvas.camera.project(corners)
        if pixels[:, 0].max() < 0 or pixels[:, 0].min() > canvas.camera.width:
            return set()
        depth = self.s - canvas.camera.s
        details = block.details if np.ptp(pixels[:, 1]) >= _SMALLEST_DETAILED else ()
        visible = set()
        for name, indices in _FACES.items():
            face = pixels[indices]
            if not _is_seen_from_outside(face):
                continue
            visible.add(name)
            gain = self._gain(name, canvas)
            tone = canvas.atmosphere.tone(block.color, depth, gain)
            canvas.fill(face, tone, self.label, corners[indices])
            for detail in details:
                if detail[0] == name:
                    self._paint_detail(canvas, corners[indices], detail, depth)
        return visible

    def _paint_detail(self, canvas: Canvas, face: np.ndarray, detail: Detail, depth: float) -> None:
        _, left, bottom, right, top, color = detail
        shares = np.array(((left, bottom), (right, bottom), (right, top), (left, top)))
        across, up = shares[:, :1], shares[:, 1:]
        low = face[0] * (1 - across) + face[1] * across
        high = face[3] * (1 - across) + face[2] * across
        points = canvas.camera.project(low * (1 - up) + high * up)
        canvas.fill(points, canvas.atmosphere.tone(color, depth), self.label, face)

    def _paint_wheels(self, canvas: Canvas, body: Block, visible: set[str]) -> None:
        angles = np.arange(10) * (2 * np.pi / 10)
        rim = np.stack(
            (np.zeros(10), self.wheel_radius * (1 + np.sin(angles)), np.cos(angles)), axis=1
        )
        rim[:, 2] *= self.wheel_radius
        depth = self.s - canvas.camera.s
        for side, right in (("left", -1.0), ("right", 1.0)):
            if side not in visible:
                continue
            for axle in self.wheels:
                wheel = self._place(rim + np.array((right * body.half_width, 0, axle)))
                tone = canvas.atmosphere.tone(_TYRE, depth)
                canvas.fill(canvas.camera.project(wheel), tone, self.label, wheel)

    def _gain(self, face: str, canvas: Canvas) -> float:
        if face == "top":
            return 1.2
        if face in ("back", "front"):
            return 0.92
        sunward = (face == "right") == (np.cos(self.heading) * canvas.atmosphere.sun_side > 0)
        return 1.05 if sunward else 0.72


CAR_COLORS = (
    (178, 24, 28),
    (30, 54, 120),
    (206, 206, 208),
    (44, 46, 50),
    (130, 134, 138),
    (236, 236, 234),
    (24, 84, 60),
    (196, 148, 40),
    (92, 40, 36),
    (70, 110, 150),
)
_LIGHTS: tuple[Detail, ...] = (
    ("back", 0.03, 0.45, 0.2, 0.8, (200, 20, 24)),
    ("back", 0.8, 0.45, 0.97, 0.8, (200, 20, 24)),
    ("back", 0.36, 0.28, 0.64, 0.48, (230, 230, 224)),
    ("front", 0.03, 0.48, 0.22, 0.78, (250, 248, 225)),
    ("front", 0.78, 0.48, 0.97, 0.78, (250, 248, 225)),
    ("front", 0.28, 0.3, 0.72, 0.62, (28, 28, 30)),
)


def car(x: float, s: float, heading: float, speed: float, random: np.random.Generator) -> Vehicle:
    """A saloon, hatchback, off-roader or van."""
    length, height, cabin_back, cabin_front = (
        (4.6, 1.42, -1.6, 0.9),
        (4.0, 1.5, -1.95, 0.75),
        (4.6, 1.75, -2.2, 0.9),
        (5.0, 2.1, -2.45, 1.6),
    )[random.integers(4)]
    color = CAR_COLORS[random.integers(len(CAR_COLORS))]
    belt = 0.58 * height
    glass: tuple[Detail, ...] = tuple(
        (face, 0.08, 0.12, 0.92, 0.85, _GLASS) for face in ("back", "front", "left", "right")
    )
    pillar: tuple[Detail, ...] = tuple(
        (face, 0.47, 0.1, 0.53, 0.9, color) for face in ("left", "right")
    )
    half = length / 2
    body = Block(-half, half, 0.24, belt, 0.88, color, (0.08, 0.12, 0.04), _LIGHTS)
    cabin = Block(
        cabin_back, cabin_front, belt, height, 0.82, color, (0.35, 0.65, 0.16), glass + pillar
    )
    wheels = (-0.3 * length, 0.31 * length)
    return Vehicle(x, s, heading, speed, CAR, (body, cabin), length, wheels)


def truck(x: float, s: float, heading: float, speed: float, random: np.random.Generator) -> Vehicle:
    color = CAR_COLORS[random.integers(len(CAR_COLORS))]
    cargo_color = ((222, 222, 218), (70, 100, 150), (150, 60, 50), (120, 128, 120))[
        random.integers(4)
    ]
    glass: tuple[Detail, ...] = (
        ("front", 0.08, 0.48, 0.92, 0.88, _GLASS),
        ("left", 0.3, 0.5, 0.85, 0.85, _GLASS),
        ("right", 0.15, 0.5, 0.7, 0.85, _GLASS),
    )
    doors: tuple[Detail, ...] = (
        ("back", 0.49, 0.04, 0.51, 0.96, (60, 60, 62)),
        ("back", 0.03, 0.0, 0.15, 0.05, (200, 20, 24)),
        ("back", 0.85, 0.0, 0.97, 0.05, (200, 20, 24)),
        ("left", 0.2, 0.4, 0.8, 0.62, color),
        ("right", 0.2, 0.4, 0.8, 0.62, color),
    )
    chassis = Block(-3.9, 3.9, 0.4, 0.85, 1.1, (50, 50, 54))
    cabin = Block(2.2, 4.0, 0.7, 2.7, 1.15, color, (0, 0.25, 0.03), glass)
    cargo = Block(-4.0, 2.0, 0.85, 3.4, 1.2, cargo_color, details=doors)
    parts = (cabin, cargo) if np.cos(heading) > 0 else (cargo, cabin)
    return Vehicle(x, s, heading, speed, TRUCK, (chassis, *parts), 8.0, (-2.6, -1.6, 2.8), 0.48)


def bus(x: float, s: float, heading: float, speed: float, random: np.random.Generator) -> Vehicle:
    color = ((208, 170, 40), (190, 40, 40), (60, 120, 70), (220, 220, 224))[random.integers(4)]
    body = _long_body(11.0, 0.35, 3.1, 1.25, color)
    return Vehicle(x, s, heading, speed, BUS, (body,), 11.0, (-3.6, 3.4), 0.48)


def tram(x: float, s: float, heading: float, speed: float, random: np.random.Generator) -> Vehicle:
    color = ((180, 30, 36), (36, 110, 120), (226, 214, 170))[random.integers(3)]
    body = _long_body(22.0, 0.25, 3.3, 1.25, color)
    skirt = replace(body, top=0.9, color=(232, 230, 222), details=(), slope=(0, 0, 0))
    pantograph = Block(-1.5, 1.5, 3.3, 3.8, 0.5, (60, 62, 66))
    return Vehicle(
        x, s, heading, speed, TRAIN, (skirt, replace(body, bottom=0.9), pantograph), 22.0
    )


def _long_body(length: float, bottom: float, top: float, half: float, color: Rgb) -> Block:
    count = round(length / 1.6)
    windows: list[Detail] = [
        (face, (i + 0.1) / count, 0.48, (i + 0.9) / count, 0.84, _GLASS)
        for face in ("left", "right")
        for i in range(count)
    ]
    windows += [
        ("front", 0.06, 0.36, 0.94, 0.86, _GLASS),
        ("back", 0.14, 0.5, 0.86, 0.86, _GLASS),
        ("front", 0.25, 0.89, 0.75, 0.97, (240, 180, 60)),
        ("back", 0.04, 0.1, 0.16, 0.2, (200, 20, 24)),
        ("back", 0.84, 0.1, 0.96, 0.2, (200, 20, 24)),
        ("front", 0.06, 0.1, 0.2, 0.18, (250, 248, 225)),
        ("front", 0.8, 0.1, 0.94, 0.18, (250, 248, 225)),
    ]
    return Block(
        -length / 2, length / 2, bottom, top, half, color, (0.05, 0.2, 0.04), tuple(windows)
    )


@dataclass(frozen=True)
class Look:
    """Clothes and build of a person."""

    jacket: Rgb
    trousers: Rgb
    skin: Rgb
    hair: Rgb
    height: float

    @classmethod
    def sample(cls, random: np.random.Generator) -> Look:
        skins = ((232, 190, 160), (198, 148, 112), (140, 96, 68), (96, 66, 50))
        hairs = ((40, 30, 24), (96, 66, 36), (190, 160, 96), (120, 120, 122))
        jacket = random.uniform(30, 220, 3) * random.uniform(0.4, 1.0)
        trousers = np.array((52, 58, 78)) * random.uniform(0.5, 1.6)
        return cls(
            jacket.tolist(),
            trousers.tolist(),
            skins[random.integers(len(skins))],
            hairs[random.integers(len(hairs))],
            float(random.uniform(0.86, 1.08)),
        )


@dataclass
class Pedestrian(Placed):
    """Somebody walking along the pavement (`across` 0) or over the street."""

    along: float
    across: float
    look: Look
    phase: float = 0.0

    def move(self, seconds: float) -> None:
        self.x += self.across * seconds
        self.s += self.along * seconds
        self.phase += 6.0 * seconds

    def paint(self, canvas: Canvas) -> None:
        easel = canvas.easel(self.x, self.s)
        swing = float(np.sin(self.phase)) * (0.3 if self.across else 0.12)
        tall, look = self.look.height, self.look
        if easel.depth < 45:
            shadow = ((-0.35, -0.02), (0.35, -0.02), (0.3, 0.05), (-0.3, 0.05))
            canvas.cutout(easel, shadow, (40, 40, 40), PERSON)
        for sign in (1, -1):
            leg = ((0.07 * sign, 0.88 * tall), (0.09 * sign + swing * sign, 0.05))
            canvas.stroke(easel, leg, 0.15, look.trousers, PERSON)
        _paint_upper_body(canvas, easel, look, PERSON, swing)


@dataclass
class Rider(Placed):
    """Somebody on a bicycle or motorcycle, along the street or against it."""

    speed: float
    motorized: bool
    look: Look
    color: Rgb
    phase: float = 0.0

    def move(self, seconds: float) -> None:
        self.s += self.speed * seconds
        self.phase += 7.0 * seconds

    def paint(self, canvas: Canvas) -> None:
        easel = canvas.easel(self.x, self.s)
        label = MOTORCYCLE if self.motorized else BICYCLE
        tyre = 0.13 if self.motorized else 0.06
        canvas.ring(easel, 0.0, (0.09, 0.35), tyre, _TYRE, label)
        canvas.stroke(
            easel, ((0, 0.35), (0, 0.95)), 0.3 if self.motorized else 0.08, self.color, label
        )
        canvas.stroke(easel, ((-0.33, 1.02), (0.33, 1.02)), 0.07, (50, 50, 54), label)
        lamp = (220, 20, 24) if self.speed > 0 else (250, 248, 225)
        canvas.disc(easel, 0.0, 0.72, 0.07, lamp, label)
        pedal = 0.0 if self.motorized else 0.14 * float(np.sin(self.phase))
        for sign in (1, -1):
            leg = (
                (0.1 * sign, 0.95),
                (0.19 * sign, 0.62 + sign * pedal),
                (0.13 * sign, 0.25 + sign * pedal),
            )
            canvas.stroke(easel, leg, 0.14, self.look.trousers, RIDER)
        raised = replace(self.look, height=self.look.height * 1.04)
        _paint_upper_body(canvas, easel, raised, RIDER, 0.0, helmet=True)


def _paint_upper_body(
    canvas: Canvas,
    easel: Easel,
    look: Look,
    label: int,
    swing: float,
    helmet: bool = False,
) -> None:
    tall = look.height
    torso: Sequence[Rgb] = (
        (-0.16, 0.82 * tall), (0.16, 0.82 * tall), (0.23, 1.4 * tall),
        (0.12, 1.5 * tall), (-0.12, 1.5 * tall), (-0.23, 1.4 * tall),
    )  # fmt: skip
    for sign in (1, -1):
        hand = (0.3 * sign, 1.05) if helmet else (0.27 * sign - swing * sign, 0.86 * tall)
        canvas.stroke(easel, ((0.22 * sign, 1.4 * tall), hand), 0.1, look.jacket, label)
    canvas.cutout(easel, torso, look.jacket, label)
    canvas.disc(easel, 0.0, 1.64 * tall, 0.115, look.skin, label)
    hair = look.jacket if helmet else look.hair
    canvas.disc(easel, 0.0, 1.7 * tall, 0.11, hair, label)
