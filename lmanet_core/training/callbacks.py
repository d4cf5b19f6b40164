"""What happens beside the steps of a stage: curves, validation, and files to resume from."""

from __future__ import annotations

import signal
from contextlib import nullcontext
from dataclasses import replace
from pathlib import Path
from typing import Any

import cv2
import numpy as np
from lightning.pytorch import Callback, LightningModule, Trainer
from lightning.pytorch.callbacks import TQDMProgressBar
from lightning.pytorch.loggers import TensorBoardLogger
from torch import Tensor

from lmanet_core.checkpoint import save_checkpoint
from lmanet_core.data.video import VideoDataset
from lmanet_core.evaluation import segment
from lmanet_core.evaluation.confusion_matrix import ConfusionMatrix
from lmanet_core.output.files import replacing
from lmanet_core.output.pictures import contact_sheet
from lmanet_core.runtime import VideoSegmenter
from lmanet_core.runtime.pytorch.torch_backend import TorchBackend
from lmanet_core.training.run_folder import Curve, RunFolder, git_revision
from lmanet_core.training.stage_module import SECONDS_PER_HOUR, StageModule
from lmanet_core.training.stopping import StopSignals
from lmanet_core.training.training_config import ValidationConfig

FLUSH_EVERY = 20
"""Steps whose losses are fetched from the device and written at a time."""
PICTURES = 4
"""Frames shown at each validation."""
PICTURE_WIDTH = 320


class StepCallback(Callback):
    """A callback that is called after every optimizer step, however many parts it has."""

    _last_step = -1

    def on_train_start(self, trainer: Trainer, module: LightningModule) -> None:
        self._last_step = trainer.global_step

    def on_train_batch_end(
        self, trainer: Trainer, module: LightningModule, outputs: Any, batch: Any, batch_idx: int
    ) -> None:
        if trainer.global_step != self._last_step:
            self._last_step = trainer.global_step
            assert isinstance(module, StageModule)
            self.after_step(trainer, module, trainer.global_step)

    def after_step(self, trainer: Trainer, module: StageModule, step: int) -> None:
        raise NotImplementedError


class TimedProgressBar(TQDMProgressBar):
    """Progress of a stage that ends with its time: the bar is its time, steps stand beside it."""

    BAR_FORMAT = "{desc}{percentage:3.0f}%|{bar}| [{elapsed}<{remaining}{postfix}]"

    def on_train_epoch_start(self, trainer: Trainer, *others: Any) -> None:
        super().on_train_epoch_start(trainer, *others)
        module = trainer.lightning_module
        assert isinstance(module, StageModule)
        bar = self.train_progress_bar
        bar.total = (module.stage.hours or 0.0) * SECONDS_PER_HOUR
        bar.initial = bar.n = min(module.seconds(), bar.total)

    def on_train_batch_end(  # type: ignore[override]
        self, trainer: Trainer, module: StageModule, outputs: Any, batch: Any, batch_idx: int
    ) -> None:
        bar = self.train_progress_bar
        if bar.disable or batch_idx % self.refresh_rate:
            return
        bar.n = min(module.seconds(), bar.total)
        metrics = {"step": trainer.global_step, **self.get_metrics(trainer, module)}
        bar.set_postfix({name: value for name, value in metrics.items() if name != "v_num"})


class LossCurve(StepCallback):
    """Writes loss and learning rate of every step."""

    def __init__(self, path: Path) -> None:
        self._path = path
        self._curve: Curve | None = None
        self._rows: list[tuple[int, list[Tensor], float]] = []

    def on_train_start(self, trainer: Trainer, module: LightningModule) -> None:
        super().on_train_start(trainer, module)
        if trainer.is_global_zero:
            columns = ("step", "loss", "learning_rate")
            self._curve = Curve(self._path, columns, trainer.global_step)

    def after_step(self, trainer: Trainer, module: StageModule, step: int) -> None:
        rate = trainer.optimizers[0].param_groups[0]["lr"]
        self._rows.append((step, module.step_losses, rate))
        if len(self._rows) == FLUSH_EVERY:
            self.flush()

    def on_save_checkpoint(self, trainer: Trainer, module: Any, checkpoint: Any) -> None:
        self.flush()

    def on_train_end(self, trainer: Trainer, module: LightningModule) -> None:
        self.flush()

    def flush(self) -> None:
        if self._curve is not None:
            self._curve.add(
                (step, f"{np.mean([loss.item() for loss in losses]):.6f}", f"{rate:.6g}")
                for step, losses, rate in self._rows
            )
        self._rows = []


class ResumeFile(StepCallback):
    """Saves the run now and then, and the network in the project's format beside it."""

    def __init__(self, folder: RunFolder, stage: str, every: int, signals: StopSignals) -> None:
        self._folder = folder
        self._stage = stage
        self._every = every
        self._signals = signals

    def on_train_start(self, trainer: Trainer, module: LightningModule) -> None:
        super().on_train_start(trainer, module)
        self._signals.begin_steps()

    def on_train_end(self, trainer: Trainer, module: LightningModule) -> None:
        self._signals.end_steps()

    def after_step(self, trainer: Trainer, module: StageModule, step: int) -> None:
        stops = self._signals.received is not None
        if trainer.world_size > 1:
            # A signal comes to one process earlier than to another; all end after the same step.
            stops = trainer.strategy.reduce_boolean_decision(stops, all=False)
        if stops:
            self._signals.received = self._signals.received or signal.SIGTERM
            trainer.should_stop = True
        elif step % self._every and not module.finished:
            return
        # First the network: a run that is resumed at its last step has this for its result.
        if trainer.is_global_zero:
            save_state(module, self._folder.last(self._stage), step)
        path = self._folder.resume(self._stage)
        # All processes take part, the first one writes.
        with replacing(path) if trainer.is_global_zero else nullcontext(path) as unfinished:
            trainer.save_checkpoint(unfinished)


class Validation(StepCallback):
    """Streams videos through the network now and then, and keeps its best state.

    Args:
        config: what and how often.
        dataset: the split.
        folder, stage: where best state and curve go.
        signals: after one there is no time for a validation, but for that of the last step.
    """

    def __init__(
        self,
        config: ValidationConfig,
        dataset: VideoDataset,
        folder: RunFolder,
        stage: str,
        signals: StopSignals,
    ) -> None:
        self._config = config
        self._signals = signals
        self._dataset = _spread(dataset, config.frames)
        self._folder = folder
        self._stage = stage
        self._best = -1.0
        self._curve: Curve | None = None

    def state_dict(self) -> dict[str, Any]:
        return {"best": self._best}

    def load_state_dict(self, state_dict: dict[str, Any]) -> None:
        self._best = state_dict["best"]

    def on_train_start(self, trainer: Trainer, module: LightningModule) -> None:
        super().on_train_start(trainer, module)
        if trainer.is_global_zero:
            path = self._folder.validation(self._stage)
            self._curve = Curve(path, ("step", "miou"), trainer.global_step)

    def after_step(self, trainer: Trainer, module: StageModule, step: int) -> None:
        if not module.finished and (step % self._config.every or self._signals.received):
            return
        if self._curve is not None:
            miou, pictures = self._stream(module)
            self._curve.add([(step, f"{miou:.5f}")])
            for logger in trainer.loggers:
                logger.log_metrics({"miou": miou}, step)
                if isinstance(logger, TensorBoardLogger):
                    sheet = contact_sheet(pictures, ("image", "truth", "prediction"))
                    logger.experiment.add_image("frames", sheet, step, dataformats="HWC")
            if miou > self._best:
                self._best = miou
                save_state(module, self._folder.best(self._stage), step, miou=miou)
        trainer.strategy.barrier()

    def _stream(self, module: StageModule) -> tuple[float, list[list[np.ndarray]]]:
        """mIoU and a few rows of image, truth and prediction."""
        classes = self._dataset.classes
        matrix = ConfusionMatrix(len(classes))
        number = self._config.frames or len(self._dataset.labelled_frames)
        # A graph would have to be captured anew for these few frames.
        backend = TorchBackend(module.result, device=str(module.device), replay=False)
        segmenter = VideoSegmenter(backend)
        count = 0
        rows: list[list[np.ndarray]] = []
        for frame in segment(segmenter, self._dataset):
            if frame.true is None:
                continue
            matrix.update(frame.predicted, frame.true)
            count += 1
            if count % max(1, number // PICTURES) == 0 and len(rows) < PICTURES:
                painted = [classes.colorize(labels) for labels in (frame.true, frame.predicted)]
                rows.append([_shrink(picture) for picture in (frame.image, *painted)])
            if count == number:
                break
        return matrix.miou(), rows


def _spread(dataset: VideoDataset, frames: int | None) -> VideoDataset:
    """Videos from all over the data set with about `frames` labelled frames."""
    if frames is None:
        return dataset
    step = max(1, min(len(dataset.videos), len(dataset.labelled_frames) // frames))
    return replace(dataset, videos=dataset.videos[::step])


def _shrink(picture: np.ndarray) -> np.ndarray:
    height = round(picture.shape[0] * PICTURE_WIDTH / picture.shape[1])
    return cv2.resize(picture, (PICTURE_WIDTH, height), interpolation=cv2.INTER_NEAREST)


def save_state(module: StageModule, path: Path, step: int, **figures: float) -> None:
    """Write the network as it is, with a word on where it is from."""
    provenance = {
        "stage": module.stage.name,
        "step": step,
        "data": module.stage.data.dataset,
        "split": module.stage.data.split,
        "precision": module.trainer.precision,
        "git_revision": git_revision(),
        **figures,
    }
    # Lightning's annotations lack the attribute.
    size = module.trainer.datamodule.work_size()  # type: ignore[attr-defined]
    save_checkpoint(module.result, path, provenance=provenance, work_size=size)
