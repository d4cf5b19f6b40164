"""Class weights of the loss: rare classes count more."""

from __future__ import annotations

import numpy as np
import torch
from torch import Tensor

from lmanet_core.data.clips import ClipSource
from lmanet_core.network.classes import IGNORE_LABEL
from lmanet_core.program.progress import progress_bar
from lmanet_core.training.training_config import TrainingError

CLIPS_COUNTED = 1000
"""Clips, evenly spread over the data, that are counted at most; they give frequencies to a few
percent."""


def weigh_classes(frequencies: Tensor, offset: float) -> Tensor:
    """1 / ln(offset + class frequency), (num_classes,) float32.

    Source: Paszke et al., ENet, 2016.
    """
    return (1 / torch.log(offset + frequencies)).float()


def count_classes(source: ClipSource, seed: int) -> Tensor:
    """Share of each class in all pixels, (num_classes,) float64.

    Pixels without a label count as pixels, as ERFNet's and LMANet's authors have it.

    Raises:
        TrainingError: a label is not in the class table, or nothing is labelled.
    """
    counts, pixels = np.zeros(len(source.classes), np.int64), 0
    indices = np.unique(np.linspace(0, len(source) - 1, CLIPS_COUNTED, dtype=int)).tolist()
    for index in progress_bar(indices, "class frequencies"):
        labels = source.clip(index, np.random.default_rng((seed, index))).labels
        check_labels(labels, len(counts), f"clip {index}")
        counts += np.bincount(labels[labels != IGNORE_LABEL], minlength=len(counts))
        pixels += labels.size
    if not counts.any():
        raise TrainingError("no pixel of the training data has a label other than 255")
    return torch.from_numpy(counts / pixels)


def check_labels(labels: np.ndarray, num_classes: int, where: str) -> None:
    """Refuse labels that are no class and not 255.

    Raises:
        TrainingError: there are some; it says which.
    """
    wrong = (labels >= num_classes) & (labels != IGNORE_LABEL)
    if wrong.any():
        raise TrainingError(
            f"{where} has the labels {np.unique(labels[wrong]).tolist()}: expected "
            f"0..{num_classes - 1}, the classes of the data set, or {IGNORE_LABEL} for none"
        )
