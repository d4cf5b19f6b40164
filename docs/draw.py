"""Draws the pictures that are made of networks, on the synthetic street: python docs/draw.py.

    images/street.webp      single frame beside memory, through a noisy camera with mud on its glass
    images/attention.png    where in past frames the memory reads for two places

The other drawings are SVG by hand, with colours for light and dark pages.
"""

from __future__ import annotations

import sys
from collections.abc import Iterator
from itertools import islice
from pathlib import Path

import cv2
import numpy as np
from PIL import Image

from lmanet_core import CITYSCAPES, load
from lmanet_core.data.synthetic import StreetConfig, StreetVideo
from lmanet_core.evaluation.attention_maps import attention_maps_at
from lmanet_core.output.pictures import contact_sheet
from lmanet_core.runtime import open_segmenter

IMAGES = Path(__file__).parent / "images"
SEED = 6
CAMERA = StreetConfig(frame_rate=8, noise=20, flicker=0.05, occlusion_rate=10)
FRAMES = 40
WORK_SIZE = (640, 320)
PANEL = (400, 200)
LARGEST = 2_000_000
"""Bytes of the animation."""
PLACES = ((110, 122), (247, 122))
"""(x, y) of the drawing of attention."""
CLEAN_CAMERA = StreetConfig(frame_rate=8, noise=6)
ATTENTION_FRAME = 18
CROP = 168
"""Pixels of the frame around a place."""
ATTENTION_PANEL = 252
HEAT, WINDOW = (255, 40, 0), (0, 120, 255)


def street(frames: int) -> Iterator[tuple[np.ndarray, np.ndarray]]:
    """Image and exact labels of a drive."""
    return islice(StreetVideo(SEED, CAMERA), frames)


def panel(picture: np.ndarray) -> np.ndarray:
    """A picture in the size of a panel."""
    return cv2.resize(picture, PANEL, interpolation=cv2.INTER_AREA)


def draw_street() -> None:
    """The animation: image, exact labels, single frame and memory."""
    single = open_segmenter(memory_size=0, work_size=WORK_SIZE)
    memory = open_segmenter(work_size=WORK_SIZE)
    frames = []
    for image, labels in street(FRAMES):
        answers = {
            "single frame": single.step(image).labels,
            "with memory": memory.step(image).labels,
        }
        titles = [
            f"{name}: {100 * np.mean(answer == labels):.0f} % right"
            for name, answer in answers.items()
        ]
        rows = [
            contact_sheet(
                [[panel(image), panel(CITYSCAPES.colorize(labels))]], ("camera", "exact")
            ),
            contact_sheet([[panel(CITYSCAPES.colorize(a)) for a in answers.values()]], titles),
        ]
        frames.append(Image.fromarray(np.concatenate(rows)))
    file = IMAGES / "street.webp"
    frames[0].save(
        file,
        save_all=True,
        append_images=frames[1:],
        duration=round(1000 / CAMERA.frame_rate),
        loop=0,
        quality=55,
        method=4,
    )
    assert file.stat().st_size < LARGEST, f"{file} is too large"


def draw_attention() -> None:
    """A row for each place: the frame around it, and the frames in memory as far as they are read.

    The newest frame in memory is blurred, to show that a bad frame is hardly read.
    """
    model = load("street")
    images = [image for image, _ in islice(StreetVideo(SEED, CLEAN_CAMERA), ATTENTION_FRAME + 1)]
    images[-2] = cv2.GaussianBlur(images[-2], (0, 0), 3)
    past = images[-5:-1]
    assert model.memory is not None
    window = model.memory.window_size
    assert window is not None
    rows = []
    for attention in attention_maps_at(model, images[-1], past, PLACES):
        cells = attention.weights.shape[1:]
        cell = images[-1].shape[0] // cells[0]
        row, column = attention.place[1] // cell, attention.place[0] // cell
        pictures = [outlined(images[-1], row, column, cell, 1, HEAT)]
        for picture, weights in zip(past, attention.weights / attention.weights.max(), strict=True):
            heat = cv2.resize(weights, picture.shape[1::-1], interpolation=cv2.INTER_NEAREST)
            heated = picture * (1 - 0.8 * heat[..., None]) + 0.8 * heat[..., None] * HEAT
            pictures.append(outlined(heated.astype(np.uint8), row, column, cell, window, WINDOW))
        left = min(max(attention.place[0] - CROP // 2, 0), images[-1].shape[1] - CROP)
        top = min(max(attention.place[1] - CROP // 2, 0), images[-1].shape[0] - CROP)
        rows.append(
            [
                cv2.resize(
                    picture[top : top + CROP, left : left + CROP],
                    (ATTENTION_PANEL, ATTENTION_PANEL),
                    interpolation=cv2.INTER_NEAREST,
                )
                for picture in pictures
            ]
        )
        print(
            attention.place,
            attention.label,
            [f"{weights.sum():.2f}" for weights in attention.weights],
        )
    titles = ("now: one cell", "4 frames ago", "3 frames ago", "2 frames ago", "1 ago, blurred")
    sheet = Image.fromarray(contact_sheet(rows, titles))
    sheet.quantize(128).save(IMAGES / "attention.png", optimize=True)


def outlined(
    image: np.ndarray, row: int, column: int, cell: int, side: int, color: tuple[int, int, int]
) -> np.ndarray:
    """A picture with the outline of a square of cells around one of them."""
    reach = side // 2
    first = (column - reach) * cell, (row - reach) * cell
    last = (column + reach + 1) * cell, (row + reach + 1) * cell
    return cv2.rectangle(image.copy(), first, last, color, 1)


if __name__ == "__main__":
    drawings = {"street": draw_street, "attention": draw_attention}
    for name in sys.argv[1:] or drawings:
        drawings[name]()
