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
from lmanet_core.runtime.precision import resolve_device, resolve_precision

WEIGHT_DECAY = 1e-4
CLASS_WEIGHT_CLIPS = 200
SAVE_EVERY = 200


@dataclass(frozen=True)
class StageConfig:
    """One training stage.

    Attributes:
        name: also the name of the stage's checkpoint.
        trains: parts of the network that learn, of encoder, decoder, memory; the others are frozen
            and stay in eval mode.
        frames: T, clip length; 1 trains on single frames.
    """

    name: str
    trains: tuple[str, ...]
    steps: int
    batch_size: int
    learning_rate: float
    frames: int = 1


@dataclass(frozen=True)
class TrainingConfig:
    """A whole training run, as the YAML file has it.

    Attributes:
        class_weight_offset: c in the weight 1 / ln(c + frequency) of a class. ERFNet's authors
            have 1.10 for Cityscapes; less of it gives rare classes more weight.
    """

    seed: int
    model: ModelConfig
    clips: ClipConfig
    class_weight_offset: float
    stages: tuple[StageConfig, ...]

    @classmethod
    def from_file(cls, path: Path) -> TrainingConfig:
        values = yaml.safe_load(path.read_text())
        clips = values["clips"] | {"size": tuple(values["clips"]["size"])}
        stages = (stage | {"trains": tuple(stage["trains"])} for stage in values["stages"])
        return cls(
            seed=values["seed"],
            model=ModelConfig.from_dict(values["model"]),
            clips=ClipConfig(**clips),
            class_weight_offset=values["class_weight_offset"],
            stages=tuple(StageConfig(**stage) for stage in stages),
        )


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
    weights_before: Path | None = None
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


def model_for_stage(config: ModelConfig, stage: StageConfig, weights: Path | None) -> LMANet:
    """The network of the stage before, its memory modules added when the stage needs them."""
    model = build_model(config if stage.frames > 1 else replace(config, memory_size=0))
    if weights is not None:
        before = load(weights)
        model.encoder.load_state_dict(before.encoder.state_dict())
        model.decoder.load_state_dict(before.decoder.state_dict())
        if model.memory is not None and before.memory is not None:
            model.memory.load_state_dict(before.memory.state_dict())
    return model


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
    parameters = freeze_all_but(model.to(device), stage.trains)
    optimizer = torch.optim.Adam(parameters, lr=stage.learning_rate, weight_decay=WEIGHT_DECAY)
    schedule = torch.optim.lr_scheduler.PolynomialLR(optimizer, stage.steps, power=0.9)
    criterion = nn.CrossEntropyLoss(class_weights.to(device), ignore_index=IGNORE_LABEL)
    progress = tqdm(itertools.islice(batches(stage, config), stage.steps), stage.name, stage.steps)
    average = 0.0
    with (output / f"{stage.name}.csv").open("w", newline="") as file:
        curve = csv.writer(file)
        curve.writerow(["step", "loss"])
        for step, (clips, labels) in enumerate(progress, start=1):
            with torch.autocast(device.type, torch.bfloat16, enabled=fast):
                logits = model(clips.to(device).float().div_(255))
            loss = criterion(logits.float(), labels.to(device))
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


def freeze_all_but(model: LMANet, parts: tuple[str, ...]) -> list[nn.Parameter]:
    """Let only the named parts learn; frozen ones keep their batch statistics, too."""
    model.eval().requires_grad_(False)
    for name in parts:
        part = getattr(model, name)
        part.train().requires_grad_(True)
    return [parameter for parameter in model.parameters() if parameter.requires_grad]


def batches(stage: StageConfig, config: TrainingConfig) -> Iterator[Any]:
    clips = StreetClips(config.seed, replace(config.clips, frames=stage.frames))
    return iter(DataLoader(clips, stage.batch_size, num_workers=1, prefetch_factor=8))


if __name__ == "__main__":
    main()
