"""A whole training run: stage after stage, resumed where it was interrupted."""

from __future__ import annotations

import json
import logging
import os
import warnings
import zipfile
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import torch
from lightning.pytorch import Callback, Trainer
from lightning.pytorch.callbacks import LearningRateMonitor, TQDMProgressBar
from lightning.pytorch.loggers import TensorBoardLogger
from lightning.pytorch.plugins.environments import SLURMEnvironment
from lightning.pytorch.strategies import DDPStrategy
from lightning.pytorch.utilities import rank_zero_only
from torch import Tensor, nn

from lmanet_core.data.clips import ClipSource
from lmanet_core.data.data_config import DataConfig, open_clips
from lmanet_core.data.datasets import open_dataset
from lmanet_core.models import LMANet, LocalMemory
from lmanet_core.models.frame_quality import FrameQuality
from lmanet_core.output.files import write_bytes, write_json
from lmanet_core.program.progress import progress_bar
from lmanet_core.runtime.network_file import ARCHIVE_DAMAGE
from lmanet_core.runtime.pytorch.precision import resolve_device, resolve_precision
from lmanet_core.training.callbacks import LossCurve, ResumeFile, TimedProgressBar, Validation
from lmanet_core.training.class_weights import count_classes, weigh_classes
from lmanet_core.training.data_module import PartBatches, StageData
from lmanet_core.training.frame_quality_fit import fit_frame_quality
from lmanet_core.training.initialization import initial_model, share_initialization
from lmanet_core.training.run_folder import RunFolder
from lmanet_core.training.stage_module import StageModule
from lmanet_core.training.start_from_features import start_as_average, start_with_components
from lmanet_core.training.stopping import StopSignals
from lmanet_core.training.training_config import (
    DEFAULT_START,
    INITIAL_WEIGHTS,
    StageConfig,
    TrainingConfig,
    TrainingError,
    parse_config,
)

IGNORED_WARNINGS = (
    ".*module\\(s\\) in eval mode",  # that is what frozen parts are in
    ".*resuming from a checkpoint that ended before the epoch ended",  # `StageData` knows where
    ".*does not have many workers",
    ".*treespec, LeafSpec",
)
"""Warnings of Lightning that a user need not read."""
MOST_STEPS = 10**8
"""Steps of a stage that ends with its time: more than it can make."""
START_CLIPS = 16
"""Clips from whose features the starts 'average' and 'components' are computed."""
QUALITY_CLIPS = 160
"""Clips from whose last frames the frame quality is fitted: about as many as it has weights."""


def train(settings: Mapping[str, Any], output: Path) -> Path:
    """Run all stages that are not finished yet, in this process or those of a launcher.

    Args:
        settings: the plain values of a configuration file, see `TrainingConfig`.
        output: the run's folder, see `RunFolder`.

    Returns:
        The checkpoint of the last stage.

    Raises:
        USER_ERRORS: of `lmanet_core.training.training_config`; settings, data and memory of all
            stages are tried before the first begins.
        Stopped: by SIGINT or SIGTERM; the run is saved.
    """
    with StopSignals() as signals:
        return _train(settings, output, signals)


def _train(settings: Mapping[str, Any], output: Path, signals: StopSignals) -> Path:
    for message in IGNORED_WARNINGS:
        warnings.filterwarnings("ignore", message)
    logging.getLogger("lightning.pytorch").setLevel(logging.WARNING)
    config = parse_config(settings)
    folder = RunFolder(output)
    launch = find_launch()
    unfinished = [stage for stage in config.stages if not folder.result(stage.name).exists()]
    sources = {stage.name: open_clips(stage.data) for stage in unfinished}
    config = with_classes(config, sources)
    if launch.rank == 0:
        folder.begin(settings)
    for stage in unfinished:
        try_first_step(config, stage, sources[stage.name], launch)
    frequencies = _class_frequencies(config, folder, launch) if unfinished else None
    weights: Path | str | None = config.initial_weights
    for number, stage in enumerate(config.stages):
        if stage in unfinished:
            seed = config.seed + number
            torch.manual_seed(seed)
            class_weights = _class_weights(config, stage, frequencies)
            if stage.after == INITIAL_WEIGHTS:
                weights = config.initial_weights
            elif stage.after is not None:
                weights = folder.result(stage.after)
            run = StageRun(config, stage, sources[stage.name], class_weights, seed)
            start = None if stage.start == DEFAULT_START else stage.start
            model = initial_model(config.model, stage.data.frames, weights, run.start_memory, start)
            run.train(model, folder, launch, signals)
        else:
            rank_zero_only(print)(f"{stage.name}: {folder.result(stage.name)} is there, skipped")
        weights = folder.result(stage.name)
    return folder.result(config.stages[-1].name)


@dataclass(frozen=True)
class Launch:
    """The processes of this run, as torchrun or SLURM has started them: one for each device."""

    rank: int = 0
    local_rank: int = 0
    devices: int = 1
    nodes: int = 1

    @property
    def world_size(self) -> int:
        return self.devices * self.nodes


def find_launch() -> Launch:
    """One process alone, unless a launcher's variables say otherwise.

    Raises:
        TrainingError: a SLURM job does not say how many tasks it has on each node.
    """
    if "TORCHELASTIC_RUN_ID" in os.environ:
        world, rank, local_world, local_rank = (
            int(os.environ[name])
            for name in ("WORLD_SIZE", "RANK", "LOCAL_WORLD_SIZE", "LOCAL_RANK")
        )
        return Launch(rank, local_rank, local_world, world // local_world)
    if SLURMEnvironment.detect():
        try:
            slurm, nodes = SLURMEnvironment(), int(os.environ["SLURM_NNODES"])
        except RuntimeError as error:
            raise TrainingError(f"SLURM: {error}") from None
        devices = slurm.world_size() // nodes
        return Launch(slurm.global_rank(), slurm.local_rank(), devices, nodes)
    return Launch()


def try_first_step(
    config: TrainingConfig, stage: StageConfig, source: ClipSource, launch: Launch
) -> None:
    """Try the first step of a stage, with random weights: what cannot work fails here.

    Raises:
        TrainingError: there is less data than a batch, a label is no class, images have a size
            that the network does not take, or the device has not the memory.
    """
    if len(source) < stage.batch_size:
        raise TrainingError(
            f"stage '{stage.name}': batch_size {stage.batch_size} is more than the {len(source)} "
            f"clips of {stage.data.dataset}, split '{stage.data.split}'"
        )
    run = StageRun(config, stage, source, torch.ones(len(config.model.classes)), config.seed)
    # The same division of a batch as in training, with the same checks.
    batches = PartBatches(1, stage.batch_size, stage.accumulate, launch.rank, launch.world_size)
    size = len(next(iter(batches)))
    device = resolve_device("auto")
    if device.type == "cuda":
        device = torch.device("cuda", launch.local_rank)
    with _memory_errors_explained(stage, size):
        images, labels = (part.expand(size, *part.shape[1:]) for part in run.data.first_batch(1))
        model = initial_model(config.model, stage.data.frames, None)
        _check_size(model, stage, images)
        module = run.module(model).to(device)
        with torch.autocast(device.type, torch.bfloat16, enabled=uses_bf16(config)):
            module.loss(images.to(device), labels.to(device)).backward()


def uses_bf16(config: TrainingConfig) -> bool:
    """Whether the run computes in mixed precision."""
    if config.precision == "auto":
        return resolve_precision("auto", resolve_device("auto")) != torch.float32
    return config.precision == "bf16"


def with_classes(config: TrainingConfig, sources: Mapping[str, ClipSource]) -> TrainingConfig:
    """The configuration with the class table of the data."""
    tables = {source.classes for source in sources.values()}
    if len(tables) > 1:
        raise TrainingError("the stages' data sets have different class tables")
    for classes in tables:
        given = config.class_weights
        if given is not None and len(given) != len(classes):
            raise TrainingError(f"class_weights must be {len(classes)} numbers, got {len(given)}")
        config = replace(config, model=replace(config.model, classes=classes))
    return config


class StageRun:
    """What the rehearsal and the training of a stage have in common."""

    def __init__(
        self,
        config: TrainingConfig,
        stage: StageConfig,
        source: ClipSource,
        class_weights: Tensor,
        seed: int,
    ) -> None:
        self._config = config
        self._stage = stage
        self._class_weights = class_weights
        self._groups = source.groups
        self._seed = seed
        self._epoch_steps = max(1, len(source) // stage.batch_size)
        self._steps = stage.steps or (stage.epochs or 0) * self._epoch_steps
        if stage.hours is not None:
            self._steps = MOST_STEPS
        self.data = StageData(source, stage, self._steps, seed, config.workers, config.work_size)

    def module(self, model: LMANet) -> StageModule:
        return StageModule(
            model,
            self._stage,
            self._class_weights,
            self._steps,
            self._epoch_steps,
            self._seed,
            self._groups,
        )

    def start_memory(self, memory: LocalMemory, encoder: nn.Module) -> None:
        """Give a new memory the start that the stage asks for, and fit the quality of frames."""
        qualities = [part for part in memory.modules() if isinstance(part, FrameQuality)]
        if self._stage.start != "shared" or qualities:
            rank_zero_only(print)(
                f"stage '{self._stage.name}': the memory's start '{self._stage.start}' is computed "
                "from the features of some clips; that does not count in the stage's hours"
            )
        if self._stage.start == "shared":
            share_initialization(memory)
        else:
            images, _ = self.data.first_batch(START_CLIPS, "clips to start from")
            features = _encode(encoder, images[:, -1])
            start = start_as_average if self._stage.start == "average" else start_with_components
            start(memory, features)
        if qualities:
            good, corrupted = self._good_and_corrupted_features(encoder)
            for quality in qualities:
                fit_frame_quality(quality, good, corrupted)

    def _good_and_corrupted_features(self, encoder: nn.Module) -> tuple[Tensor, Tensor]:
        """Features of frames of all data sets in their shares, and of corrupted copies of them."""
        source = open_clips(_paired(self._stage.data, self._stage))
        data = StageData(source, self._stage, self._steps, self._seed, 0, self._config.work_size)
        good, corrupted = data.first_batch(QUALITY_CLIPS, "good and corrupted frames")[0].unbind(1)
        return _encode(encoder, good), _encode(encoder, corrupted)

    def train(self, model: LMANet, folder: RunFolder, launch: Launch, signals: StopSignals) -> None:
        """Train in place, from the stage's resume file if there is one, and write its result."""
        name = self._stage.name
        progress = TQDMProgressBar if self._stage.hours is None else TimedProgressBar
        callbacks: list[Callback] = [
            # What is shown has to be waited for; on a GPU every step would be.
            progress(refresh_rate=10 if torch.cuda.is_available() else 1),
            LearningRateMonitor("step"),
            LossCurve(folder.curve(name)),
        ]
        validation = self._config.validation
        if validation is not None:
            data = self._stage.data
            dataset = open_dataset(data.dataset, data.root, validation.split, data.size)
            callbacks.append(Validation(validation, dataset, folder, name, signals))
        callbacks.append(ResumeFile(folder, name, self._config.save_every, signals))
        resume = folder.resume(name)
        if resume.exists():
            _check_resume(resume)
        trainer = self._trainer(folder, callbacks, launch)
        module = self.module(model)
        with _memory_errors_explained(self._stage, self._stage.batch_size):
            trainer.fit(
                module,
                datamodule=self.data,
                ckpt_path=resume if resume.exists() else None,
                weights_only=True,
            )
        if not module.finished:
            step = trainer.global_step
            signals.check(f"stage '{name}' is saved after step {step}: {resume}")
        if trainer.is_global_zero:
            state = folder.last(name) if validation is None else folder.best(name)
            write_bytes(folder.result(name), state.read_bytes())
            resume.unlink()
        trainer.strategy.barrier()
        signals.check(f"stage '{name}' is finished: {folder.result(name)}")

    def _trainer(self, folder: RunFolder, callbacks: list[Callback], launch: Launch) -> Trainer:
        several = launch.world_size > 1
        return Trainer(
            max_steps=self._steps,
            max_epochs=1,
            accumulate_grad_batches=self._stage.accumulate,
            devices=launch.devices,
            num_nodes=launch.nodes,
            strategy=DDPStrategy(find_unused_parameters=False) if several else "auto",
            # Batch statistics of the whole batch, however many processes share it.
            sync_batchnorm=several and torch.cuda.is_available(),
            precision="bf16-mixed" if uses_bf16(self._config) else "32-true",
            # A few shapes come again and again: it pays to look for the fastest convolutions.
            benchmark=True,
            plugins=[SLURMEnvironment(auto_requeue=False)] if SLURMEnvironment.detect() else None,
            default_root_dir=folder.path,
            logger=TensorBoardLogger(folder.path, "tensorboard", self._stage.name),
            callbacks=callbacks,
            # Samples are divided, checkpoints written and networks validated by this package.
            use_distributed_sampler=False,
            enable_checkpointing=False,
            enable_model_summary=False,
            limit_val_batches=0,
            log_every_n_steps=min(10, self._steps),
        )


def _check_resume(path: Path) -> None:
    """Make sure that a file to resume from is whole; PyTorch does not.

    Raises:
        TrainingError: it is not.
    """
    try:
        with zipfile.ZipFile(path) as archive:
            damaged = archive.testzip()
    except ARCHIVE_DAMAGE as error:
        damaged = str(error)
    if damaged:
        raise TrainingError(
            f"{path} is truncated or damaged ({damaged}): the stage cannot be resumed; delete the "
            "file, and it begins anew"
        )


def _paired(data: DataConfig, stage: StageConfig) -> DataConfig:
    """Single frames, each with a copy that is corrupted as the frames of its data set may be."""
    return replace(
        data,
        frames=1,
        corrupt_any_frame=None,
        corrupt_last_frame=None,
        corrupted_copy=data.corrupt_last_frame or data.corrupt_any_frame or stage.corruption,
        also=tuple(_paired(other, stage) for other in data.also),
    )


def _class_frequencies(config: TrainingConfig, folder: RunFolder, launch: Launch) -> Tensor | None:
    """Class frequencies, counted once for a run; None if the run is given class weights."""
    if config.class_weights is not None or all(
        stage.class_weight_offset is None for stage in config.stages
    ):
        return None
    names, file = config.model.classes.names, folder.class_frequencies
    if file.exists():
        try:
            values = json.loads(file.read_text())
        except ValueError as error:
            raise TrainingError(f"{file} is damaged ({error}): delete it to count anew") from None
        if tuple(values) == names:
            return torch.tensor(list(values.values()), dtype=torch.float64)
    plain = replace(
        config.stages[0].data, frames=1, augmentation=None, corrupted_copy=None, also=()
    )
    source = open_clips(plain)
    frequencies = count_classes(source, config.seed)
    if launch.rank == 0:
        values = dict(zip(names, frequencies.tolist(), strict=True))
        write_json(file, values)
    return frequencies


def _class_weights(
    config: TrainingConfig, stage: StageConfig, frequencies: Tensor | None
) -> Tensor:
    if stage.class_weight_offset is None:
        return torch.ones(len(config.model.classes))
    if frequencies is None:
        return torch.tensor(config.class_weights)
    return weigh_classes(frequencies, stage.class_weight_offset)


def _check_size(model: LMANet, stage: StageConfig, images: Tensor) -> None:
    height, width = images.shape[-2:]
    nearest = (model.size_rule.nearest(width), model.size_rule.nearest(height))
    if (width, height) != nearest:
        raise TrainingError(
            f"stage '{stage.name}': the network does not take images of {width}x{height}, the "
            f"nearest it takes are {nearest[0]}x{nearest[1]}: set data.augmentation.crop_size"
        )


@contextmanager
def _memory_errors_explained(stage: StageConfig, clips: int) -> Iterator[None]:
    """Say what to change when memory runs out."""
    try:
        yield
    except RuntimeError as error:
        out_of_memory = isinstance(error, torch.OutOfMemoryError)
        if not out_of_memory and "not enough memory" not in str(error):
            raise
        raise TrainingError(
            f"stage '{stage.name}' ran out of memory with {clips} clips of {stage.data.frames} "
            f"frames at a time: raise its accumulate (now {stage.accumulate}), or lower "
            f"batch_size ({stage.batch_size}) or data.augmentation.crop_size"
        ) from error


@torch.no_grad()
def _encode(encoder: nn.Module, images: Tensor) -> Tensor:
    """Features of (B, 3, H, W) uint8, a few at a time."""
    encoder.eval()
    parts = progress_bar(images.split(8), "features")
    return torch.cat([encoder(part.float() / 255) for part in parts])
