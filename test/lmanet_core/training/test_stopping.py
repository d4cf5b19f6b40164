"""A training that a signal ends: what is kept, what is said, and how it goes on."""

from __future__ import annotations

import argparse
import signal
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
import yaml

from lmanet_core import load
from lmanet_core.training.config_overrides import add_arguments, overridden
from lmanet_core.training.run import train
from lmanet_core.training.training_config import TrainingError, parse_config

STAGES = ("single", "features", "lma1", "lma2")
ROOT = Path(__file__).parents[3]
SIGNALLED = """
import os, signal, sys
from lmanet_core.data.samples import TrainingSamples
from lmanet_core.command.__main__ import main

signal.signal(signal.SIGINT, signal.default_int_handler)  # a shell's background job ignores it
read = TrainingSamples.__getitem__
def read_and_signal(self, number):
    if number == {sample}:
        os.kill(os.getpid(), signal.{name})
    return read(self, number)

TrainingSamples.__getitem__ = read_and_signal
sys.exit(main(["train", *sys.argv[1:]]))
"""


@pytest.mark.parametrize("name", ["SIGTERM", "SIGINT"])
def test_a_signal_saves_the_run_and_the_status_tells(
    settings: dict[str, Any], tmp_path: Path, name: str
) -> None:
    settings["stages"] = [settings["stages"][3] | {"steps": 4}]
    # Sample 4 is of the third step; the file of every hundredth is far away.
    settings |= {"validation": None, "save_every": 100}
    config, output = tmp_path / "config.yaml", tmp_path / "stopped"
    config.write_text(yaml.safe_dump(settings))
    script = SIGNALLED.format(sample=4, name=name)
    command = [sys.executable, "-c", script, "--config", str(config), "--output", str(output)]
    stopped = subprocess.run(command, cwd=ROOT, capture_output=True, text=True)
    assert stopped.returncode == 128 + getattr(signal, name), stopped.stderr
    assert f"after step 3: {output / 'lma2.ckpt'}" in stopped.stderr
    assert "run the same command again" in stopped.stderr
    assert not list(output.glob("*.unfinished"))
    assert not (output / "lma2.safetensors").exists()
    train(settings, output)
    train(settings, tmp_path / "whole")
    one, other = (
        load(tmp_path / run / "lma2.safetensors").state_dict() for run in ("stopped", "whole")
    )
    assert all(tensor.equal(other[key]) for key, tensor in one.items())


def changed(settings: dict[str, Any], *words: str) -> dict[str, Any]:
    parser = argparse.ArgumentParser()
    add_arguments(parser)
    return overridden(settings, parser.parse_args(["--config", "c", "--output", "o", *words]))


def test_the_command_line_changes_settings_for_trials(settings: dict[str, Any]) -> None:
    config = parse_config(
        changed(
            settings,
            *("--steps", "7", "--set", "model.memory_size=1", "--set", "stages.lma2.batch_size=1"),
            *("--set", "data.augmentation.crop_size=[32, 32]", "--set", "validation=null"),
        )
    )
    assert {stage.steps for stage in config.stages} == {7}
    assert config.model.memory_size == 1
    assert config.stages[-1].batch_size == 1
    assert config.stages[0].batch_size == 2
    augmentation = config.stages[0].data.augmentation
    assert augmentation is not None
    assert augmentation.crop_size == (32, 32)
    assert config.validation is None
    assert settings["stages"][0]["steps"] == 3, "the file's own stay as they are"
    constant = [word for name in STAGES for word in ("--set", f"stages.{name}.schedule=constant")]
    timed = parse_config(changed(settings, "--hours", "0.5", *constant))
    assert {stage.hours for stage in timed.stages} == {0.5}


@pytest.mark.parametrize(
    ("assignment", "message"),
    [
        ("modle.memory_size=1", "did you mean 'model'"),
        ("stages.lma3.steps=1", "did you mean 'lma"),
        ("stages.lma2.batchsize=1", "did you mean 'batch_size'"),
        ("data.dataset.x=1", "dataset has no settings of its own"),
        ("seed", "KEY=VALUE"),
        ("seed=many", "seed must be int, got 'many'"),
    ],
)
def test_unknown_settings_are_refused_with_the_nearest(
    settings: dict[str, Any], assignment: str, message: str
) -> None:
    with pytest.raises(TrainingError, match=message):
        parse_config(changed(settings, "--set", assignment))
