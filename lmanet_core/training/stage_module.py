"""One training stage: loss, optimizer, schedule, and what is frozen."""

from __future__ import annotations

import copy
import math
import time
from collections.abc import Callable, Sequence
from typing import Any

import numpy as np
import torch
from lightning.pytorch import LightningModule
from torch import Tensor, nn
from torch.nn import functional
from torch.nn.modules.batchnorm import _BatchNorm
from torch.nn.modules.dropout import _DropoutNd
from torch.optim import Optimizer
from torch.optim.lr_scheduler import LambdaLR, LRScheduler, ReduceLROnPlateau
from torch.optim.swa_utils import AveragedModel

from lmanet_core.models import LMANet
from lmanet_core.training.clip_corruption import corrupt_clips
from lmanet_core.training.clip_forward import decode_clips, encode_clips, fuse_corrupted_clips
from lmanet_core.training.correspondence_loss import correspondence_loss
from lmanet_core.training.loss import (
    LabelLoss,
    consistency_loss,
    feature_loss,
    prediction_loss,
)
from lmanet_core.training.multi_scale import all_views, averaged_probabilities
from lmanet_core.training.old_keys import rename_old_words
from lmanet_core.training.temporal_consistency_loss import temporal_consistency_loss
from lmanet_core.training.training_config import StageConfig, TrainingError

PLATEAU_FACTOR = 0.8
LOWEST_RATE = 1e-8
POLYNOMIAL_POWER = 0.9
WARM_UP = 0.1
"""Share of 'one_cycle' in which the learning rate rises."""
FIRST_RATE = 0.04
"""Learning rate at the start of 'one_cycle', as a share of its peak."""
SECONDS_PER_HOUR = 3600
PLACE = 4
"""Side in pixels of the places whose predictions are compared."""


class StageModule(LightningModule):
    """Trains parts of a network; the others stay exactly as they are.

    Args:
        model: the network, trained in place.
        stage: what is trained and how.
        class_weights: (num_classes,) float32.
        steps: optimizer steps of the stage.
        epoch_steps: optimizer steps in which every clip is seen once.
        seed: of dropout and noise, which depend on it, the step and the process alone: a resumed
            run draws what the uninterrupted one would have drawn.
        groups: labels beyond the classes, see `lmanet_core.data.clips.ClipSource`.
    """

    epoch_loss: Tensor
    """Sum over the steps of the current epoch, divided by their number."""

    def __init__(
        self,
        model: LMANet,
        stage: StageConfig,
        class_weights: Tensor,
        steps: int,
        epoch_steps: int,
        seed: int,
        groups: tuple[tuple[int, ...], ...] = (),
    ) -> None:
        super().__init__()
        self.model = model
        # PyTorch's annotations lack this overload.
        self.model.to(memory_format=torch.channels_last)  # type: ignore[call-overload]
        # In the run's checkpoint with the rest: a resumed run goes on with the same one.
        self.teacher = None if stage.distillation is None else copy.deepcopy(model)
        if self.teacher is not None:
            self.teacher.requires_grad_(False)
        self._label_loss = LabelLoss(class_weights, groups)
        self.register_buffer("epoch_loss", torch.zeros(()))
        self.stage = stage
        self._steps = steps
        self._epoch_steps = epoch_steps
        self._seed = seed
        settings = {**vars(stage), "model": model.config, "seed": seed}
        self._settings = {name: str(value) for name, value in settings.items()}
        self.step_losses: list[Tensor] = []
        """Losses of the parts of the current step, equal in all processes."""
        for name in ("encoder", "decoder", "memory"):
            if (part := getattr(model, name)) is not None:
                part.requires_grad_(name in stage.trains)
        self._frozen = [_find(model, name) for name in stage.frozen]
        for module in self._frozen:
            module.requires_grad_(False)
        self.average: AveragedModel | None = None
        if stage.ema_decay is not None:
            average = _moving_average(stage.ema_decay)
            self.average = AveragedModel(model, multi_avg_fn=average, use_buffers=True)
            self.average.requires_grad_(False)
        self.finished = False
        """Whether the last optimizer step was made."""
        self._progress = 0.0
        self._seconds_before = 0.0
        self._started = 0.0
        self.train()

    @property
    def result(self) -> LMANet:
        """The network to validate and to save: the average, where there is one."""
        result = self.model if self.average is None else self.average.module
        assert isinstance(result, LMANet)
        return result

    def train(self, mode: bool = True) -> StageModule:
        """Training mode where something learns; frozen parts keep their batch statistics, too."""
        super().train(False)
        if not mode:
            return self
        # The network's own mode is what decides whether it draws the frames that it remembers.
        self.training = self.model.training = True
        for name in self.stage.trains:
            part = getattr(self.model, name).train()
            for module in part.modules():
                if isinstance(module, _DropoutNd):
                    module.train(self.stage.dropout)
                elif isinstance(module, _BatchNorm):
                    module.train(name not in self.stage.fixed_statistics)
                    module.momentum = self.stage.batch_norm_momentum
        for module in self._frozen:
            module.train(False)
        return self

    def loss(self, images: Tensor, labels: Tensor) -> Tensor:
        """Loss of clips (B, T, 3, H, W) uint8 with labels (B, T, H, W) uint8."""
        if self.stage.target != "labels":
            return self._restoration_loss(images)
        encoded = encode_clips(self.model, images.float().div_(255), self.stage.supervise)
        if self.stage.supervise == "last":
            labels = labels[:, -1:]
        logits = decode_clips(self.model, encoded)
        loss = self._label_loss(logits.float(), labels.flatten(0, 1).long())
        if self.stage.distillation is not None:
            loss = loss + self._distillation_loss(_of_places(logits), images)
        if self.stage.temporal_consistency:
            probabilities = _of_places(logits).softmax(1).unflatten(0, images.shape[:2])
            loss = loss + self.stage.temporal_consistency * temporal_consistency_loss(
                probabilities, images
            )
        if self.stage.correspondence:
            assert self.model.memory is not None
            distance = correspondence_loss(self.model.memory, encoded, images)
            loss = loss + self.stage.correspondence * distance
        return loss

    def _restoration_loss(self, images: Tensor) -> Tensor:
        """How far the memory is from what the network has of clean frames."""
        clips, corrupted = (
            part.float().div_(255)
            for part in (images, corrupt_clips(images, self.stage.corruption))
        )
        fused, clean = fuse_corrupted_clips(self.model, clips, corrupted, self.stage.supervise)
        clean = clean.contiguous(memory_format=torch.channels_last)
        if self.stage.target == "features":
            with torch.no_grad():
                target = self.model.encoder(clean)
            return feature_loss(fused, target)
        return prediction_loss(self.model.decoder(fused), self._teach(clean))

    def _distillation_loss(self, logits: Tensor, images: Tensor) -> Tensor:
        """How far logits of frames and their corrupted copies, (B * 2, C, H', W'), are from
        what the teacher says of the frames, and from one another."""
        distillation = self.stage.distillation
        assert distillation is not None
        assert self.teacher is not None
        of_frames, of_copies = logits.unflatten(0, (len(images), 2)).unbind(1)
        frames = images[:, 0].float().div_(255).contiguous(memory_format=torch.channels_last)
        with torch.no_grad():
            views = [
                self.teacher.decoder(self.teacher.encoder(_enlarged(self.teacher, frames, scale)))
                for scale in distillation.scales
            ]
            size = logits.shape[-2], logits.shape[-1]
            target = torch.stack(
                [functional.adaptive_avg_pool2d(view.float(), size).softmax(1) for view in views]
            ).mean(0)
        distance = prediction_loss(of_frames, target) + prediction_loss(of_copies, target)
        loss = distillation.weight * distance / 2
        if distillation.consistency:
            loss = loss + distillation.consistency * consistency_loss(of_frames, of_copies)
        return loss

    @torch.no_grad()
    def _teach(self, images: Tensor) -> Tensor:
        """(N, C, H, W) probabilities of single frames, averaged over scales and mirror images."""
        return averaged_probabilities(
            all_views(self.stage.teacher_scales, mirror=True),
            lambda scale: _enlarged(self.model, images, scale),
            lambda seen, view: self.model.decoder(self.model.encoder(seen)),
            (images.shape[-2], images.shape[-1]),
        )

    def on_train_start(self) -> None:
        self._started = time.monotonic()

    def on_train_batch_start(self, batch: Any, batch_idx: int) -> None:
        words = (self._seed, self.global_rank, batch_idx)
        torch.manual_seed(int(np.random.SeedSequence(words).generate_state(1)[0]))

    def training_step(self, batch: list[Tensor], batch_idx: int) -> Tensor:
        if batch_idx % self.stage.accumulate == 0:
            self.step_losses = []
        frames = self._clip_length(self.global_step)
        loss = self.loss(*(part[:, -frames:] for part in batch))
        mean = self.trainer.strategy.reduce(loss.detach(), reduce_op="mean")
        self.step_losses.append(mean)
        self.epoch_loss += mean / (self._epoch_steps * self.stage.accumulate)
        self.log("loss", mean, prog_bar=True)
        return loss

    def _clip_length(self, step: int) -> int:
        """Length of the clips of a step, equal for all parts of it and in all processes."""
        longest = 2 if self.stage.distillation is not None else self.stage.data.frames
        if self.stage.shortest_clip is None:
            return longest
        random = np.random.default_rng((self._seed, step))
        return int(random.integers(self.stage.shortest_clip, longest, endpoint=True))

    def on_save_checkpoint(self, checkpoint: dict[str, Any]) -> None:
        checkpoint["settings"] = self._settings
        checkpoint["seconds"] = self.seconds()

    def on_load_checkpoint(self, checkpoint: dict[str, Any]) -> None:
        self._seconds_before = checkpoint["seconds"]
        begun = {
            rename_old_words(name): rename_old_words(value)
            for name, value in checkpoint["settings"].items()
        }
        now = self._settings
        changed = [
            f"{name} {begun.get(name)}, now {now[name]}"
            for name in now
            if begun.get(name) != now[name]
        ]
        if changed:
            raise TrainingError(
                f"stage '{self.stage.name}' was begun with other settings: {'; '.join(changed)}. "
                f"Go on with those, or delete {self.stage.name}.ckpt to begin the stage anew"
            )

    def configure_optimizers(self) -> Any:
        kind = {"adam": torch.optim.Adam, "adamw": torch.optim.AdamW}[self.stage.optimizer]
        rates = {
            "encoder": self.stage.encoder_learning_rate or self.stage.learning_rate,
            "decoder": self.stage.learning_rate,
            "memory": self.stage.learning_rate,
        }
        groups = [
            {"params": parameters, "lr": rates[name]}
            for name in self.stage.trains
            if (
                parameters := [p for p in getattr(self.model, name).parameters() if p.requires_grad]
            )
        ]
        optimizer = kind(groups, lr=self.stage.learning_rate, weight_decay=self.stage.weight_decay)
        schedule = {
            "scheduler": self._schedule(optimizer),
            "interval": "step",
            # Lightning's own steps it after the run may have been saved, and so loses one.
            "reduce_on_plateau": False,
        }
        return {"optimizer": optimizer, "lr_scheduler": schedule}

    def lr_scheduler_step(self, scheduler: Any, metric: Any) -> None:
        """After each optimizer step; a plateau is looked for after each epoch."""
        if self.average is not None:
            self.average.update_parameters(self.model)
        self._progress = self._how_far()
        self.finished = self._progress >= 1
        if self.finished:
            self.trainer.should_stop = True
        if not isinstance(scheduler, ReduceLROnPlateau):
            scheduler.step()
        elif self.global_step % self._epoch_steps == 0:
            scheduler.step(self.epoch_loss.item())
            self.epoch_loss.zero_()

    def _schedule(self, optimizer: Optimizer) -> LRScheduler | ReduceLROnPlateau:
        if self.stage.schedule == "plateau":
            return ReduceLROnPlateau(
                optimizer, factor=PLATEAU_FACTOR, patience=self.stage.patience, min_lr=LOWEST_RATE
            )
        shape = SHAPES[self.stage.schedule]
        return LambdaLR(optimizer, lambda step: shape(min(1.0, self._progress)))

    def _how_far(self) -> float:
        """Through the stage, 0..1 and beyond; the same in all processes."""
        if self.stage.hours is None:
            return self.global_step / self._steps
        seconds = self.trainer.strategy.broadcast(self.seconds())
        return seconds / (self.stage.hours * SECONDS_PER_HOUR)

    def seconds(self) -> float:
        """Seconds of training, in this run and in those that it resumes."""
        return self._seconds_before + time.monotonic() - self._started


def _enlarged(model: LMANet, images: Tensor, scale: float) -> Tensor:
    """(N, 3, about scale * H, about scale * W), of a size that the network takes."""
    height, width = images.shape[-2:]
    nearest = model.size_rule.nearest
    enlarged = nearest(round(scale * height)), nearest(round(scale * width))
    if enlarged == (height, width):
        return images
    images = functional.interpolate(images, enlarged, mode="bilinear", antialias=True)
    return images.contiguous(memory_format=torch.channels_last)


def _of_places(logits: Tensor) -> Tensor:
    """(N, C, H, W) -> (N, C, H / 4, W / 4) float32: as fine as networks decide, and cheaper."""
    height, width = logits.shape[-2:]
    return functional.adaptive_avg_pool2d(logits.float(), (height // PLACE, width // PLACE))


def _one_cycle(progress: float) -> float:
    if progress < WARM_UP:
        return FIRST_RATE + (1 - FIRST_RATE) * _rise(progress / WARM_UP)
    return 1 - _rise((progress - WARM_UP) / (1 - WARM_UP))


def _rise(progress: float) -> float:
    """From 0 to 1 along a cosine."""
    return 0.5 - 0.5 * math.cos(math.pi * progress)


SHAPES: dict[str, Callable[[float], float]] = {
    "one_cycle": _one_cycle,
    "polynomial": lambda progress: (1 - progress) ** POLYNOMIAL_POWER,
    "constant": lambda progress: 1.0,
}
"""Schedule -> factor of the learning rate, by how far the stage is, 0..1."""


def _moving_average(decay: float) -> Callable[[Sequence[Tensor], Sequence[Tensor], Any], None]:
    """An average that follows faster in the beginning, when there is little to average."""

    @torch.no_grad()
    def update(averages: Sequence[Tensor], weights: Sequence[Tensor], count: Any) -> None:
        step = max(1 - decay, 9 / (10 + float(count)))
        # Those of one type come together, and as one operation: on a GPU, starting hundreds of them
        # takes longer than they do.
        if averages[0].is_floating_point():
            torch._foreach_lerp_(list(averages), list(weights), step)
        else:
            torch._foreach_copy_(list(averages), list(weights))

    return update


def _find(model: LMANet, name: str) -> nn.Module:
    try:
        return model.get_submodule(name)
    except AttributeError:
        raise TrainingError(f"frozen: the network has no module '{name}'") from None
