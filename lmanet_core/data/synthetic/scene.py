"""The street itself: built ahead of the camera, forgotten behind it, with its traffic."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace

import numpy as np

from lmanet_core.data.synthetic import movers, textures, things
from lmanet_core.data.synthetic.labels import SIDEWALK, TERRAIN
from lmanet_core.data.synthetic.street_camera import VIEW_DISTANCE, Camera

LANE = 3.3
"""Width of a lane (m)."""

CROSSING_LENGTH = 9.0
"""Width of a crossing street (m)."""

_ROOFS = ((120, 62, 50), (84, 70, 66), (70, 74, 82), (140, 84, 62))
_GRASS = (92, 118, 58)
_EARTH = (126, 112, 84)

Mover = movers.Vehicle | movers.Pedestrian | movers.Rider


@dataclass(frozen=True)
class Plan:
    """What stays the same along one street.

    Attributes:
        lanes: in each direction.
        parking: whether cars are parked along the kerbs.
        sidewalk: width (m).
        tracks: whether trams run on the inner lanes.
        greenness: 0..1, how often parks, hedges and trees come.
        traffic: 0..1.
    """

    lanes: int
    parking: bool
    sidewalk: float
    tracks: bool
    greenness: float
    traffic: float

    @classmethod
    def sample(cls, random: np.random.Generator) -> Plan:
        return cls(
            lanes=int(random.choice((1, 1, 2))),
            parking=bool(random.random() < 0.6),
            sidewalk=float(random.uniform(2.2, 4.5)),
            tracks=bool(random.random() < 0.45),
            greenness=float(random.uniform(0.1, 0.9)),
            traffic=float(random.uniform(0.35, 1.0)),
        )

    @property
    def kerb(self) -> float:
        """Distance of the kerbs from the centre line (m)."""
        return self.lanes * LANE + (2.3 if self.parking else 0.5)

    @property
    def front(self) -> float:
        """Distance of the house fronts from the centre line (m)."""
        return self.kerb + self.sidewalk


@dataclass(frozen=True)
class GroundPatch:
    """Ground between pavement and horizon on one side (-1 left, 1 right) of a stretch of street."""

    side: int
    start: float
    end: float
    color: tuple[int, int, int]
    label: int


@dataclass(frozen=True)
class Pose:
    """Where the camera is, seen from above: a street that bends is followed.

    Attributes:
        right, ahead: metres from where the drive has begun, in the direction that it had there.
        heading: heading of the street at the camera, in radians, to the right.
    """

    right: float = 0.0
    ahead: float = 0.0
    heading: float = 0.0

    def moved(self, right: float, ahead: float, bend: float) -> Pose:
        """After driving on along a street with this curvature, in 1/m."""
        heading = self.heading + bend * ahead
        sin, cos = float(np.sin(heading)), float(np.cos(heading))
        return Pose(
            self.right + ahead * sin + right * cos, self.ahead + ahead * cos - right * sin, heading
        )


class Street:
    """Everything on the street, and the camera car that drives through it."""

    def __init__(self, random: np.random.Generator, camera: Camera) -> None:
        self._random = random
        self.plan = Plan.sample(random)
        self.camera = replace(camera, x=(self.plan.lanes - 0.5) * LANE)
        self.pose = Pose()
        self.things: list[things.Thing] = []
        self.movers: list[Mover] = []
        self.patches: list[GroundPatch] = []
        self.crossings: list[float] = []
        self._trees = [textures.tree(random) for _ in range(5)]
        self._bushes = [textures.bush(random) for _ in range(3)]
        self._built = {-1: -20.0, 1: -20.0}
        self._furnished = -20.0
        self._next_crossing = float(random.uniform(25, 90))
        self._speed = self._wanted_speed = float(random.uniform(6, 13))
        self._wanted_bend = 0.0
        self._time = 0.0
        self._traffic_due = 0.0
        self._extend()
        for _ in range(round(14 * self.plan.traffic)):
            self._add_mover(self.camera.s + float(random.uniform(8, VIEW_DISTANCE)))

    def in_painting_order(self) -> Iterator[things.Thing]:
        """What may be in view, far to near."""
        near, far = self.camera.s + 1.5, self.camera.s + VIEW_DISTANCE
        everything = (*self.things, *self.movers)
        seen = (thing for thing in everything if near < thing.end < far + 25)
        return iter(sorted(seen, key=lambda thing: -thing.end))

    def advance(self, seconds: float) -> None:
        """Drive on, let the traffic move, build what comes into view and forget what is behind."""
        self._drive(seconds)
        for mover in self.movers:
            mover.move(seconds)
        self._keep_distance()
        self._traffic_due -= seconds
        if self._traffic_due < 0:
            self._traffic_due = float(self._random.exponential(1.4 / self.plan.traffic))
            self._add_mover(self.camera.s + VIEW_DISTANCE - 5)
        self._extend()
        behind, ahead = self.camera.s - 2, self.camera.s + VIEW_DISTANCE + 30
        self.things = [thing for thing in self.things if thing.end > behind]
        self.movers = [mover for mover in self.movers if behind - 10 < mover.s < ahead]
        self.patches = [patch for patch in self.patches if patch.end > behind]
        self.crossings = [start for start in self.crossings if start + 20 > behind]

    def _drive(self, seconds: float) -> None:
        random = self._random
        self._time += seconds
        if random.random() < 0.25 * seconds:
            self._wanted_speed = float(random.uniform(4, 14))
        if random.random() < 0.2 * seconds:
            self._wanted_bend = float(random.normal(0, 0.0007))
        self._speed += (self._wanted_speed - self._speed) * min(1.0, 0.5 * seconds)
        bend = self.camera.curvature
        bend += (self._wanted_bend - bend) * min(1.0, 0.6 * seconds)
        before = self.camera
        sway = 0.25 * np.sin(0.5 * self._time) + 0.1 * np.sin(1.3 * self._time)
        self.camera = replace(
            self.camera,
            s=self.camera.s + self._speed * seconds,
            x=(self.plan.lanes - 0.5) * LANE + float(sway),
            yaw=float(0.008 * np.sin(0.7 * self._time) + 8 * bend),
            pitch=float(0.004 * np.sin(2.3 * self._time) + random.normal(0, 0.0006)),
            curvature=bend,
        )
        moved = self.camera.x - before.x, self.camera.s - before.s
        self.pose = self.pose.moved(*moved, bend)

    def _keep_distance(self) -> None:
        """Cars ahead in the camera's lane never let it drive into them."""
        for mover in self.movers:
            same_lane = abs(mover.x - self.camera.x) < 2.2
            if same_lane and isinstance(mover, movers.Vehicle | movers.Rider):
                gap = mover.s - self.camera.s
                if 0 < gap < 14 and abs(mover.speed) > 0:
                    mover.speed = max(mover.speed, self._speed + 0.5 * (14 - gap))

    # Traffic

    def _add_mover(self, s: float) -> None:
        random, plan = self._random, self.plan
        kind = random.random()
        if kind < 0.36:
            self._add_pedestrian(s)
        elif kind < 0.5:
            motorized = bool(random.random() < 0.45)
            direction = 1 if random.random() < 0.6 else -1
            x = direction * (plan.kerb - (2.6 if plan.parking else 0.7))
            speed = direction * float(random.uniform(7, 11) if motorized else random.uniform(3, 6))
            look = movers.Look.sample(random)
            color = movers.CAR_COLORS[random.integers(len(movers.CAR_COLORS))]
            self.movers.append(movers.Rider(x, s, speed, motorized, look, color))
        else:
            self._add_vehicle(s)

    def _add_pedestrian(self, s: float) -> None:
        random, plan = self._random, self.plan
        side = int(random.choice((-1, 1)))
        if self.crossings and random.random() < 0.5:
            across = float(random.uniform(0.9, 1.6))
            place = self.crossings[-1] - 2.5 + float(random.uniform(-0.8, 0.8))
            walker = movers.Pedestrian(
                side * plan.kerb, place, 0.0, -side * across, movers.Look.sample(random)
            )
            self.movers.append(walker)
            return
        along = float(random.choice((-1, 1)) * random.uniform(0.8, 1.6))
        for _ in range(int(random.integers(1, 4))):
            x = side * (plan.kerb + float(random.uniform(0.5, plan.sidewalk - 0.4)))
            place = s - float(random.uniform(0, 40))
            phase = float(random.uniform(0, 6))
            look = movers.Look.sample(random)
            self.movers.append(movers.Pedestrian(x, place, along, 0.0, look, phase))

    def _add_vehicle(self, s: float) -> None:
        random, plan = self._random, self.plan
        oncoming = random.random() < 0.6
        lane = (float(random.integers(plan.lanes)) + 0.5) * LANE
        makers: list[Callable[..., movers.Vehicle]] = [movers.car] * 6
        makers += [movers.truck, movers.truck, movers.bus, movers.bus]
        if plan.tracks:
            makers += [movers.tram] * 3
        make = makers[random.integers(len(makers))]
        if make is movers.tram:
            lane = 0.5 * LANE
            oncoming = oncoming or plan.lanes == 1
        # One speed for each lane, so that nobody drives through anybody.
        speed = 8.0 + 1.5 * round(lane / LANE)
        x, heading = (-lane, float(np.pi)) if oncoming else (lane, 0.0)
        vehicle = make(x, s, heading, speed, random)
        if self._has_room_for(vehicle):
            self.movers.append(vehicle)

    def _has_room_for(self, vehicle: movers.Vehicle) -> bool:
        return not any(
            isinstance(other, movers.Vehicle)
            and abs(other.x - vehicle.x) < 2.5
            and abs(other.s - vehicle.s) < 0.5 * (other.length + vehicle.length) + 6
            for other in self.movers
        )

    # What is built

    def _extend(self) -> None:
        target = self.camera.s + VIEW_DISTANCE
        while min(self._built.values()) < target:
            side = min(self._built, key=lambda key: self._built[key])
            if self._built[side] >= self._next_crossing:
                self._build_crossing(self._next_crossing)
            else:
                self._build_block(side)
        while self._furnished < target:
            self._furnish()

    def _build_crossing(self, start: float) -> None:
        end = start + CROSSING_LENGTH
        self.crossings.append(start)
        self._built = {-1: max(end + 3, self._built[-1]), 1: max(end + 3, self._built[1])}
        self._next_crossing = end + float(self._random.uniform(60, 160))
        phase = int(self._random.choice((0, 1, 2, 2)))
        edge = self.plan.kerb + 0.6
        self.things += [
            things.TrafficLight(edge, start - 1.0, phase),
            things.TrafficLight(-edge, start - 1.0, phase),
            things.TrafficLight(edge, end + 1.5, phase),
        ]
        if self._random.random() < 0.6:
            heading = float(self._random.choice((-1, 1)) * np.pi / 2)
            x = -float(np.sin(heading)) * float(self._random.uniform(10, 18))
            parked = movers.car(x, start + CROSSING_LENGTH / 2, heading, 0.0, self._random)
            self.movers.append(parked)

    def _build_block(self, side: int) -> None:
        random = self._random
        start = self._built[side]
        length = min(float(random.uniform(9, 22)), max(4.0, self._next_crossing - 2 - start))
        end = start + length
        self._built[side] = end if end < self._next_crossing - 6 else self._next_crossing
        green = self.plan.greenness
        shares = np.array((1.3 - 0.8 * green, 0.5 * green, 0.16, 0.22, 0.3 * green))
        kind = int(random.choice(5, p=shares / shares.sum()))
        if kind == 0:
            self._build_house(side, start, end, 0.0)
            self.patches.append(GroundPatch(side, start, end, (150, 146, 140), SIDEWALK))
            return
        ground = _GRASS if random.random() < 0.7 else _EARTH
        self.patches.append(GroundPatch(side, start, end, ground, TERRAIN))
        if kind == 1:
            self._build_park(side, start, end)
            return
        make = (textures.wall, textures.fence, textures.hedge)[kind - 2]
        height = float(random.uniform(1.0, 2.3)) * (1.0 if kind == 2 else 0.8)
        x = side * (self.plan.front + 0.2)
        texture = make(random, length, height)
        self.things.append(things.Panel(x, start, end, height, texture))
        if random.random() < 0.7:
            self._build_house(side, start + 1, end - 1, float(random.uniform(5, 10)))
        else:
            self._plant(side, start, end, 2.0)

    def _build_house(self, side: int, start: float, end: float, setback: float) -> None:
        random = self._random
        height = float(random.uniform(5.5, 9) if setback else random.uniform(7, 19))
        roof = _ROOFS[random.integers(len(_ROOFS))] if height < 11 else None
        texture = textures.facade(random, end - start, height)
        x = side * (self.plan.front + setback)
        self.things.append(things.Panel(x, start, end, height, texture, 10.0, roof))

    def _build_park(self, side: int, start: float, end: float) -> None:
        self._plant(side, start, end, 1.2)
        self._plant(side, start, end, 6.0)
        backdrop = textures.hedge(self._random, end - start, 4.0)
        self.things.append(things.Panel(side * (self.plan.front + 16), start, end, 4.0, backdrop))

    def _plant(self, side: int, start: float, end: float, setback: float) -> None:
        random = self._random
        for _ in range(max(1, round((end - start) / 7))):
            s = float(random.uniform(start, end))
            x = side * (self.plan.front + setback + float(random.uniform(0, 4)))
            if random.random() < 0.65:
                sprite = self._trees[random.integers(len(self._trees))]
                self.things.append(things.Plant(x, s, float(random.uniform(5, 11)), sprite))
            else:
                sprite = self._bushes[random.integers(len(self._bushes))]
                self.things.append(things.Plant(x, s, float(random.uniform(0.9, 2)), sprite))

    def _furnish(self) -> None:
        """Lamps, signs, trees, parked vehicles on the next few metres of both pavements."""
        random, plan = self._random, self.plan
        start = self._furnished
        self._furnished += 7.0
        near_crossing = any(abs(start + 4 - place - 5) < 13 for place in self.crossings)
        for side in (-1, 1):
            edge = side * (plan.kerb + 0.5)
            chance = random.random()
            s = start + float(random.uniform(0, 5))
            if chance < 0.2:
                self.things.append(things.StreetLamp(edge, s))
            elif chance < 0.36:
                kind = int(random.integers(things.TrafficSign.KINDS))
                self.things.append(things.TrafficSign(edge, s, kind))
            elif chance < 0.36 + 0.25 * plan.greenness:
                sprite = self._trees[random.integers(len(self._trees))]
                self.things.append(things.Plant(edge, s, float(random.uniform(4.5, 8)), sprite))
            elif chance > 0.9:
                motorized = bool(random.random() < 0.5)
                color = movers.CAR_COLORS[random.integers(len(movers.CAR_COLORS))]
                self.things.append(things.ParkedTwoWheeler(edge, s, color, motorized))
            if plan.parking and not near_crossing and random.random() < 0.6:
                heading = 0.0 if side > 0 else float(np.pi)
                x = side * (plan.kerb - 1.15)
                self.movers.append(movers.car(x, start + 3.5, heading, 0.0, random))
