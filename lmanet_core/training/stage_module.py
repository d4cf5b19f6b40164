"""One training stage: loss, optimizer, schedule, and what is frozen."""

from __future__ import annotations

from typing import Any

import numpy as np
import torch
from lightning.pytorch import LightningModule
from torch import Tensor
from torch.nn import functional
from torch.nn.modules.batchnorm import _BatchNorm
from torch.nn.modules.dropout import _DropoutNd
from torch.optim import Optimizer
from torch.optim.lr_scheduler import (
    LambdaLR,
    LRScheduler,
    OneCycleLR,
    PolynomialLR,
    ReduceLROnPlateau,
)

from lmanet_core.classes import IGNORE_LABEL
from lmanet_core.models import LMANet
from lmanet_core.training.clips import restore, stream
from lmanet_core.training.config import StageConfig, TrainingError
from lmanet_core.training.degradation import degrade

PLATEAU_FACTOR = 0.8
LOWEST_RATE = 1e-8
POLYNOMIAL_POWER = 0.9
SMALLEST_WEIGHT = 1e-6
SMALLEST_VARIANCE = 1e-4
WARM_UP = 0.1
"""Share of the steps of 'one_cycle' in which the learning rate rises."""


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
    """

    class_weights: Tensor
    weight_of_label: Tensor
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
    ) -> None:
        super().__init__()
        self.model = model
        # PyTorch's annotations lack this overload.
        self.model.to(memory_format=torch.channels_last)  # type: ignore[call-overload]
        self.register_buffer("class_weights", class_weights, persistent=False)
        of_label = functional.pad(class_weights, (0, IGNORE_LABEL + 1 - len(class_weights)))
        self.register_buffer("weight_of_label", of_label, persistent=False)
        self.register_buffer("epoch_loss", torch.zeros(()))
        self.stage = stage
        self._steps = steps
        self._epoch_steps = epoch_steps
        self._seed = seed
        settings = {**vars(stage), "model": model.config, "seed": seed}
        self._settings = {name: str(value) for name, value in settings.items()}
        self.step_losses: list[Tensor] = []
        """Of the parts of the current step, equal in all processes."""
        for name in ("encoder", "decoder", "memory"):
            if (part := getattr(model, name)) is not None:
                part.requires_grad_(name in stage.trains)
        self.train()

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
        return self

    def loss(self, images: Tensor, labels: Tensor) -> Tensor:
        """Of clips (B, T, 3, H, W) uint8 with labels (B, T, H, W) int64."""
        clips = images.float().div_(255)
        if self.stage.target == "features":
            degraded = degrade(clips, self.stage.degradation)
            restored, clean = restore(self.model, clips, degraded, self.stage.supervise)
            # Each channel counts as much as any other, whatever its spread.
            errors = (restored.float() - clean.float()).square().mean((0, 2, 3))
            return (errors / clean.float().var((0, 2, 3)).clamp_min(SMALLEST_VARIANCE)).mean()
        logits = stream(self.model, clips, self.stage.supervise)
        if self.stage.supervise == "last":
            labels = labels[:, -1:]
        labels = labels.flatten(0, 1)
        total = functional.cross_entropy(
            logits.float(), labels, self.class_weights, ignore_index=IGNORE_LABEL, reduction="sum"
        )
        # PyTorch's own weighted mean is not a number where nothing is labelled.
        return total / self.weight_of_label[labels].sum().clamp_min(SMALLEST_WEIGHT)

    def on_train_batch_start(self, batch: Any, batch_idx: int) -> None:
        words = (self._seed, self.global_rank, batch_idx)
        torch.manual_seed(int(np.random.SeedSequence(words).generate_state(1)[0]))

    def training_step(self, batch: list[Tensor], batch_idx: int) -> Tensor:
        if batch_idx % self.stage.accumulate == 0:
            self.step_losses = []
        loss = self.loss(*batch)
        mean = self.trainer.strategy.reduce(loss.detach(), reduce_op="mean")
        self.step_losses.append(mean)
        self.epoch_loss += mean / (self._epoch_steps * self.stage.accumulate)
        self.log("loss", mean, prog_bar=True)
        return loss

    def on_save_checkpoint(self, checkpoint: dict[str, Any]) -> None:
        checkpoint["settings"] = self._settings

    def on_load_checkpoint(self, checkpoint: dict[str, Any]) -> None:
        begun, now = checkpoint["settings"], self._settings
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
        parameters = [parameter for parameter in self.model.parameters() if parameter.requires_grad]
        optimizer = kind(
            parameters, lr=self.stage.learning_rate, weight_decay=self.stage.weight_decay
        )
        schedule = {
            "scheduler": self._schedule(optimizer),
            "interval": "step",
            # Lightning's own steps it after the run may have been saved, and so loses one.
            "reduce_on_plateau": False,
        }
        return {"optimizer": optimizer, "lr_scheduler": schedule}

    def lr_scheduler_step(self, scheduler: Any, metric: Any) -> None:
        """After each optimizer step; a plateau is looked for after each epoch."""
        if not isinstance(scheduler, ReduceLROnPlateau):
            scheduler.step()
        elif self.global_step % self._epoch_steps == 0:
            scheduler.step(self.epoch_loss.item())
            self.epoch_loss.zero_()

    def _schedule(self, optimizer: Optimizer) -> LRScheduler | ReduceLROnPlateau:
        if self.stage.schedule == "one_cycle":
            return OneCycleLR(optimizer, self.stage.learning_rate, self._steps, pct_start=WARM_UP)
        if self.stage.schedule == "polynomial":
            return PolynomialLR(optimizer, self._steps, POLYNOMIAL_POWER)
        if self.stage.schedule == "constant":
            return LambdaLR(optimizer, lambda step: 1.0)
        return ReduceLROnPlateau(
            optimizer, factor=PLATEAU_FACTOR, patience=self.stage.patience, min_lr=LOWEST_RATE
        )
