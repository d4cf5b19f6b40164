"""A training stage that can be timed: its loader alone, and its steps without one."""

from __future__ import annotations

import itertools
import time
from pathlib import Path

import torch

from lmanet_core.data.clips import ClipSource
from lmanet_core.data.data_config import open_clips
from lmanet_core.runtime.pytorch.precision import resolve_device
from lmanet_core.training.initialization import initial_model
from lmanet_core.training.run import StageRun, uses_bf16, with_classes
from lmanet_core.training.training_config import (
    StageConfig,
    TrainingConfig,
    parse_config,
    read_settings,
)


class TimedStage:
    """A stage with random weights and its first batch."""

    def __init__(self, config: TrainingConfig, stage: StageConfig, source: ClipSource) -> None:
        self.name = stage.name
        self.batch_size = stage.batch_size
        self.device = resolve_device("auto")
        self._accumulate = stage.accumulate
        self._bf16 = uses_bf16(config)
        weights = torch.ones(len(source.classes))
        run = StageRun(config, stage, source, weights, config.seed)
        self._data = run.data
        self._module = run.module(initial_model(config.model, stage.data.frames, None))
        self._module.to(self.device)
        self._optimizer = self._module.configure_optimizers()["optimizer"]
        part = run.data.first_batch(stage.batch_size // stage.accumulate)
        self._images, self._labels = (tensor.to(self.device) for tensor in part)
        frames, _, height, width = self._images.shape[1:]
        self.clip_shape = (frames, width, height)
        self.supervised_frames = stage.batch_size
        if stage.supervise == "all":
            # There is nothing to restore from before the second frame.
            self.supervised_frames *= frames - (stage.target == "features")

    def step(self) -> None:
        """One optimizer step on the first batch."""
        for _ in range(self._accumulate):
            with torch.autocast(self.device.type, torch.bfloat16, enabled=self._bf16):
                loss = self._module.loss(self._images, self._labels)
            loss.backward()
        self._optimizer.step()
        self._optimizer.zero_grad()
        # To the end of the step, on any device.
        loss.item()

    def loader_rate(self, batches: int) -> float:
        """Samples per second when nothing waits for anything but the loader."""
        parts = iter(self._data.loader())
        next(parts)  # waits for the loader's processes to start
        start = time.perf_counter()
        samples = sum(len(images) for images, _ in itertools.islice(parts, batches))
        return samples / (time.perf_counter() - start)


def open_stages(path: Path) -> list[TimedStage]:
    """The stages of a training configuration.

    Raises:
        ValueError: the file or its data cannot be used.
    """
    config = parse_config(read_settings(path))
    sources = {stage.name: open_clips(stage.data) for stage in config.stages}
    config = with_classes(config, sources)
    return [TimedStage(config, stage, sources[stage.name]) for stage in config.stages]
