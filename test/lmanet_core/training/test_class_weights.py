"""Weights of classes in the loss."""

from pathlib import Path

import cv2
import numpy as np
import pytest
import torch
from training_miniature import write_frames

from lmanet_core.data.data_config import DataConfig, open_clips
from lmanet_core.training.class_weights import count_classes, weigh_classes
from lmanet_core.training.training_config import TrainingError


def test_frequencies_are_shares_of_all_pixels(tmp_path: Path) -> None:
    write_frames(tmp_path, "train", largest_label=11)
    source = open_clips(DataConfig(dataset="camvid", root=tmp_path, split="train"))
    labels = np.concatenate(
        [source.clip(i, np.random.default_rng(0)).labels.ravel() for i in range(len(source))]
    )
    assert (labels == 255).any()
    expected = np.bincount(labels[labels != 255], minlength=11) / labels.size
    assert count_classes(source, seed=1).numpy() == pytest.approx(expected)


def test_rare_classes_weigh_more_and_all_the_more_with_a_smaller_offset() -> None:
    frequencies = torch.tensor([0.0, 0.01, 0.99], dtype=torch.float64)
    assert weigh_classes(frequencies, 1.10).tolist() == pytest.approx(
        (1 / np.log(1.10 + frequencies.numpy())).tolist()
    )
    rare, common = weigh_classes(frequencies, 1.03)[1:] / weigh_classes(frequencies, 1.10)[1:]
    assert rare > common


def test_unlabelled_data_is_refused(tmp_path: Path) -> None:
    write_frames(tmp_path, "train")
    for path in (tmp_path / "trainannot").iterdir():
        cv2.imwrite(str(path), np.full((32, 48), 11, np.uint8))
    source = open_clips(DataConfig(dataset="camvid", root=tmp_path, split="train"))
    with pytest.raises(TrainingError, match="other than 255"):
        count_classes(source, seed=1)
