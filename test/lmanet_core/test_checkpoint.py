"""Checkpoints: they come back as saved, and what is wrong with a file is named."""

import hashlib
import json

import pytest
import torch
from safetensors.torch import load_file, save_file

from lmanet_core import CheckpointError, ClassTable, ModelConfig, build_model, load, save_checkpoint
from lmanet_core.checkpoint import (
    DEFAULT_WEIGHTS,
    WEIGHTS_FOLDER,
    checkpoint_fingerprint,
    checkpoint_hash,
    fingerprint,
    load_config,
    load_work_size,
    shipped_weights,
)
from lmanet_core.runtime import open_segmenter


@pytest.fixture
def model():
    classes = ClassTable(("floor", "robot"), ((1, 2, 3), (4, 5, 6)))
    return build_model(ModelConfig(classes=classes, memory_size=3, window_size=None)).eval()


@pytest.fixture
def checkpoint(model, tmp_path):
    path = tmp_path / "model.safetensors"
    save_checkpoint(model, path)
    return path


def rewrite(path, change):
    """Apply `change(tensors, metadata)` to a checkpoint file."""
    from safetensors import safe_open

    tensors = load_file(path)
    with safe_open(path, "pt") as file:
        metadata = file.metadata()
    change(tensors, metadata)
    save_file(tensors, path, metadata=metadata)


def change_config(**settings):
    def change(tensors, metadata):
        metadata["config"] = json.dumps(json.loads(metadata["config"]) | settings)

    return change


def test_model_comes_back_with_its_configuration_classes_and_outputs(model, checkpoint):
    loaded = load(checkpoint)
    assert loaded.config == model.config
    assert not loaded.training
    clip = torch.rand(1, 2, 3, 16, 16)
    with torch.no_grad():
        assert torch.equal(loaded(clip), model(clip))


def test_the_size_of_training_comes_back(model, checkpoint, tmp_path):
    assert load_work_size(checkpoint) is None
    path = tmp_path / "sized.safetensors"
    save_checkpoint(model, path, work_size=(480, 360))
    assert load_work_size(path) == (480, 360)
    assert all(load_work_size(name) for name in shipped_weights())


def test_half_precision_halves_the_file_and_loads_as_float32(model, checkpoint, tmp_path):
    half = tmp_path / "half.safetensors"
    save_checkpoint(model, half, dtype=torch.float16)
    assert half.stat().st_size < 0.52 * checkpoint.stat().st_size
    assert next(load(half).parameters()).dtype == torch.float32


def test_the_fingerprint_is_that_of_the_network_however_it_is_stored(model, checkpoint, tmp_path):
    assert checkpoint_fingerprint(checkpoint) == fingerprint(model)
    save_checkpoint(model, tmp_path / "half.safetensors", dtype=torch.float16)
    half = load(tmp_path / "half.safetensors")
    assert checkpoint_fingerprint(tmp_path / "half.safetensors") == fingerprint(half)
    assert fingerprint(half) != fingerprint(model)


def test_the_hash_is_that_of_the_file(checkpoint):
    assert checkpoint_hash(checkpoint) == hashlib.sha256(checkpoint.read_bytes()).hexdigest()
    with pytest.raises(CheckpointError, match="no checkpoint"):
        checkpoint_hash("missing")


def test_missing_file_is_named_and_shipped_weights_are_listed():
    with pytest.raises(CheckpointError, match=r"no checkpoint 'nothing'.*shipped weights"):
        load("nothing")


def test_a_file_comes_before_shipped_weights_of_its_name(model, checkpoint, monkeypatch):
    checkpoint.rename(checkpoint.with_name(DEFAULT_WEIGHTS))
    monkeypatch.chdir(checkpoint.parent)
    assert load_config(DEFAULT_WEIGHTS) == model.config


def test_a_missing_file_opens_none_of_a_similar_name(checkpoint):
    beside = checkpoint.with_suffix("")
    with pytest.raises(CheckpointError, match=rf"no checkpoint '{beside}'.*mean '{checkpoint}'"):
        load(beside)
    # Nor an exported file, nor shipped weights by a path that leads there.
    beside.with_suffix(".lmanet").write_bytes(b"")
    for missing in (beside, WEIGHTS_FOLDER / "street", f"../weights/{DEFAULT_WEIGHTS}"):
        with pytest.raises(CheckpointError, match=f"no checkpoint '{missing}'"):
            open_segmenter(missing)


def test_pickle_is_refused_and_never_executed(tmp_path):
    path = tmp_path / "model.pth"
    torch.save({"weight": torch.zeros(2)}, path)
    with pytest.raises(CheckpointError, match=r"model\.pth is not a readable safetensors.*unpickl"):
        load(path)


def test_an_exported_file_is_no_checkpoint_and_what_takes_it_is_told():
    with pytest.raises(CheckpointError, match=r"street\.lmanet is an exported file.*`model_file`"):
        load(WEIGHTS_FOLDER / f"{DEFAULT_WEIGHTS}.lmanet")


def test_truncated_file_is_refused(checkpoint):
    checkpoint.write_bytes(checkpoint.read_bytes()[:-1000])
    with pytest.raises(CheckpointError, match="not a readable safetensors"):
        load(checkpoint)


def test_safetensors_of_another_program_are_refused(tmp_path):
    path = tmp_path / "other.safetensors"
    save_file({"weight": torch.zeros(2)}, path)
    with pytest.raises(CheckpointError, match="not written by lmanet"):
        load(path)


def test_another_architecture_is_named(checkpoint):
    rewrite(checkpoint, change_config(backbone="resnet"))
    with pytest.raises(CheckpointError, match=r"backbone must be one of.*'resnet'"):
        load(checkpoint)


def test_tensors_of_another_architecture_are_named(checkpoint):
    rewrite(checkpoint, change_config(key_channels=8))
    with pytest.raises(CheckpointError, match=r"memory.heads.weight is .*, expected"):
        load(checkpoint)


@pytest.mark.parametrize(
    ("settings", "message"),
    [
        ({"window_size": 4}, "must be odd"),
        ({"memory_size": "four"}, "memory_size must be an integer"),
        ({"surprise": 1}, "unknown model settings"),
        ({"palette": [[1, 2, 3]]}, "one colour for each"),
        ({"palette": "red"}, "palette must be a list"),
        ({"class_names": [1, 2]}, "class_names must be a list of strings"),
    ],
)
def test_bad_configuration_is_named(checkpoint, settings, message):
    rewrite(checkpoint, change_config(**settings))
    with pytest.raises(CheckpointError, match=message):
        load(checkpoint)


def test_missing_and_unknown_tensors_are_named(checkpoint):
    def change(tensors, metadata):
        tensors["stranger"] = tensors.pop("memory.heads.bias")

    rewrite(checkpoint, change)
    with pytest.raises(CheckpointError, match=r"missing memory\.heads\.bias; unknown stranger"):
        load(checkpoint)


def test_shipped_default_loads_and_stays_small():
    assert DEFAULT_WEIGHTS in shipped_weights()
    assert load().config.memory_size == 4
    assert (WEIGHTS_FOLDER / f"{DEFAULT_WEIGHTS}.safetensors").stat().st_size < 8e6
