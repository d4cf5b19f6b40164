"""The samples of a stage, for any number of processes, from any step on."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from typing import Any

import numpy as np
import torch
from lightning.pytorch import LightningDataModule
from torch import Tensor
from torch.utils.data import DataLoader, Sampler

from lmanet_core.data.clips import ClipSource
from lmanet_core.data.data_config import open_clips
from lmanet_core.data.samples import TrainingSamples
from lmanet_core.program.progress import progress_bar
from lmanet_core.training.class_weights import check_labels
from lmanet_core.training.training_config import StageConfig, TrainingError


class PartBatches(Sampler[list[int]]):
    """Numbers of the samples in each part of a batch that this process works on.

    Step k of a stage takes the samples k * batch_size and following, whatever the numbers of
    processes and of accumulated parts are.

    Args:
        steps: optimizer steps of the whole stage.
        batch_size: samples per step, over all processes and parts.
        parts: into which this process divides its share of a step.
        rank, world_size: of this process.
        first_step: where to begin; the steps before were made by an earlier run.

    Raises:
        TrainingError: a batch cannot be divided evenly.
    """

    def __init__(
        self,
        steps: int,
        batch_size: int,
        parts: int = 1,
        rank: int = 0,
        world_size: int = 1,
        first_step: int = 0,
    ) -> None:
        if batch_size % (parts * world_size):
            raise TrainingError(
                f"batch_size {batch_size} is over all processes and accumulated parts: it must be "
                f"a multiple of {world_size} processes x {parts} parts"
            )
        self._steps = steps
        self._batch_size = batch_size
        self._parts = parts
        self._rank = rank
        self._world_size = world_size
        self._first_step = first_step

    def __len__(self) -> int:
        """Steps of the whole stage: Lightning counts on from where a resumed stage was."""
        return self._steps * self._parts

    def __iter__(self) -> Iterator[list[int]]:
        size = self._batch_size // (self._parts * self._world_size)
        for step in range(self._first_step, self._steps):
            for part in range(self._parts):
                first = step * self._batch_size
                first += (part * self._world_size + self._rank) * size
                yield list(range(first, first + size))


class StageData(LightningDataModule):
    """Feeds a stage, and remembers in checkpoints where it was.

    Args:
        source: the clips.
        stage: batch size, augmentation and the like.
        steps: optimizer steps of the stage.
        seed: seed of the samples.
        workers: processes that prepare samples.
        work_size: (width, height) for checkpoints to record; None: that of the first data set's
            frames.
    """

    def __init__(
        self,
        source: ClipSource,
        stage: StageConfig,
        steps: int,
        seed: int,
        workers: int,
        work_size: tuple[int, int] | None = None,
    ) -> None:
        super().__init__()
        self._stage = stage
        self._steps = steps
        self._workers = workers
        self._num_labels = len(source.classes) + len(source.groups)
        self._first_step = 0
        self._work_size = work_size
        self._samples = TrainingSamples(source, seed, steps * stage.batch_size)

    def work_size(self) -> tuple[int, int]:
        """(width, height) for checkpoints to record."""
        if self._work_size is None:
            # As they are before augmentation.
            plain = replace(
                self._stage.data, frames=1, augmentation=None, corrupted_copy=None, also=()
            )
            _, height, width, _ = open_clips(plain).clip(0, np.random.default_rng(0)).images.shape
            self._work_size = width, height
        return self._work_size

    def first_batch(self, size: int, what: str = "") -> list[Tensor]:
        """`size` samples as the loader gives them; how many are there is shown as `what`."""
        numbers = progress_bar(range(size), what, disable=not what)
        return self._collate([self._samples[n % len(self._samples)] for n in numbers])

    def train_dataloader(self) -> DataLoader[Any]:
        assert self.trainer is not None
        return self.loader(self.trainer.global_rank, self.trainer.world_size)

    def loader(self, rank: int = 0, world_size: int = 1) -> DataLoader[Any]:
        """Parts of batches for one of several processes."""
        batches = PartBatches(
            self._steps,
            self._stage.batch_size,
            self._stage.accumulate,
            rank,
            world_size,
            self._first_step,
        )
        return DataLoader(
            self._samples,
            batch_sampler=batches,
            num_workers=self._workers,
            prefetch_factor=4 if self._workers else None,
            collate_fn=self._collate,
            pin_memory=torch.cuda.is_available(),
        )

    def state_dict(self) -> dict[str, Any]:
        assert self.trainer is not None
        return {"step": self.trainer.global_step}

    def load_state_dict(self, state_dict: dict[str, Any]) -> None:
        self._first_step = state_dict["step"]

    def _collate(self, samples: list[tuple[Tensor, Tensor]]) -> list[Tensor]:
        images, labels = zip(*samples, strict=True)
        batch = torch.stack(labels)
        # Here and not on the device, where a wrong class ends the process without a word.
        check_labels(batch.numpy(), self._num_labels, "a clip")
        return [torch.stack(images), batch]
