"""Train a network in stages: single frame first, then the memory, then memory and decoder.

    python training/train.py --config training/configs/erfnet_synthetic.yaml --output runs/synthetic

Each stage starts from the one before and leaves `<stage>.safetensors` in the output folder; stages
whose file is there already are skipped. Curves go to `<stage>.csv`.
"""

from __future__ import annotations

import argparse
import csv
import itertools
from collections.abc import Iterator
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import torch
import yaml
from torch import Tensor, nn
from torch.utils.data import DataLoader
from tqdm import tqdm

from lmanet_core import LMANet, ModelConfig, build_model, load, save_checkpoint
from lmanet_core.classes import IGNORE_LABEL
from lmanet_core.data.street_clips import ClipConfig, StreetClips
from lmanet_core.models import LocalMemory
from lmanet_core.models.fusion import GatedFusion
from lmanet_core.ops import local_attention
from lmanet_core.runtime.precision import resolve_device, resolve_precision

WARM_UP = 0.1
"""Share of a stage's steps in which the learning rate rises."""
BATCH_NORM_MOMENTUM = 0.03
"""Batches are small: statistics of about thirty of them, not of ten, are what is kept."""
CLASS_WEIGHT_CLIPS = 200
SAVE_EVERY = 50


@dataclass(frozen=True)
class StageConfig:
    """One training stage.

    Attributes:
        name: also the name of the stage's checkpoint.
        trains: parts of the network that learn, of encoder, decoder, memory; the others are frozen
            and stay in eval mode.
        learning_rate: its peak, after a warm-up and before a decay to zero.
        frames: T, clip length; 1 trains on single frames. Of longer clips every frame counts, each
            with up to `memory_size` frames before it in memory.
        fixed_statistics: those of the parts that keep the batch statistics they came with. Those
            of a few images are noise to a network that has good ones.
    """

    name: str
    trains: tuple[str, ...]
    steps: int
    batch_size: int
    learning_rate: float
    frames: int = 1
    fixed_statistics: tuple[str, ...] = ()

    @classmethod
    def from_dict(cls, values: dict[str, Any]) -> StageConfig:
        return cls(**{key: to_tuple(value) for key, value in values.items()})


@dataclass(frozen=True)
class TrainingConfig:
    """A whole training run, as the YAML file has it.

    Attributes:
        initial_weights: checkpoint, file or shipped name, that the first stage starts from; null:
            random weights.
        class_weight_offset: c in the weight 1 / ln(c + frequency) of a class. ERFNet's authors
            have 1.10 for Cityscapes; less of it gives rare classes more weight.
        weight_decay: of AdamW.
        dropout: whether the network's dropout is active. Endless data cannot be learned by heart;
            without dropout it is learned in fewer steps.
    """

    seed: int
    initial_weights: str | None
    model: ModelConfig
    clips: ClipConfig
    class_weight_offset: float
    weight_decay: float
    dropout: bool
    stages: tuple[StageConfig, ...]

    @classmethod
    def from_file(cls, path: Path) -> TrainingConfig:
        values = yaml.safe_load(path.read_text())
        clips = {key: to_tuple(value) for key, value in values["clips"].items()}
        return cls(
            seed=values["seed"],
            initial_weights=values["initial_weights"],
            model=ModelConfig.from_dict(values["model"]),
            clips=ClipConfig(**clips),
            class_weight_offset=values["class_weight_offset"],
            weight_decay=values["weight_decay"],
            dropout=values["dropout"],
            stages=tuple(StageConfig.from_dict(stage) for stage in values["stages"]),
        )


def to_tuple(value: Any) -> Any:
    """YAML has lists where frozen configurations have tuples."""
    return tuple(value) if isinstance(value, list) else value


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--config", type=Path, required=True)
    parser.add_argument("--output", type=Path, required=True, help="folder for weights and curves")
    parser.add_argument("--threads", type=int, default=0, help="CPU threads; 0: PyTorch's choice")
    arguments = parser.parse_args()
    if arguments.threads:
        torch.set_num_threads(arguments.threads)
    config = TrainingConfig.from_file(arguments.config)
    arguments.output.mkdir(parents=True, exist_ok=True)

    torch.manual_seed(config.seed)
    class_weights = compute_class_weights(config)
    weights_before: Path | str | None = config.initial_weights
    for number, stage in enumerate(config.stages):
        weights = arguments.output / f"{stage.name}.safetensors"
        if weights.exists():
            print(f"{stage.name}: {weights} exists, skipped")
        else:
            torch.manual_seed(config.seed + number)
            model = model_for_stage(config.model, stage, weights_before)
            train_stage(model, stage, config, class_weights, arguments.output)
            save_checkpoint(model, weights, provenance={"config": str(arguments.config)})
        weights_before = weights


def compute_class_weights(config: TrainingConfig) -> Tensor:
    """1 / ln(offset + class frequency)."""
    clips = replace(config.clips, frames=1)
    counts = torch.zeros(len(config.model.classes))
    samples = itertools.islice(StreetClips(config.seed, clips), CLASS_WEIGHT_CLIPS)
    for _, labels in tqdm(samples, "class weights", CLASS_WEIGHT_CLIPS):
        counts += torch.bincount(labels[labels != IGNORE_LABEL], minlength=len(counts))
    return 1 / torch.log(config.class_weight_offset + counts / counts.sum())


def model_for_stage(config: ModelConfig, stage: StageConfig, weights: Path | str | None) -> LMANet:
    """The network of the stage before, its memory modules added when the stage needs them."""
    model = build_model(config if stage.frames > 1 else replace(config, memory_size=0))
    if weights is not None:
        before = load(weights)
        model.encoder.load_state_dict(before.encoder.state_dict())
        model.decoder.load_state_dict(before.decoder.state_dict())
        if model.memory is not None and before.memory is not None:
            model.memory.load_state_dict(before.memory.state_dict())
        elif model.memory is not None:
            start_as_twins(model.memory)
    return model


@torch.no_grad()
def start_as_twins(memory: LocalMemory) -> None:
    """Give the memory's side the weights of the query's.

    Equal keys make attention start as similarity, and equal values let what is read and what is
    seen add up, instead of one being noise to the other until both are learned.
    """
    layers = [memory.heads]
    if isinstance(memory.fusion, GatedFusion):
        layers.append(memory.fusion.expand)
    for layer in layers:
        for parameter in layer.parameters():
            query, of_memory = parameter.chunk(2)
            of_memory.copy_(query)


def train_stage(
    model: LMANet,
    stage: StageConfig,
    config: TrainingConfig,
    class_weights: Tensor,
    output: Path,
) -> None:
    """Train in place, writing the loss curve and, now and then, `<stage>-last.safetensors`."""
    device = resolve_device("auto")
    fast = resolve_precision("auto", device) != torch.float32
    model.to(device)
    model.to(memory_format=torch.channels_last)  # type: ignore[call-overload]
    parameters = prepare(model, stage, config.dropout)
    optimizer = torch.optim.AdamW(parameters, weight_decay=config.weight_decay)
    schedule = torch.optim.lr_scheduler.OneCycleLR(
        optimizer, stage.learning_rate, stage.steps, pct_start=WARM_UP
    )
    criterion = nn.CrossEntropyLoss(class_weights.to(device), ignore_index=IGNORE_LABEL)
    progress = tqdm(itertools.islice(batches(stage, config), stage.steps), stage.name, stage.steps)
    average = 0.0
    with (output / f"{stage.name}.csv").open("w", newline="") as file:
        curve = csv.writer(file)
        curve.writerow(["step", "loss"])
        for step, (clips, labels) in enumerate(progress, start=1):
            with torch.autocast(device.type, torch.bfloat16, enabled=fast):
                logits = stream(model, clips.to(device).float().div_(255))
            loss = criterion(logits.float(), labels.to(device).flatten(0, 1))
            optimizer.zero_grad()
            loss.backward()
            optimizer.step()
            schedule.step()
            average = loss.item() if step == 1 else 0.98 * average + 0.02 * loss.item()
            progress.set_postfix(loss=f"{average:.3f}")
            curve.writerow([step, f"{loss.item():.4f}"])
            if step % SAVE_EVERY == 0:
                file.flush()
                save_checkpoint(model, output / f"{stage.name}-last.safetensors")


def prepare(model: LMANet, stage: StageConfig, dropout: bool) -> list[nn.Parameter]:
    """Let only the stage's parts learn; frozen ones keep their batch statistics, too."""
    model.eval().requires_grad_(False)
    for name in stage.trains:
        part = getattr(model, name)
        part.train().requires_grad_(True)
        for module in part.modules():
            if isinstance(module, nn.Dropout2d):
                module.train(dropout)
            elif isinstance(module, nn.BatchNorm2d):
                module.train(name not in stage.fixed_statistics)
                module.momentum = BATCH_NORM_MOMENTUM
    return [parameter for parameter in model.parameters() if parameter.requires_grad]


def stream(model: LMANet, clips: Tensor) -> Tensor:
    """Segment every frame of the clips as a robot would, from an empty memory on.

    Args:
        clips: (B, T, 3, H, W), RGB in 0..1.

    Returns:
        (B * T, num_classes, H, W) logits, those that `LMANet.step` gives frame by frame; fusion
        and decoder see all frames in one batch, for better batch statistics.
    """
    features = model.encoder(clips.flatten(0, 1))
    if model.memory is None:
        return model.decoder(features)
    batch, frames = clips.shape[:2]
    query_keys, query_values, keys, values = (
        part.unflatten(0, (batch, frames)) for part in model.memory.project(features)
    )
    reads = []
    for now in range(1, frames):
        past = slice(max(0, now - model.config.memory_size), now)
        frame = query_keys[:, now], keys[:, past], values[:, past]
        reads.append(local_attention(*frame, model.memory.window_size))
    fused = model.memory.fusion(
        query_values[:, 1:].flatten(0, 1), torch.stack(reads, dim=1).flatten(0, 1)
    ).unflatten(0, (batch, frames - 1))
    first = features.unflatten(0, (batch, frames))[:, :1]
    return model.decoder(torch.cat([first, fused], dim=1).flatten(0, 1))


def batches(stage: StageConfig, config: TrainingConfig) -> Iterator[Any]:
    clips = StreetClips(config.seed, replace(config.clips, frames=stage.frames))
    return iter(DataLoader(clips, stage.batch_size, num_workers=1, prefetch_factor=8))


if __name__ == "__main__":
    main()
