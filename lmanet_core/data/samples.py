"""Clips as a PyTorch data set: the sequence of samples that a training run sees."""

from __future__ import annotations

import functools

import cv2
import numpy as np
import torch
from torch import Tensor
from torch.utils.data import Dataset, get_worker_info

from lmanet_core.data.clips import ClipSource
from lmanet_core.program.settings import check_at_least


class TrainingSamples(Dataset[tuple[Tensor, Tensor]]):
    """Epoch after epoch of a source's clips, each in an order of its own if the source is to be
    shuffled.

    Sample n depends on the seed and on n alone, whatever was read before and in whichever process.
    To go on with a run after k samples is to read from sample k on.

    Args:
        source: the clips.
        seed: of their order and of what they leave open.
        length: samples in the whole run.
    """

    def __init__(self, source: ClipSource, seed: int, length: int) -> None:
        check_at_least(1, length=length)
        self._source = source
        self._seed = seed
        self._length = length

    def __len__(self) -> int:
        return self._length

    def __getitem__(self, number: int) -> tuple[Tensor, Tensor]:
        """images (T, 3, H, W) uint8, RGB, and labels (T, H, W) uint8 of sample `number`."""
        if not 0 <= number < self._length:
            raise IndexError(f"sample {number} of {self._length}")
        if get_worker_info() is not None:
            # The loader's processes are parallel already.
            cv2.setNumThreads(0)
        epoch, index = divmod(number, len(self._source))
        if self._source.shuffle:
            index = int(_order(len(self._source), self._seed, epoch)[index])
        random = np.random.default_rng((self._seed, _SAMPLE_STREAM, number))
        clip = self._source.clip(index, random)
        images = torch.from_numpy(clip.images).permute(0, 3, 1, 2).contiguous()
        return images, torch.from_numpy(clip.labels)


_ORDER_STREAM, _SAMPLE_STREAM = 0, 1


@functools.lru_cache(maxsize=4)
def _order(length: int, seed: int, epoch: int) -> np.ndarray:
    return np.random.default_rng((seed, _ORDER_STREAM, epoch)).permutation(length)
