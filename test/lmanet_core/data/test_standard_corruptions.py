"""The field's corruptions of a data set's frames."""

from __future__ import annotations

import sys
from pathlib import Path

import numpy as np
import pytest

from lmanet_core.data.datasets import open_dataset
from lmanet_core.data.standard_corruptions import (
    CORRUPTIONS,
    standard_corruption,
    with_standard_corruption,
)
from lmanet_core.data.video import VideoDataset
from lmanet_core.program.extras import MissingExtraError


@pytest.fixture
def dataset(davis: Path) -> VideoDataset:
    return open_dataset("davis", davis, "train")


def changed(
    dataset: VideoDataset, corruption: str, share: float, run_length: int = 1
) -> list[bool]:
    corrupted = with_standard_corruption(dataset, corruption, 3, share, run_length)
    return [
        bool((its_copy.image(index) != video.image(index)).any())
        for video, its_copy in zip(dataset.videos, corrupted.videos, strict=True)
        for index in range(len(video))
    ]


@pytest.mark.usefixtures("corruptions_stand_in")
def test_the_same_frames_are_corrupted_alike_whatever_is_read_before(dataset: VideoDataset) -> None:
    one, other = (with_standard_corruption(dataset, "fog", 3, 0.5).videos[0] for _ in range(2))
    backwards = [one.image(index) for index in reversed(range(len(one)))]
    np.random.seed(5)
    before = np.random.random()
    np.random.seed(5)
    for index, image in enumerate(reversed(backwards)):
        np.testing.assert_array_equal(other.image(index), image)
    assert np.random.random() == before
    assert one.labelled == dataset.videos[0].labelled
    np.testing.assert_array_equal(one.labels(0), dataset.videos[0].labels(0))


@pytest.mark.usefixtures("corruptions_stand_in")
def test_which_frames_depends_on_nothing_else(dataset: VideoDataset) -> None:
    half = changed(dataset, "fog", 0.5)
    assert half == changed(dataset, "impulse_noise", 0.5)
    assert any(half)
    assert not all(half)
    assert all(changed(dataset, "fog", 1.0))
    assert not any(changed(dataset, "fog", 0.0))
    runs = changed(dataset, "fog", 0.5, run_length=5)
    assert runs == [runs[0]] * 5 + [runs[5]] * 5


@pytest.mark.usefixtures("corruptions_stand_in")
def test_what_is_out_of_range_is_refused(dataset: VideoDataset) -> None:
    image = np.zeros((40, 40, 3), np.uint8)
    with pytest.raises(ValueError, match=r"corruption must be one of .*'hail'"):
        standard_corruption(image, "hail", 3, 0)
    with pytest.raises(ValueError, match=r"severity must be in 1\.\.5, got 6"):
        standard_corruption(image, "fog", 6, 0)
    with pytest.raises(ValueError, match="sides of 32 or more, got 40x20"):
        standard_corruption(image[:20], "fog", 3, 0)
    with pytest.raises(ValueError, match=r"share must be in 0\.\.1, got 2"):
        with_standard_corruption(dataset, "fog", 3, 2.0)


def test_without_the_package_the_extra_is_named(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "imagecorruptions", None)
    with pytest.raises(MissingExtraError, match="extra 'corruptions'"):
        standard_corruption(np.zeros((40, 40, 3), np.uint8), "fog", 3, 0)


@pytest.mark.slow
@pytest.mark.parametrize("name", CORRUPTIONS)
def test_every_corruption_of_the_package_gives_the_same_twice(name: str) -> None:
    pytest.importorskip("imagecorruptions", reason="the extra 'corruptions' is not installed")
    image = np.random.default_rng(0).integers(256, size=(64, 96, 3), dtype=np.uint8)
    one, other, another = (standard_corruption(image, name, 3, seed) for seed in (1, 1, 2))
    assert one.shape == image.shape
    assert one.dtype == np.uint8
    assert (one != image).any()
    np.testing.assert_array_equal(one, other)
    if name.endswith("_noise"):
        assert (one != another).any()
