"""Pictures for people."""

import numpy as np
import pytest

from lmanet_core import CITYSCAPES, ClassTable
from lmanet_core.output.pictures import GUTTER, blend, contact_sheet, legend


def plain(value: int, height: int = 20, width: int = 120) -> np.ndarray:
    return np.full((height, width, 3), value, np.uint8)


@pytest.mark.parametrize(("opacity", "expected"), [(0.0, 40), (0.25, 80), (1.0, 200)])
def test_blend_mixes_image_and_colors(opacity, expected):
    mixed = blend(plain(40), plain(200), opacity)
    assert mixed.dtype == np.uint8
    assert (mixed == expected).all()


def test_a_contact_sheet_holds_all_pictures_in_order_without_touching():
    rows = [[plain(10), plain(20)], [plain(30), plain(60)]]
    sheet = contact_sheet(rows, ["input", "labels"])
    corners = []
    for value in (10, 20, 30, 60):
        ys, xs = np.nonzero((sheet == value).all(2))
        assert len(ys) >= 20 * 120
        corners.append((int(np.median(ys)), int(np.median(xs))))
    assert corners[1][1] - corners[0][1] == 120 + GUTTER
    assert corners[2][0] - corners[0][0] == 20 + GUTTER
    assert corners[0][0] == corners[1][0]


def test_each_column_has_its_title():
    titled = contact_sheet([[plain(255), plain(255)]], ["input", "labels"])
    middle = titled.shape[1] // 2
    blank = contact_sheet([[plain(255), plain(255)]], ["", "labels"])
    assert (titled[:, :middle] < 128).any()
    assert not (blank[:, :middle] < 128).any()
    assert (blank[:, middle:] < 128).any()


@pytest.mark.parametrize(
    "rows", [[], [[plain(0)]], [[plain(0), plain(0)], [plain(0), plain(0, height=9)]]]
)
def test_a_contact_sheet_refuses_what_does_not_fit(rows):
    with pytest.raises(ValueError, match="expected rows of 2 pictures of one shape"):
        contact_sheet(rows, ["input", "labels"])


@pytest.mark.parametrize("width", [120, 600, 1024, 2100])
def test_the_legend_shows_the_color_of_every_class(width):
    strip = legend(CITYSCAPES, width)
    assert strip.shape[1] == width
    for color in CITYSCAPES.palette:
        assert (strip == color).all(2).sum() >= 100


def test_a_short_legend_takes_one_line():
    table = ClassTable(("road", "sky"), ((128, 64, 128), (70, 130, 180)))
    assert legend(table).shape[0] < 50
