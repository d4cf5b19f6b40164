"""Images at another size, against the filter's definition."""

import sys

import numpy as np
import pytest

from lmanet_core.network.resizing import resize_image

IMAGE = np.random.default_rng(0).integers(0, 256, (60, 90, 3), np.uint8)


def triangle_weights(before: int, after: int) -> np.ndarray:
    """(after, before): how much each old pixel counts in each new one."""
    scale = before / after
    centres = (np.arange(after) + 0.5) * scale - 0.5
    weights = np.maximum(0, 1 - np.abs(np.arange(before) - centres[:, None]) / max(1, scale))
    return weights / weights.sum(1, keepdims=True)


def filtered(size: tuple[int, int]) -> np.ndarray:
    rows, columns = triangle_weights(60, size[1]), triangle_weights(90, size[0])
    return np.einsum("rh,hwc,kw->rkc", rows, IMAGE.astype(float), columns)


@pytest.fixture(params=["with PyTorch", "without"], autouse=True)
def pytorch(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> None:
    """Loaded by whoever wants it, or by nobody."""
    if request.param == "without":
        monkeypatch.delitem(sys.modules, "torch", raising=False)
    else:
        pytest.importorskip("torch")


@pytest.mark.parametrize("size", [(45, 30), (60, 40), (37, 29), (90, 31)])
def test_what_is_reduced_by_half_as_much_again_is_averaged_over_the_area(size):
    assert np.abs(resize_image(IMAGE, size) - filtered(size)).max() <= 1.5


def test_what_is_reduced_less_is_averaged_on_demand():
    size = (70, 50)
    assert np.abs(resize_image(IMAGE, size, antialias=True) - filtered(size)).max() <= 1.5
    assert np.abs(resize_image(IMAGE, size) - filtered(size)).max() > 10


def test_growing_is_linear_with_and_without_antialiasing():
    size = (100, 60)
    with_it, without = (resize_image(IMAGE, size, antialias=flag) for flag in (True, False))
    assert np.abs(with_it.astype(int) - without).max() <= 1


def test_stripes_finer_than_the_pixels_become_grey():
    stripes = np.zeros((30, 90, 3), np.uint8)
    stripes[:, ::3] = 240
    assert np.ptp(resize_image(stripes, (31, 30))[:, 1:-1]) <= 12


def test_an_image_of_the_size_is_left_alone():
    assert resize_image(IMAGE, (90, 60), antialias=True) is IMAGE
