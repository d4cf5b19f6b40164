"""Clips of real neighbours, of single images in motion and of rendered streets."""

from __future__ import annotations

import shutil
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from lmanet_core.data.clips import Clip, ClipSource, LabelledClips
from lmanet_core.data.datasets import open_dataset
from lmanet_core.data.pseudo_clips import MotionConfig, PseudoClips
from lmanet_core.data.street_clips import StreetClips, StreetClipsConfig
from lmanet_core.data.video import DatasetError, VideoDataset
from lmanet_core.network.classes import CAMVID

STREETS = StreetClipsConfig(
    streets=3, clips_per_street=2, size=(64, 32), noise=10.0, occlusion_rate=5.0
)


def draw(source: ClipSource, index: int = 0, seed: int = 0) -> Clip:
    return source.clip(index, np.random.default_rng(seed))


def test_a_clip_ends_at_a_labelled_frame_with_its_neighbours_before_it(cityscapes: Path) -> None:
    dataset = open_dataset("cityscapes", cityscapes, "train")
    clips = LabelledClips(dataset, frames=4)
    assert len(clips) == 3
    images, labels = draw(clips, 1)
    video = dataset.videos[1]
    for image, frame in zip(images, range(16, 20), strict=True):
        np.testing.assert_array_equal(image, video.image(frame))
    assert (labels[:3] == 255).all()
    np.testing.assert_array_equal(labels[3], video.labels(19))


def test_neighbours_lie_up_to_max_stride_frames_apart(cityscapes: Path) -> None:
    dataset = open_dataset("cityscapes", cityscapes, "train")
    clips = LabelledClips(dataset, frames=3, max_stride=2)
    video = dataset.videos[0]
    seen = set()
    for seed in range(12):
        first = draw(clips, 0, seed).images[0]
        seen |= {frame for frame in range(20) if np.array_equal(first, video.image(frame))}
    assert seen == {15, 17}


def test_before_a_video_begins_its_first_frame_is_repeated(camvid: Path) -> None:
    dataset = open_dataset("camvid", camvid, "train")
    images, labels = draw(LabelledClips(dataset, frames=4), 1)
    video = dataset.videos[0]
    for image, frame in zip(images, (0, 0, 0, 1), strict=True):
        np.testing.assert_array_equal(image, video.image(frame))
    for truth, frame in zip(labels, (0, 0, 0, 1), strict=True):
        np.testing.assert_array_equal(truth, video.labels(frame))


def test_a_split_without_labels_makes_no_clips(cityscapes: Path) -> None:
    with pytest.raises(DatasetError, match="no frame of this split of 'cityscapes' has labels"):
        LabelledClips(open_dataset("cityscapes", cityscapes, "test"), frames=1)


def test_pseudo_clips_need_no_neighbours(cityscapes: Path) -> None:
    shutil.rmtree(cityscapes / "leftImg8bit_sequence")
    clips = PseudoClips(open_dataset("cityscapes", cityscapes, "val"), 5, MotionConfig())
    assert len(clips) == 2
    images, labels = draw(clips)
    assert images.shape == (5, 32, 64, 3)
    assert labels.shape == (5, 32, 64)


def test_one_frame_of_a_pseudo_clip_is_the_image_itself_and_the_others_move(camvid: Path) -> None:
    dataset = open_dataset("camvid", camvid, "train")
    clips = PseudoClips(dataset, 3, MotionConfig(translation=0.1, flicker=0))
    image, truth = dataset.videos[0].image(0), dataset.videos[0].labels(0)
    places = set()
    for seed in range(8):
        images, labels = draw(clips, 0, seed)
        same = [i for i in range(3) if np.array_equal(images[i], image)]
        assert len(same) == 1
        np.testing.assert_array_equal(labels[same[0]], truth)
        places |= set(same)
    assert places == {0, 1, 2}


class Rectangle:
    """A bright rectangle on dark ground, labelled 1 and 0, as a video of one frame."""

    name = "rectangle"
    labelled = (0,)

    def __len__(self) -> int:
        return 1

    def image(self, index: int) -> np.ndarray:
        return np.repeat(self.labels(index)[..., None] * np.uint8(200), 3, axis=2)

    def labels(self, index: int) -> np.ndarray:
        labels = np.zeros((96, 128), np.uint8)
        labels[40:60, 50:90] = 1
        return labels


RECTANGLE = VideoDataset("rectangle", CAMVID, (Rectangle(),))


def test_the_labels_of_a_pseudo_clip_move_with_its_images() -> None:
    motion = MotionConfig(zoom=(0.05, 0.05), translation=0.05, rotation=3, noise=10, blur=1)
    images, labels = draw(PseudoClips(RECTANGLE, 5, motion))
    sizes = []
    for image, truth in zip(images, labels, strict=True):
        bright, inside = image.mean(2) > 100, truth == 1
        assert (bright & inside).sum() > 0.9 * (bright | inside).sum()
        sizes.append(inside.sum())
    assert sizes == sorted(sizes)  # coming nearer


def test_what_comes_into_view_in_a_pseudo_clip_has_no_truth() -> None:
    clips = PseudoClips(RECTANGLE, 3, MotionConfig(zoom=(-0.2, -0.2), acceleration=0))
    clips_drawn = [draw(clips, 0, seed).labels for seed in range(6)]
    # Shares of pixels without truth: they grow while the camera backs up.
    shares = np.array([[(truth == 255).mean() for truth in labels] for labels in clips_drawn])
    assert (np.diff(shares) >= 0).all()
    assert shares.max() > 0.4
    assert shares.min() == 0


def test_a_camera_turns_by_degrees() -> None:
    motion = MotionConfig((0, 0), translation=0, rotation=3, shear=0, flicker=0)
    before, after = draw(PseudoClips(RECTANGLE, 2, motion)).labels == 1
    assert (before & after).sum() > 0.85 * before.sum()
    assert (before != after).any()


def test_every_frame_of_a_pseudo_clip_has_a_sensor_of_its_own(camvid: Path) -> None:
    dataset = open_dataset("camvid", camvid, "train")
    still = MotionConfig((0, 0), 0, 0, 0, flicker=0)
    for sensor in ({"noise": 20}, {"blur": 3}, {"flicker": 0.3}):
        images, labels = draw(PseudoClips(dataset, 3, replace(still, **sensor)))
        assert (images[0] != images[1]).any()
        assert (images[1] != images[2]).any()
        np.testing.assert_array_equal(labels[0], labels[2])


def test_streets_have_labels_for_every_frame() -> None:
    images, labels = draw(StreetClips(STREETS, frames=3))
    assert images.shape == (3, 32, 64, 3)
    assert labels.shape == (3, 32, 64)
    assert labels.max() < 19


def test_a_street_is_seen_at_other_places_in_another_epoch() -> None:
    clips = StreetClips(STREETS, frames=2)
    assert len(clips) == 6
    assert (draw(clips, 0, 1).labels != draw(clips, 0, 2).labels).any()
    assert (draw(clips, 0, 1).labels != draw(clips, 1, 1).labels).any()


def test_the_same_random_state_gives_the_same_clip(camvid: Path) -> None:
    dataset = open_dataset("camvid", camvid, "train")
    sources = (
        LabelledClips(dataset, 2, 3),
        PseudoClips(dataset, 2, MotionConfig(noise=5, blur=1)),
        StreetClips(STREETS, 2),
    )
    for source in sources:
        first, again = draw(source, 1, 7), draw(source, 1, 7)
        np.testing.assert_array_equal(first.images, again.images)
        np.testing.assert_array_equal(first.labels, again.labels)


@pytest.mark.parametrize(
    ("frames", "max_stride", "complaint"),
    [(0, 1, "frames must be at least 1, got 0"), (2, 0, "max_stride must be at least 1, got 0")],
)
def test_impossible_clips_are_refused(frames: int, max_stride: int, complaint: str) -> None:
    with pytest.raises(ValueError, match=complaint):
        StreetClips(STREETS, frames, max_stride)
