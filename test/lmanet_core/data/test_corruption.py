"""What becomes of the last frame of a clip, or of any."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import fields, replace
from pathlib import Path

import numpy as np
import pytest

from lmanet_core.data.clips import Clip
from lmanet_core.data.corruption import (
    SHARES,
    CorruptedClips,
    CorruptionConfig,
    corrupt,
    corrupt_dataset,
)
from lmanet_core.data.data_config import DataConfig, open_clips
from lmanet_core.data.datasets import open_dataset
from lmanet_core.data.video import VideoDataset
from lmanet_core.network.classes import DAVIS

NOTHING = {
    field.name: 0.0
    for field in fields(CorruptionConfig)
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


def only(way: str, amount: float) -> CorruptionConfig:
    return CorruptionConfig(chance=1, **{**NOTHING, way: amount})


def corrupted_copies(image: np.ndarray, way: str, amount: float, number: int = 20) -> np.ndarray:
    """(number, H, W, 3), each drawn anew."""
    config = only(way, amount)
    return np.stack([corrupt(image, config, np.random.default_rng(n)) for n in range(number)])


def drawn(config: CorruptionConfig) -> Iterator[Clip]:
    source = CorruptedClips(PlainClips(), config, last_only=True)
    return (source.clip(index, np.random.default_rng(index)) for index in range(200))


class Grey:
    """A video of three grey frames."""

    name, labelled = "grey", ()

    def __len__(self) -> int:
        return 3

    def image(self, index: int) -> np.ndarray:
        return GREY

    def labels(self, index: int) -> None:
        return None


GREY = np.full((24, 32, 3), 128, np.uint8)
GREYS = VideoDataset("grey", DAVIS, (Grey(), Grey()))


def test_of_some_clips_the_last_frame_and_nothing_else_is_corrupted() -> None:
    corrupted = 0
    for clip in drawn(CorruptionConfig(chance=0.3)):
        np.testing.assert_array_equal(clip.images[0], clip.images[1])
        assert (clip.labels == 1).all()
        corrupted += bool((clip.images[2] != clip.images[1]).any())
    assert 40 <= corrupted <= 80


def test_any_frame_may_be_worse_by_itself() -> None:
    source = CorruptedClips(PlainClips(), CorruptionConfig(chance=0.3))
    alike = 0
    for index in range(200):
        first, second, third = source.clip(index, np.random.default_rng(index)).images
        alike += (first == second).all() and (second == third).all()
    # 0.7 to the third power of them stay as they are.
    assert 45 <= alike <= 95


@pytest.mark.parametrize("way", NOTHING)
def test_each_way_makes_frames_worse_by_itself(way: str) -> None:
    config = only(way, 0.9)
    changed = [(clip.images[2] != clip.images[1]).any() for clip in drawn(config)]
    # Some are drawn too weak to be seen in a value of 0..255.
    assert np.mean(changed) > 0.2
    for seed in range(5):
        image = np.zeros((8, 8, 3), np.uint8)
        assert corrupt(image, config, np.random.default_rng(seed)).shape == (8, 8, 3)
        assert not image.any(), "the image itself stays as it is"


def test_frames_are_corrupted_in_runs() -> None:
    config = CorruptionConfig(chance=0.4, run_length=2, **{**NOTHING, "noise": 60.0})
    source = CorruptedClips(PlainClips(), config)
    patterns = set()
    for index in range(100):
        first, second, third = source.clip(index, np.random.default_rng(index)).images
        patterns.add(((first != second).any(), (second != third).any()))
    # Two of three in a row are alike unless noise, each its own, makes them differ.
    assert patterns == {(False, False), (False, True), (True, False), (True, True)}
    with pytest.raises(ValueError, match="run_length must be at least 1, got 0"):
        CorruptionConfig(run_length=0)


def test_without_any_way_frames_stay_as_they_are() -> None:
    for clip in drawn(CorruptionConfig(chance=1, **NOTHING)):
        np.testing.assert_array_equal(clip.images[2], clip.images[1])


def test_shares_beyond_1_are_refused() -> None:
    for name in SHARES:
        with pytest.raises(ValueError, match=rf"{name} must be in 0\.\.1, got 1\.5"):
            CorruptionConfig(**{name: 1.5})


def test_a_corrupted_video_is_the_same_whenever_it_is_read(davis: Path) -> None:
    dataset = open_dataset("davis", davis, "train")
    corrupted = corrupt_dataset(dataset, CorruptionConfig(chance=0.5))
    changed = 0
    for video, its_copy in zip(dataset.videos, corrupted.videos, strict=True):
        assert (its_copy.name, its_copy.labelled) == (video.name, video.labelled)
        for index in range(len(video)):
            np.testing.assert_array_equal(its_copy.image(index), its_copy.image(index))
            np.testing.assert_array_equal(its_copy.labels(index), video.labels(index))
            changed += bool((its_copy.image(index) != video.image(index)).any())
    assert 1 <= changed <= 9


def test_no_two_videos_are_corrupted_in_the_same_way() -> None:
    one, other = corrupt_dataset(GREYS, only("noise", 60.0)).videos
    assert (one.image(0) != other.image(0)).any()


def test_frames_of_a_run_have_noise_of_their_own() -> None:
    video = corrupt_dataset(GREYS, replace(only("noise", 60.0), run_length=3)).videos[0]
    first, second, third = (video.image(index) for index in range(3))
    assert (first != second).any()
    assert (second != third).any()


def test_no_frame_of_a_video_is_corrupted_without_a_chance() -> None:
    video = corrupt_dataset(GREYS, replace(only("noise", 60.0), chance=0.0)).videos[0]
    assert all((video.image(index) == 128).all() for index in range(3))


def test_every_frame_of_a_paired_source_is_followed_by_its_corrupted_copy(davis: Path) -> None:
    config = DataConfig(
        "davis", davis, corrupted_copy=CorruptionConfig(**{**NOTHING, "noise": 60.0})
    )
    clip = open_clips(config).clip(0, np.random.default_rng(0))
    plain = open_clips(DataConfig("davis", davis)).clip(0, np.random.default_rng(0))
    np.testing.assert_array_equal(clip.images[:1], plain.images)
    np.testing.assert_array_equal(clip.labels, np.concatenate([plain.labels] * 2))
    assert (clip.images[1] != clip.images[0]).mean() > 0.5
    with pytest.raises(ValueError, match="corrupted_copy goes with frames 1, got 2"):
        DataConfig("davis", davis, frames=2, corrupted_copy=CorruptionConfig())


def test_haze_hides_what_is_far_more_than_what_is_near() -> None:
    image = np.zeros((64, 64, 3), np.uint8)
    config = CorruptionConfig(**{**NOTHING, "haze": 1.0})
    hazes = [corrupt(image, config, np.random.default_rng(seed)) for seed in range(20)]
    top, bottom = (np.mean([haze[rows] for haze in hazes]) for rows in (slice(8), slice(-8, None)))
    assert top > 1.5 * bottom > 0


def test_motion_spreads_a_point_and_keeps_its_light() -> None:
    image = np.zeros((65, 65, 3), np.uint8)
    image[28:37, 28:37] = 255
    config = CorruptionConfig(**{**NOTHING, "motion": 20.0})
    for seed in range(10):
        blurred = corrupt(image, config, np.random.default_rng(seed))
        assert (blurred > 0).sum() >= (image > 0).sum()
        assert blurred.mean() == pytest.approx(image.mean(), rel=0.3)


def test_a_corrupted_video_is_corrupted_in_runs(davis: Path) -> None:
    dataset = open_dataset("davis", davis, "train")
    config = CorruptionConfig(chance=0.5, run_length=2, **{**NOTHING, "noise": 60.0})
    for video, corrupted in zip(
        dataset.videos, corrupt_dataset(dataset, config).videos, strict=True
    ):
        changed = [bool((corrupted.image(i) != video.image(i)).any()) for i in range(4)]
        assert changed[0] == changed[1]
        assert changed[2] == changed[3]


def test_the_last_frame_is_the_one_that_training_corrupts(davis: Path) -> None:
    plain = DataConfig("davis", davis, frames=2)
    corrupted = replace(plain, corrupt_last_frame=only("noise", 60.0))
    before, after = (open_clips(c).clip(1, np.random.default_rng(0)) for c in (plain, corrupted))
    np.testing.assert_array_equal(after.images[0], before.images[0])
    assert (after.images[1] != before.images[1]).any()


def test_covers_lie_anywhere() -> None:
    covered = (corrupted_copies(GREY, "cover", 0.9, 60) != 128).any(3)
    for axis in (1, 2):
        assert covered.any((0, axis)).all()
    assert not covered.all(0).any()


@pytest.mark.parametrize("way", ["blur", "motion", "defocus"])
def test_blurs_leave_what_is_even_as_it_is(way: str) -> None:
    copies = corrupted_copies(GREY, way, 5.0)
    assert np.abs(copies.astype(int) - 128).max() <= 1


def test_a_point_out_of_focus_becomes_a_disc() -> None:
    image = np.zeros((33, 33, 3), np.uint8)
    image[16, 16] = 255
    _, rows, columns, _ = np.nonzero(corrupted_copies(image, "defocus", 5.0))
    assert 4 < np.hypot(rows - 16, columns - 16).max() < 6


def test_lost_pixels_are_black_or_white_and_no_more_than_asked_for() -> None:
    copies = corrupted_copies(GREY, "lost_pixels", 0.2)
    assert set(np.unique(copies)) == {0, 128, 255}
    assert (copies == 0).mean() == pytest.approx((copies == 255).mean(), rel=0.2)
    assert (copies != 128).mean((1, 2, 3)).max() < 0.23


def test_dirt_covers_no_more_than_asked_for() -> None:
    assert (corrupted_copies(GREY, "dirt", 0.2) != 128).any(3).mean((1, 2)).max() < 0.23


def test_nights_are_dark() -> None:
    assert corrupted_copies(GREY, "night", 1.0).mean((1, 2, 3)).max() < 128


def test_lamps_that_flicker_change_rows_and_nothing_bright_gets_dark() -> None:
    copies = corrupted_copies(np.full((24, 32, 3), 250, np.uint8), "banding", 0.5)
    assert (copies == copies[:, :, :1]).all()
    assert (copies != copies[:, :1]).any()
    assert copies.min() > 120


def test_the_lower_the_bit_rate_the_less_detail_is_left() -> None:
    image = np.random.default_rng(0).integers(256, size=(48, 64, 3), dtype=np.uint8)
    some, little = (corrupted_copies(image, "low_bit_rate", amount).std() for amount in (0.1, 3.0))
    assert little < 0.8 * some


def test_a_little_compression_takes_little_away() -> None:
    image = np.repeat(np.arange(0, 192, 6, dtype=np.uint8), 3).reshape(1, 32, 3).repeat(24, 0)
    little, much = (
        np.abs(corrupted_copies(image, "compression", amount).astype(int) - image).mean()
        for amount in (0.05, 0.95)
    )
    assert little < 1 < much


def test_one_way_or_two_at_once_corrupt_a_frame() -> None:
    config = CorruptionConfig(**{**NOTHING, "banding": 0.5, "lost_pixels": 0.5})
    copies = (corrupt(GREY, config, np.random.default_rng(seed)) for seed in range(20))
    ways = {
        (bool(np.isin(copy, (0, 255)).any()), not np.isin(copy, (0, 128, 255)).all())
        for copy in copies
    }
    assert ways == {(True, False), (False, True), (True, True)}


def test_a_blurred_lens_does_not_blur_the_sensor_s_noise() -> None:
    config = CorruptionConfig(**{**NOTHING, "blur": 5.0, "noise": 60.0})
    for seed in range(20):
        grain = corrupt(GREY, config, np.random.default_rng(seed)).astype(float) - 128
        neighbours = (grain[:, 1:] * grain[:, :-1]).mean()
        assert neighbours <= 0.3 * grain.var()
