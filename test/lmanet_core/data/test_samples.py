"""The sequence of samples of a training run, and the configuration that decides about it."""

from __future__ import annotations

from pathlib import Path

import pytest
import torch
from torch.utils.data import DataLoader

from lmanet_core.data.augmentation import AugmentationConfig
from lmanet_core.data.data_config import DataConfig, open_clips
from lmanet_core.data.datasets import open_dataset
from lmanet_core.data.pseudo_clips import MotionConfig
from lmanet_core.data.samples import TrainingSamples
from lmanet_core.data.video import DatasetError
from lmanet_core.network.classes import CAMVID, CITYSCAPES

CROP = AugmentationConfig(crop_size=(32, 16), noise=5.0)


def camvid_samples(root: Path, seed: int = 1, length: int = 30) -> TrainingSamples:
    config = DataConfig("camvid", root, frames=2, augmentation=CROP)
    return TrainingSamples(open_clips(config), seed, length)


def test_a_sample_is_a_clip_as_tensors(camvid: Path) -> None:
    images, labels = camvid_samples(camvid)[0]
    assert images.shape == (2, 3, 16, 32)
    assert images.dtype == torch.uint8
    assert labels.shape == (2, 16, 32)
    assert labels.dtype == torch.uint8


def test_a_sample_has_the_colours_of_its_image(camvid: Path) -> None:
    images, _ = TrainingSamples(open_clips(DataConfig("camvid", camvid)), 1, 1)[0]
    picture = images[0].permute(1, 2, 0).numpy()
    frames = open_dataset("camvid", camvid, "train").labelled_frames
    assert any((video.image(index) == picture).all() for video, index in frames)


def test_a_sample_depends_on_seed_and_number_alone(camvid: Path) -> None:
    samples, again = camvid_samples(camvid), camvid_samples(camvid)
    in_order = [samples[n] for n in range(25)]
    for number in (24, 3, 11):
        assert torch.equal(again[number][0], in_order[number][0])
        assert torch.equal(again[number][1], in_order[number][1])
    assert not torch.equal(camvid_samples(camvid, seed=2)[3][0], in_order[3][0])


def test_a_clip_is_changed_anew_in_every_epoch(camvid: Path) -> None:
    samples = camvid_samples(camvid, length=22)
    first, second = ({samples[n + start][0].sum().item() for n in range(11)} for start in (0, 11))
    assert not first & second


def test_loader_processes_do_not_change_the_samples(camvid: Path) -> None:
    samples = camvid_samples(camvid, length=4)
    loaded = DataLoader(samples, batch_size=2, num_workers=1)
    images = torch.cat([images for images, _ in loaded])
    assert torch.equal(images, torch.stack([samples[n][0] for n in range(4)]))


def test_an_epoch_sees_every_clip_once_in_an_order_of_its_own(camvid: Path) -> None:
    clips = open_clips(DataConfig("camvid", camvid))
    samples = TrainingSamples(clips, seed=1, length=2 * len(clips))
    epochs = [[samples[n + start][0].sum().item() for n in range(11)] for start in (0, 11)]
    assert len(set(epochs[0])) == 11
    assert epochs[0] != epochs[1]
    assert sorted(epochs[0]) == sorted(epochs[1])


def test_the_configuration_decides_what_clips_are_made_of(camvid: Path) -> None:
    root = str(camvid)
    neighbours = open_clips(DataConfig.from_dict({"dataset": "camvid", "root": root}))
    assert (neighbours.classes, len(neighbours)) == (CAMVID, 11)
    pseudo = DataConfig.from_dict(
        {
            "dataset": "camvid",
            "root": root,
            "split": "fit",
            "size": [48, 24],
            "clips": "pseudo",
            "frames": 3,
            "motion": {"zoom": [0, 0.1], "noise": "4e0"},
            "augmentation": {"crop_size": [24, 16], "scale": [0.5, 2.0], "class_centred": 1.0},
        }
    )
    assert pseudo.motion == MotionConfig(zoom=(0.0, 0.1), noise=4.0)
    assert pseudo.augmentation == AugmentationConfig((24, 16), (0.5, 2.0), class_centred=1.0)
    samples = TrainingSamples(open_clips(pseudo), 0, 1)
    assert samples[0][0].shape == (3, 3, 16, 24)
    street = {"dataset": "synthetic", "clips": "street", "street": {"streets": 7, "noise": 9.0}}
    streets = open_clips(DataConfig.from_dict(street))
    assert (streets.classes, len(streets)) == (CITYSCAPES, 56)


@pytest.mark.parametrize(
    ("values", "complaint"),
    [
        ({}, r"data: settings \['dataset'\] are missing"),
        ({"dataset": "kitti"}, "dataset must be one of .*got 'kitti'"),
        ({"dataset": "camvid", "clips": "real"}, "clips must be one of .*got 'real'"),
        ({"dataset": "camvid", "clips": "street"}, "go together, got 'street' and 'camvid'"),
        ({"dataset": "camvid", "frame": 2}, r"data: unknown settings \['frame'\]; expected some"),
        ({"dataset": "camvid", "frames": 0}, "frames must be at least 1, got 0"),
        ({"dataset": "camvid", "frames": 2.5}, r"data\.frames must be int, got 2\.5"),
        ({"dataset": "camvid", "size": "480x360"}, r"data\.size must be a list of 2 or null"),
        ({"dataset": "camvid", "motion": {"speed": 1}}, r"data\.motion: unknown settings"),
        ({"dataset": "camvid", "motion": {"blur": "much"}}, r"data\.motion\.blur must be float"),
        ({"dataset": "camvid", "augmentation": {"scale": [2, 1]}}, "scale must be a range"),
        ({"dataset": "camvid", "augmentation": [1]}, r"data\.augmentation must be a section"),
    ],
)
def test_a_bad_configuration_is_refused(values: dict, complaint: str) -> None:
    with pytest.raises(ValueError, match=complaint):
        DataConfig.from_dict(values)


def test_opening_missing_data_is_refused(tmp_path: Path) -> None:
    with pytest.raises(DatasetError, match="no CamVid"):
        open_clips(DataConfig("camvid", tmp_path))
