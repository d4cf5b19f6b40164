"""Sky and ground: what fills the canvas before anything stands on it."""

from __future__ import annotations

import cv2
import numpy as np

from lmanet_core.data.synthetic.canvas import SUPERSAMPLING, Atmosphere, Canvas
from lmanet_core.data.synthetic.labels import BUILDING, ROAD, SIDEWALK, SKY, TERRAIN, VEGETATION
from lmanet_core.data.synthetic.scene import CROSSING_LENGTH, LANE, Street
from lmanet_core.data.synthetic.street_camera import NEAR, VIEW_DISTANCE, Camera
from lmanet_core.data.synthetic.textures import tileable_noise

_PAINT = (226, 224, 214)
_KERB = (184, 180, 172)
_RAIL = (150, 152, 156)
SKYLINE_DISTANCE = 1.3 * VIEW_DISTANCE
_SIDE = 256
_PIXELS_PER_METRE = 8
_DASH, _DASH_PERIOD = 3.0, 9.0


class Backdrop:
    """Sky, skyline and the ground's texture of one scene."""

    def __init__(
        self, random: np.random.Generator, camera: Camera, atmosphere: Atmosphere, street: Street
    ) -> None:
        self._sky = _sky(random, camera, atmosphere)
        self._skyline = _skyline(random, camera)
        self._texture = _ground_texture(random, atmosphere, street)
        asphalt = random.uniform(78, 112)
        self._asphalt = (asphalt, asphalt, asphalt * random.uniform(1.0, 1.05))
        paving = random.uniform(140, 176)
        self._paving = (paving * 1.03, paving, paving * 0.95)

    def paint(self, canvas: Canvas, street: Street) -> None:
        self._paint_sky(canvas)
        self._paint_ground(canvas, street)
        self._paint_light(canvas)
        self._paint_skyline(canvas)

    def _paint_sky(self, canvas: Canvas) -> None:
        camera = canvas.camera
        rows = min(max(round(camera.horizon) + 1, 1), camera.height)
        left = round(camera.width / 4 + camera.focal * camera.yaw) % (camera.width // 2)
        bottom = self._sky.shape[0]
        canvas.pixels[:rows] = self._sky[bottom - rows :, left : left + camera.width]

    def _paint_skyline(self, canvas: Canvas) -> None:
        camera = canvas.camera
        tone = canvas.atmosphere.tone((90, 96, 92), SKYLINE_DISTANCE)
        for label, outline in self._skyline:
            points = outline * (camera.width, camera.height) + (camera.center_u, camera.horizon)
            canvas.fill(points, tone, label, SKYLINE_DISTANCE)

    def _paint_ground(self, canvas: Canvas, street: Street) -> None:
        camera, plan = canvas.camera, street.plan
        horizon = max(round(camera.horizon), 0)
        canvas.pixels[horizon:] = (112, 122, 84, TERRAIN)
        near, far = camera.s, camera.s + VIEW_DISTANCE
        for patch in street.patches:
            inner, outer = patch.side * plan.front, patch.side * (plan.front + 60)
            canvas.strip(inner, outer, patch.start, patch.end, patch.color, patch.label)
        for side in (-1, 1):
            kerb = side * plan.kerb
            canvas.strip(kerb, side * plan.front, near, far, self._paving, SIDEWALK)
            canvas.strip(kerb, kerb + side * 0.22, near, far, _KERB, SIDEWALK)
        canvas.strip(-plan.kerb, plan.kerb, near, far, self._asphalt, ROAD)
        for start in street.crossings:
            canvas.strip(-70, 70, start, start + CROSSING_LENGTH, self._asphalt, ROAD)
        self._paint_marks(canvas, street)

    def _paint_marks(self, canvas: Canvas, street: Street) -> None:
        camera, plan = canvas.camera, street.plan
        near, far = camera.s, camera.s + 90
        if plan.tracks:
            for rail in (-0.72, 0.72):
                for lane in (-0.5 * LANE, 0.5 * LANE):
                    left = lane + rail
                    canvas.strip(left - 0.05, left + 0.05, near, far, _RAIL, ROAD)
        first = np.floor(near / _DASH_PERIOD) * _DASH_PERIOD
        for start in np.arange(first, far, _DASH_PERIOD):
            if any(abs(start + 1.5 - place - 4) < 9 for place in street.crossings):
                continue
            for lane in range(1 - plan.lanes, plan.lanes):
                x = lane * LANE
                canvas.strip(x - 0.08, x + 0.08, start, start + _DASH, _PAINT, ROAD)
        edge = plan.lanes * LANE
        for x in (-edge, edge):
            canvas.strip(x - 0.07, x + 0.07, near, far, _PAINT, ROAD)
        for place in street.crossings:
            canvas.strip(0.2, edge, place - 5.6, place - 5.2, _PAINT, ROAD)
            for x in np.arange(-plan.kerb + 0.4, plan.kerb - 0.4, 1.0):
                canvas.strip(x, x + 0.5, place - 4.2, place - 1.0, _PAINT, ROAD)

    def _paint_light(self, canvas: Canvas) -> None:
        """Give the ground its texture, light and haze, all at once."""
        camera, air = canvas.camera, canvas.atmosphere
        top = max(round(camera.horizon), 0)
        region = canvas.pixels[top:]
        rows = np.arange(top, camera.height, SUPERSAMPLING) + 0.5 * SUPERSAMPLING
        z = camera.focal * camera.y / np.maximum(rows - camera.horizon, 0.5)
        z = np.clip(z, NEAR, 3 * VIEW_DISTANCE).astype(np.float32)[:, None]
        columns = np.arange(0, camera.width, SUPERSAMPLING, dtype=np.float32)[None]
        x = (
            (columns - camera.center_u) * (z / camera.focal)
            - 0.5 * camera.curvature * z * z
            + camera.x
        )
        limit = _SIDE / (2 * _PIXELS_PER_METRE) - 0.2
        u = (np.clip(x, -limit, limit) * _PIXELS_PER_METRE + _SIDE / 2).astype(np.float32)
        v = np.broadcast_to(((z + camera.s) * _PIXELS_PER_METRE) % _SIDE, u.shape).astype(
            np.float32
        )
        shade = cv2.remap(self._texture, u, v, cv2.INTER_LINEAR, borderMode=cv2.BORDER_WRAP)
        shade = 1 + (shade - 1) * np.exp(-z / 30)
        clear = 1 - air.haze_share(z)
        gain = np.full((*shade.shape, 4), 128, np.uint8)
        gain[..., :3] = np.minimum((128 * shade * clear)[..., None] * air.light, 255)
        veil = np.zeros((len(rows), 1, 4), np.uint8)
        veil[..., :3] = (1 - clear)[..., None] * air.haze
        size = (camera.width, region.shape[0])
        cv2.multiply(region, cv2.resize(gain, size), dst=region, scale=1 / 128)
        cv2.add(region, cv2.resize(np.repeat(veil, 2, axis=1), size), dst=region)


def _sky(random: np.random.Generator, camera: Camera, air: Atmosphere) -> np.ndarray:
    """(H, 1.5 W, 4): a gradient with clouds; the last row is the horizon."""
    height, width = camera.height, camera.width + camera.width // 2
    zenith = np.array(((92, 140, 200), (150, 164, 180), (176, 180, 186))[random.integers(3)])
    share = np.linspace(0, 1, height)[:, None, None] ** 3
    image = zenith * (1 - share) + air.haze * share
    noise = tileable_noise(random, 128, 22) + 0.4 * tileable_noise(random, 128, 8)
    clouds = cv2.resize(noise, (width, height // 2 * 2), interpolation=cv2.INTER_CUBIC)[:height]
    clouds = cv2.resize(clouds, (width, height))
    cover = np.clip(0.6 * clouds + random.uniform(-0.4, 0.5), 0, 1)[..., None] * 0.8
    image = image * (1 - cover) + np.array((244, 244, 246)) * cover
    rows = np.full((height, width, 4), SKY, np.uint8)
    rows[..., :3] = np.clip(image, 0, 255)
    return rows


def _skyline(random: np.random.Generator, camera: Camera) -> list[tuple[int, np.ndarray]]:
    """Far houses and treetops, as outlines in shares of the image around the vanishing point."""
    outlines = []
    u = -1.0
    while u < 1.0:
        width, height = float(random.uniform(0.03, 0.12)), float(random.uniform(0.015, 0.07))
        if random.random() < 0.6:
            corners = ((u, 0.01), (u, -height), (u + width, -height), (u + width, 0.01))
            outlines.append((BUILDING, np.array(corners)))
        else:
            angles = np.linspace(0, np.pi, 8)
            crown = np.stack(
                (u + width / 2 - width / 1.7 * np.cos(angles), -height * np.sin(angles)), 1
            )
            outlines.append((VEGETATION, crown + np.array((0, 0.01))))
        u += width * 0.9
    return outlines


def _ground_texture(random: np.random.Generator, air: Atmosphere, street: Street) -> np.ndarray:
    """(256, 256) float32 gain over 32 m x 32 m: grain, stains and the shadow of the houses."""
    texture = 1 + 0.05 * tileable_noise(random, _SIDE, 2) + 0.07 * tileable_noise(random, _SIDE, 30)
    x = (np.arange(_SIDE) - _SIDE / 2) / _PIXELS_PER_METRE
    reach = float(random.uniform(0, 1.2)) * street.plan.kerb
    profile = tileable_noise(random, _SIDE, 24)[:, :1] > -0.8
    depth_in_shadow = air.sun_side * x[None] - (street.plan.kerb - reach)
    shadow = np.clip(2 * depth_in_shadow, 0, 1) * profile
    return (texture * (1 - 0.38 * shadow)).astype(np.float32)
