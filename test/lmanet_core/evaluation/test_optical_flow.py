"""Where pixels were in another frame, and which of them it shows."""

from __future__ import annotations

import cv2
import numpy as np
import pytest

from lmanet_core.evaluation.optical_flow import OpticalFlow


def texture(height: int, width: int, random: np.random.Generator) -> np.ndarray:
    grey = np.full((height, width), 128, np.float32)
    for cell in (6, 12, 24):
        patches = random.normal(0, 40, (height // cell, width // cell)).astype(np.float32)
        grey += cv2.resize(patches, (width, height), interpolation=cv2.INTER_CUBIC)
    return np.clip(grey, 0, 255).astype(np.uint8)


@pytest.mark.parametrize("moved", [8, 12])
def test_what_a_thing_hid_before_it_moved_is_not_visible_and_all_else_is(moved: int) -> None:
    random = np.random.default_rng(0)
    before = texture(144, 192, random)
    now, thing = before.copy(), texture(72, 72, random)
    before[36:108, 48:120] = thing
    now[36:108, 48 + moved : 120 + moved] = thing
    places, visible = OpticalFlow().trace(now, before)
    inside = slice(44, 100), slice(56 + moved, 112 + moved)
    columns = np.arange(192)[inside[1]]
    assert np.median(places[inside][..., 0] - columns) == pytest.approx(-moved, abs=0.3)
    assert visible[inside].mean() > 0.95
    assert visible[:24].mean() > 0.95
    assert visible[40:104, 48 : 48 + moved].mean() < 0.2
