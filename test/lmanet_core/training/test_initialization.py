"""What a stage starts from."""

from __future__ import annotations

from dataclasses import replace

import pytest
import torch

from lmanet_core import ModelConfig, build_model, load
from lmanet_core.network.classes import CAMVID, ClassTable
from lmanet_core.training import initialization
from lmanet_core.training.initialization import initial_model, share_initialization
from lmanet_core.training.training_config import TrainingError


def test_other_classes_leave_the_output_layer_random_and_say_so(
    capsys: pytest.CaptureFixture[str],
) -> None:
    shipped = load("street")
    # Also where the numbers of classes are equal.
    renamed = ClassTable(tuple(map(str, range(19))), ((0, 0, 0),) * 19)
    for classes in (CAMVID, renamed):
        model = initial_model(replace(shipped.config, classes=classes), 1, "street")
        assert model.memory is None
        assert torch.equal(
            model.encoder.state_dict()["stages.stem.0.weight"],
            shipped.encoder.state_dict()["stages.stem.0.weight"],
        )
        tensors, before = model.decoder.state_dict(), shipped.decoder.state_dict()
        others = {name for name, tensor in tensors.items() if not tensor.equal(before[name])}
        assert others == {"classifier.weight", "classifier.bias"}
        assert "classifier.bias, classifier.weight" in capsys.readouterr().out


def test_equal_classes_keep_the_output_layer() -> None:
    shipped = load("street")
    model = initial_model(shipped.config, 1, "street")
    before = shipped.decoder.state_dict()
    assert all(tensor.equal(before[name]) for name, tensor in model.decoder.state_dict().items())


def test_a_trained_memory_is_taken_over_and_another_one_starts_as_twins() -> None:
    config, before = load("street").config, load("street").memory
    model = initial_model(config, 5, "street")
    assert model.memory is not None
    assert before is not None
    assert torch.equal(model.memory.heads.weight, before.heads.weight)
    wider = initial_model(replace(config, key_channels=32), 5, "street")
    assert wider.memory is not None
    query, memory = wider.memory.heads.weight.chunk(2)
    assert torch.equal(query, memory)


@pytest.mark.parametrize("weights", [None, "imagenet"])
def test_a_memory_without_weights_starts_as_asked_for_too(
    weights: str | None, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(initialization, "load_imagenet_weights", lambda name, encoder: None)
    config = replace(load("street").config, fusion="residual")
    shared = initial_model(config, 5, weights).memory
    assert shared is not None
    query, memory = shared.heads.weight.chunk(2)
    assert torch.equal(query, memory)
    started = []
    initial_model(config, 5, weights, lambda memory, encoder: started.append(encoder))
    assert len(started) == 1
    initial_model(config, 1, weights, lambda memory, encoder: started.append(encoder))
    assert len(started) == 1, "without a memory there is nothing to start"


def test_a_start_that_is_not_needed_is_said(capsys: pytest.CaptureFixture[str]) -> None:
    config = load("street").config
    initial_model(config, 5, "street", start="components")
    assert "street has the memory" in capsys.readouterr().out
    initial_model(config, 5, "street")
    assert capsys.readouterr().out == ""


def test_the_memory_starts_with_keys_and_values_like_the_query_s() -> None:
    memory = build_model(ModelConfig(window_size=3)).eval().memory
    assert memory is not None
    share_initialization(memory)
    frame = memory.project(torch.rand(1, 128, 4, 4))
    assert torch.equal(frame.query_key, frame.memory_key)
    assert torch.equal(frame.query_value, frame.memory_value)
    # What is read counts as what is seen does.
    query, read = memory.fusion.expand(torch.rand(1, 64, 4, 4).repeat(1, 2, 1, 1)).chunk(2, 1)
    torch.testing.assert_close(query, read)


def test_weights_of_another_backbone_are_refused() -> None:
    with pytest.raises(TrainingError, match="'efficientnet_lite0', expected 'pspnet50'"):
        initial_model(ModelConfig(backbone="pspnet50"), 1, "street")
