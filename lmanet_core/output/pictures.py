"""Pictures for people: overlays, contact sheets, legends. All are (H, W, 3) uint8, RGB."""

from __future__ import annotations

from collections.abc import Sequence

import cv2
import numpy as np

from lmanet_core.network.classes import ClassTable

BACKGROUND = (255, 255, 255)
INK = (40, 40, 40)
GUTTER = 8
"""Pixels around and between the pictures of a sheet."""
MIN_LINE_HEIGHT = 24
"""Pixels; lines grow with the picture, which is likely to be seen scaled down."""
FONT = cv2.FONT_HERSHEY_SIMPLEX
FONT_SCALE = 1 / 50
"""Per pixel of line height."""


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
    line_height = max(MIN_LINE_HEIGHT, width // 12)
    lefts = [GUTTER + column * (width + GUTTER) for column in range(len(column_titles))]
    tops = [line_height + row * (height + GUTTER) for row in range(len(rows))]
    sheet = _blank(tops[-1] + height + GUTTER, lefts[-1] + width + GUTTER)
    for left, title in zip(lefts, column_titles, strict=True):
        indent = (width - _text_width(title, line_height)) // 2
        _write(sheet, title, left + indent, 0, line_height)
    for top, row in zip(tops, rows, strict=True):
        for left, picture in zip(lefts, row, strict=True):
            sheet[top : top + height, left : left + width] = picture
    return sheet


def legend(classes: ClassTable, width: int = 1024) -> np.ndarray:
    """A strip that names the colour of each class, `width` pixels wide and as high as it needs."""
    line_height = max(MIN_LINE_HEIGHT, width // 50)
    swatch = line_height // 2
    gap = swatch // 2
    entry_width = max(_text_width(name, line_height) for name in classes.names) + swatch + 3 * gap
    columns = max(1, min(len(classes), (width - GUTTER) // entry_width))
    # Lines of equal length, and full ones.
    lines = -(-len(classes) // columns)
    columns = -(-len(classes) // lines)
    strip = _blank(lines * line_height + GUTTER, width)
    for index, (name, color) in enumerate(zip(classes.names, classes.palette, strict=True)):
        line, column = divmod(index, columns)
        left = GUTTER + column * (width - GUTTER) // columns
        top = line * line_height + (line_height - swatch) // 2
        strip[top : top + swatch, left : left + swatch] = color
        _write(strip, name, left + swatch + gap, line * line_height, line_height)
    return strip


def with_captions(picture: np.ndarray, captions: Sequence[str]) -> np.ndarray:
    """The picture with a line of text for each caption below it."""
    width = picture.shape[1]
    line_height = max(MIN_LINE_HEIGHT, width // 20)
    strip = _blank(line_height * len(captions), width)
    for number, caption in enumerate(captions):
        _write(strip, caption, GUTTER, number * line_height, line_height)
    return np.vstack([picture, strip])


def _blank(height: int, width: int) -> np.ndarray:
    return np.full((height, width, 3), BACKGROUND, np.uint8)


def _write(picture: np.ndarray, text: str, left: int, top: int, line_height: int) -> None:
    """Write a line of text in the middle of `line_height` pixels below `top`."""
    scale = FONT_SCALE * line_height
    # Of a letter without descender, so that all lines sit alike.
    (_, height), _ = cv2.getTextSize("l", FONT, scale, 1)
    baseline = top + (line_height + height) // 2
    cv2.putText(picture, text, (left, baseline), FONT, scale, INK, 1, cv2.LINE_AA)


def _text_width(text: str, line_height: int) -> int:
    return int(cv2.getTextSize(text, FONT, FONT_SCALE * line_height, 1)[0][0])
