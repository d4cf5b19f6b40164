"""The training script in its shortest form."""

from __future__ import annotations

import csv
import sys
from dataclasses import replace
from pathlib import Path

import pytest
import torch
from torch import nn

from lmanet_core import LMANet, ModelConfig, build_model, load
from lmanet_core.data import street_clips
from lmanet_core.runtime import RingBuffer
from training import train

CONFIG = """
seed: 1
initial_weights: null
model: {backbone: erfnet, memory_size: 2, window_size: 3}
clips: {size: [64, 32], crop_size: [32, 32], noise: 5.0, occlusion_rate: 4.0}
class_weight_offset: 1.03
weight_decay: 1.0e-4
dropout: false
stages:
  - {name: single, trains: [encoder, decoder], steps: 2, batch_size: 2, learning_rate: 1.0e-3}
  - {name: lma1, trains: [memory], frames: 4, steps: 2, batch_size: 2, learning_rate: 1.0e-3}
  - {name: lma2, trains: [memory, decoder], frames: 2, steps: 2, batch_size: 2,
     learning_rate: 1.0e-3}
"""


@pytest.fixture(scope="module")
def output(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The folder that a run of all stages has filled."""
    folder = tmp_path_factory.mktemp("run")
    with pytest.MonkeyPatch.context() as patch:
        run(folder, patch)
    return folder


def run(folder: Path, patch: pytest.MonkeyPatch) -> None:
    config = folder / "config.yaml"
    config.write_text(CONFIG)
    patch.setattr(train, "CLASS_WEIGHT_CLIPS", 4)
    patch.setattr(street_clips, "OPEN_SCENES", 1)
    patch.setattr(sys, "argv", ["train.py", "--config", str(config), "--output", str(folder)])
    train.main()


def same(one: nn.Module, other: nn.Module) -> bool:
    """Whether all parameters and batch statistics agree."""
    tensors = other.state_dict()
    return all(torch.equal(tensor, tensors[name]) for name, tensor in one.state_dict().items())


def test_every_stage_leaves_a_checkpoint_and_a_curve(output: Path) -> None:
    assert load(output / "single.safetensors").memory is None
    assert load(output / "lma2.safetensors").config.memory_size == 2
    for stage in ("single", "lma1", "lma2"):
        rows = list(csv.DictReader((output / f"{stage}.csv").open()))
        assert [row["step"] for row in rows] == ["1", "2"]
        assert all(0 < float(row["loss"]) < 10 for row in rows)


def test_frozen_parts_stay_as_they_are_and_the_others_learn(output: Path) -> None:
    single, lma1, lma2 = (
        load(output / f"{stage}.safetensors") for stage in ("single", "lma1", "lma2")
    )
    assert lma1.memory is not None
    assert lma2.memory is not None
    assert same(lma1.encoder, single.encoder)
    assert same(lma1.decoder, single.decoder)
    assert same(lma2.encoder, single.encoder)
    assert not same(lma2.decoder, lma1.decoder)
    assert not same(lma2.memory, lma1.memory)


def test_stages_that_are_there_are_skipped(output: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    before = {path: path.stat().st_mtime_ns for path in output.glob("*.safetensors")}
    (output / "lma2.safetensors").unlink()
    run(output, monkeypatch)
    after = {path: path.stat().st_mtime_ns for path in output.glob("*.safetensors")}
    assert after.keys() == before.keys()
    assert [path.stem for path in before if after[path] != before[path]] == ["lma2"]


def test_the_first_stage_starts_from_the_initial_weights(output: Path) -> None:
    config = train.TrainingConfig.from_file(output / "config.yaml")
    weights = output / "single.safetensors"
    model = train.model_for_stage(config.model, config.stages[0], weights)
    assert same(model.encoder, load(weights).encoder)
    assert same(model.decoder, load(weights).decoder)


def test_only_what_a_stage_trains_is_in_training_mode() -> None:
    model = small_model()
    stage = train.StageConfig("one", ("memory", "decoder"), 1, 1, 1e-3, 2, ("decoder",))
    train.prepare(model, stage, dropout=False)
    assert not any(module.training for module in model.encoder.modules())
    modes = {name: module.training for name, module in model.named_modules()}
    assert modes["memory.fusion.bn"]
    assert not modes["memory.fusion.dropout"]
    assert not modes["decoder.layers.0.bn"]
    learning = {name.split(".")[0] for name, p in model.named_parameters() if p.requires_grad}
    assert learning == {"memory", "decoder"}


def test_streaming_clips_gives_what_the_network_gives_step_by_step() -> None:
    model = small_model()
    clips = torch.rand(2, 5, 3, 16, 24)
    store = RingBuffer(model.config.memory_size)
    with torch.inference_mode():
        logits = train.stream(model, clips).unflatten(0, (2, 5))
        for now in range(5):
            torch.testing.assert_close(logits[:, now], model.step(clips[:, now], store))


def test_gradients_flow_into_the_frames_in_memory() -> None:
    model = small_model()
    assert model.memory is not None
    logits = train.stream(model, torch.rand(1, 2, 3, 16, 16))
    logits[-1].sum().backward()
    gradient = model.memory.heads.weight.grad
    assert gradient is not None
    assert all(side.abs().sum() > 0 for side in gradient.chunk(2))


def test_the_memory_starts_with_keys_and_values_like_the_query_s() -> None:
    memory = small_model().memory
    assert memory is not None
    train.start_as_twins(memory)
    frame = memory.project(torch.rand(1, 128, 4, 4))
    assert torch.equal(frame.query_key, frame.memory_key)
    assert torch.equal(frame.query_value, frame.memory_value)


def small_model() -> LMANet:
    torch.manual_seed(0)
    config = replace(ModelConfig(), memory_size=3, window_size=3)
    return build_model(config).eval()
