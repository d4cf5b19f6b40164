"""What becomes of the last frame of a clip, or of any."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import fields
from pathlib import Path

import numpy as np
import pytest

from lmanet_core.classes import DAVIS
from lmanet_core.data.clips import Clip
from lmanet_core.data.config import DataConfig, open_clips
from lmanet_core.data.datasets import open_dataset
from lmanet_core.data.video import VideoDataset
from lmanet_core.data.worsening import (
    SHARES,
    WorsenedClips,
    WorseningConfig,
    worsen,
    worsened,
)

NOTHING = {
    field.name: 0.0
    for field in fields(WorseningConfig)
    if field.name not in ("chance", "run_length")
}


class PlainClips:
    """Clips of three equal frames, without end."""

    classes = DAVIS
    groups: tuple[tuple[int, ...], ...] = ()
    shuffle = True

    def __len__(self) -> int:
        return 1000

    def clip(self, index: int, random: np.random.Generator) -> Clip:
        frame = random.integers(0, 256, (24, 32, 3), np.uint8)
        return Clip(np.stack([frame] * 3), np.ones((3, 24, 32), np.uint8))


def drawn(config: WorseningConfig) -> Iterator[Clip]:
    source = WorsenedClips(PlainClips(), config, last_only=True)
    return (source.clip(index, np.random.default_rng(index)) for index in range(200))


def test_of_some_clips_the_last_frame_and_nothing_else_is_worse() -> None:
    worse = 0
    for clip in drawn(WorseningConfig(chance=0.3)):
        np.testing.assert_array_equal(clip.images[0], clip.images[1])
        assert (clip.labels == 1).all()
        worse += bool((clip.images[2] != clip.images[1]).any())
    assert 40 <= worse <= 80


def test_any_frame_may_be_worse_by_itself() -> None:
    source = WorsenedClips(PlainClips(), WorseningConfig(chance=0.3))
    alike = 0
    for index in range(200):
        first, second, third = source.clip(index, np.random.default_rng(index)).images
        alike += (first == second).all() and (second == third).all()
    # 0.7 to the third power of them stay as they are.
    assert 45 <= alike <= 95


@pytest.mark.parametrize("way", NOTHING)
def test_each_way_makes_frames_worse_by_itself(way: str) -> None:
    config = WorseningConfig(chance=1, **{**NOTHING, way: 0.9})
    changed = [(clip.images[2] != clip.images[1]).any() for clip in drawn(config)]
    # Some are drawn too weak to be seen in a value of 0..255.
    assert np.mean(changed) > 0.2
    assert worsen(np.zeros((8, 8, 3), np.uint8), config, np.random.default_rng(0)).shape == (
        8,
        8,
        3,
    )


def test_frames_are_worse_in_runs() -> None:
    config = WorseningConfig(chance=0.4, run_length=2, **{**NOTHING, "noise": 60.0})
    source = WorsenedClips(PlainClips(), config)
    patterns = set()
    for index in range(100):
        first, second, third = source.clip(index, np.random.default_rng(index)).images
        patterns.add(((first != second).any(), (second != third).any()))
    # Two of three in a row are alike unless noise, each its own, makes them differ.
    assert patterns == {(False, False), (False, True), (True, False), (True, True)}
    with pytest.raises(ValueError, match="run_length must be at least 1, got 0"):
        WorseningConfig(run_length=0)


def test_without_any_way_frames_stay_as_they_are() -> None:
    for clip in drawn(WorseningConfig(chance=1, **NOTHING)):
        np.testing.assert_array_equal(clip.images[2], clip.images[1])


def test_shares_beyond_1_are_refused() -> None:
    for name in SHARES:
        with pytest.raises(ValueError, match=rf"{name} must be in 0\.\.1, got 1\.5"):
            WorseningConfig(**{name: 1.5})


def test_a_worsened_video_is_the_same_whenever_it_is_read(davis: Path) -> None:
    dataset = open_dataset("davis", davis, "train")
    worse = worsened(dataset, WorseningConfig(chance=0.5))
    changed = 0
    for video, its_worse in zip(dataset.videos, worse.videos, strict=True):
        assert (its_worse.name, its_worse.labelled) == (video.name, video.labelled)
        for index in range(len(video)):
            np.testing.assert_array_equal(its_worse.image(index), its_worse.image(index))
            np.testing.assert_array_equal(its_worse.labels(index), video.labels(index))
            changed += bool((its_worse.image(index) != video.image(index)).any())
    assert 1 <= changed <= 9


def test_no_two_videos_are_worse_in_the_same_way() -> None:
    class Grey:
        name, labelled = "grey", ()

        def __len__(self) -> int:
            return 1

        def image(self, index: int) -> np.ndarray:
            return np.full((24, 32, 3), 128, np.uint8)

        def labels(self, index: int) -> None:
            return None

    config = WorseningConfig(**{**NOTHING, "noise": 60.0}, chance=1)
    one, other = worsened(VideoDataset("grey", DAVIS, (Grey(), Grey())), config).videos
    assert (one.image(0) != other.image(0)).any()


def test_every_frame_of_a_paired_source_is_followed_by_its_worse_copy(davis: Path) -> None:
    config = DataConfig("davis", davis, worse_copy=WorseningConfig(**{**NOTHING, "noise": 60.0}))
    clip = open_clips(config).clip(0, np.random.default_rng(0))
    plain = open_clips(DataConfig("davis", davis)).clip(0, np.random.default_rng(0))
    np.testing.assert_array_equal(clip.images[:1], plain.images)
    np.testing.assert_array_equal(clip.labels, np.concatenate([plain.labels] * 2))
    assert (clip.images[1] != clip.images[0]).mean() > 0.5
    with pytest.raises(ValueError, match="worse_copy goes with frames 1, got 2"):
        DataConfig("davis", davis, frames=2, worse_copy=WorseningConfig())


def test_haze_hides_what_is_far_more_than_what_is_near() -> None:
    image = np.zeros((64, 64, 3), np.uint8)
    config = WorseningConfig(**{**NOTHING, "haze": 1.0})
    hazes = [worsen(image, config, np.random.default_rng(seed)) for seed in range(20)]
    top, bottom = (np.mean([haze[rows] for haze in hazes]) for rows in (slice(8), slice(-8, None)))
    assert top > 1.5 * bottom > 0


def test_motion_spreads_a_point_and_keeps_its_light() -> None:
    image = np.zeros((65, 65, 3), np.uint8)
    image[28:37, 28:37] = 255
    config = WorseningConfig(**{**NOTHING, "motion": 20.0})
    for seed in range(10):
        blurred = worsen(image, config, np.random.default_rng(seed))
        assert (blurred > 0).sum() >= (image > 0).sum()
        assert blurred.mean() == pytest.approx(image.mean(), rel=0.3)


def test_a_worsened_video_is_worse_in_runs(davis: Path) -> None:
    dataset = open_dataset("davis", davis, "train")
    config = WorseningConfig(chance=0.5, run_length=2, **{**NOTHING, "noise": 60.0})
    for video, worse in zip(dataset.videos, worsened(dataset, config).videos, strict=True):
        changed = [bool((worse.image(i) != video.image(i)).any()) for i in range(4)]
        assert changed[0] == changed[1]
        assert changed[2] == changed[3]
