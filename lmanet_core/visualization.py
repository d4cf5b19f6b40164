"""Pictures for people: overlays, contact sheets, legends. All are (H, W, 3) uint8, RGB."""

from __future__ import annotations

from collections.abc import Sequence
from itertools import pairwise

import cv2
import numpy as np

from lmanet_core.classes import ClassTable

BACKGROUND = (255, 255, 255)
INK = (40, 40, 40)
GUTTER = 8
"""Pixels around and between the pictures of a sheet."""
LINE_HEIGHT = 28
FONT = cv2.FONT_HERSHEY_SIMPLEX
FONT_SCALE = 0.5


def blend(image: np.ndarray, color: np.ndarray, opacity: float) -> np.ndarray:
    """Lay colours over an image.

    Args:
        image, color: (H, W, 3) uint8.
        opacity: 0..1, how much of `color` is seen.
    """
    return cv2.addWeighted(image, 1 - opacity, color, opacity, 0)


def contact_sheet(rows: Sequence[Sequence[np.ndarray]], column_titles: Sequence[str]) -> np.ndarray:
    """Arrange pictures of the same size in a table with a title above each column.

    Raises:
        ValueError: the rows are not as long as `column_titles`, or the pictures differ in size.
    """
    shapes = {picture.shape for row in rows for picture in row}
    if {len(row) for row in rows} != {len(column_titles)} or len(shapes) != 1:
        raise ValueError(
            f"expected rows of {len(column_titles)} pictures of one shape, got rows of "
            f"{[len(row) for row in rows]} pictures of shapes {sorted(shapes)}"
        )
    ((height, width, _),) = shapes
    lefts = [GUTTER + column * (width + GUTTER) for column in range(len(column_titles))]
    tops = [LINE_HEIGHT + GUTTER + row * (height + GUTTER) for row in range(len(rows))]
    sheet = _blank(tops[-1] + height + GUTTER, lefts[-1] + width + GUTTER)
    for left, title in zip(lefts, column_titles, strict=True):
        _write(sheet, title, left + (width - _text_width(title)) // 2, GUTTER // 2)
    for top, row in zip(tops, rows, strict=True):
        for left, picture in zip(lefts, row, strict=True):
            sheet[top : top + height, left : left + width] = picture
    return sheet


def legend(classes: ClassTable, width: int = 1024) -> np.ndarray:
    """A strip that names the colour of each class, `width` pixels wide and as high as it needs."""
    swatch = LINE_HEIGHT // 2
    entry_width = max(map(_text_width, classes.names)) + swatch + 3 * GUTTER
    columns = max(1, min(len(classes), (width - GUTTER) // entry_width))
    lines = -(-len(classes) // columns)
    edges = np.linspace(GUTTER, max(width - GUTTER, GUTTER + columns), columns + 1).astype(int)
    lefts = [left for left, _ in pairwise(edges.tolist())]
    strip = _blank(lines * LINE_HEIGHT + GUTTER, width)
    for index, (name, color) in enumerate(zip(classes.names, classes.palette, strict=True)):
        line, column = divmod(index, columns)
        left, top = lefts[column], line * LINE_HEIGHT + (LINE_HEIGHT - swatch) // 2
        strip[top : top + swatch, left : left + swatch] = color
        _write(strip, name, left + swatch + GUTTER, line * LINE_HEIGHT)
    return strip


def _blank(height: int, width: int) -> np.ndarray:
    return np.full((height, width, 3), BACKGROUND, np.uint8)


def _write(picture: np.ndarray, text: str, left: int, top: int) -> None:
    """Write a line of LINE_HEIGHT pixels; `top` is its upper edge."""
    (_, height), _ = cv2.getTextSize(text, FONT, FONT_SCALE, 1)
    baseline = top + (LINE_HEIGHT + height) // 2
    cv2.putText(picture, text, (left, baseline), FONT, FONT_SCALE, INK, 1, cv2.LINE_AA)


def _text_width(text: str) -> int:
    return int(cv2.getTextSize(text, FONT, FONT_SCALE, 1)[0][0])
