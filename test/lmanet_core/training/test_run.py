"""Whole runs, as `training/train.py` makes them."""

from __future__ import annotations

import csv
import json
import math
import os
import signal
import subprocess
import sys
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
import yaml
from tensorboard.backend.event_processing.event_accumulator import EventAccumulator
from torch import nn
from training_miniature import run_settings

from lmanet_core import build_model, load
from lmanet_core.checkpoint import load_provenance, load_work_size
from lmanet_core.data.data_config import DataConfig
from lmanet_core.data.samples import TrainingSamples
from lmanet_core.data.video import DatasetError
from lmanet_core.training import run
from lmanet_core.training.run import train
from lmanet_core.training.training_config import TrainingError

ROOT = Path(__file__).parents[3]
STAGES = ("single", "features", "lma1", "lma2")


@pytest.fixture(scope="module")
def finished(frames: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The folder that a run of all stages has filled."""
    folder = tmp_path_factory.mktemp("run")
    train(run_settings(frames), folder)
    return folder


def rows(path: Path) -> list[dict[str, str]]:
    with path.open(newline="") as file:
        return list(csv.DictReader(file))


def same(one: nn.Module | None, other: nn.Module | None) -> bool:
    """Whether all parameters and batch statistics agree."""
    assert one is not None
    assert other is not None
    tensors = other.state_dict()
    return all(torch.equal(tensor, tensors[name]) for name, tensor in one.state_dict().items())


def test_every_stage_leaves_a_checkpoint_and_curves(finished: Path) -> None:
    assert load(finished / "single.safetensors").memory is None
    assert load(finished / "lma2.safetensors").config.memory_size == 2
    assert load(finished / "lma2.safetensors").config.classes.names[0] == "sky"
    for stage, steps in zip(STAGES, (3, 2, 2, 2), strict=True):
        curve = rows(finished / f"{stage}.csv")
        assert [int(row["step"]) for row in curve] == list(range(1, steps + 1))
        assert all(0 < float(row["loss"]) < math.inf for row in curve)
        validation = rows(finished / f"{stage}-validation.csv")
        assert int(validation[-1]["step"]) == steps
        best = max(float(row["miou"]) for row in validation)
        provenance = load_provenance(finished / f"{stage}.safetensors")
        assert provenance["miou"] == pytest.approx(best, abs=1e-5)
        assert provenance["precision"] == "32-true"
        assert load_work_size(finished / f"{stage}.safetensors") == (48, 32)
        assert not (finished / f"{stage}.ckpt").exists()


def test_the_folder_tells_how_the_run_was_made(finished: Path) -> None:
    environment = json.loads((finished / "environment.json").read_text())
    assert environment["packages"]["torch"] == torch.__version__
    assert environment["git_revision"]
    assert yaml.safe_load((finished / "config.yaml").read_text())["seed"] == 1
    frequencies = json.loads((finished / "class_frequencies.json").read_text())
    assert sum(frequencies.values()) == pytest.approx(1)


def test_tensorboard_has_curves_and_pictures(finished: Path) -> None:
    events = EventAccumulator(str(finished / "tensorboard" / "lma1")).Reload()
    assert {"loss", "miou"} <= set(events.Tags()["scalars"])
    assert any("lr" in tag for tag in events.Tags()["scalars"])
    assert events.Tags()["images"] == ["frames"]


def test_frozen_parts_stay_as_they_are_and_the_others_learn(finished: Path) -> None:
    single, features, lma1, lma2 = (load(finished / f"{name}.safetensors") for name in STAGES)
    for stage in (features, lma1):
        assert same(stage.encoder, single.encoder)
        assert same(stage.decoder, single.decoder)
    assert same(lma2.encoder, single.encoder)
    assert not same(lma2.decoder, lma1.decoder)
    assert not same(lma1.memory, features.memory)
    assert not same(lma2.memory, lma1.memory)


def test_stages_that_are_there_are_skipped(finished: Path, settings: dict[str, Any]) -> None:
    before = {path: path.stat().st_mtime_ns for path in finished.glob("*.safetensors")}
    (finished / "lma2.safetensors").unlink()
    train(settings, finished)
    changed = {path.stem for path, time in before.items() if path.stat().st_mtime_ns != time}
    assert changed == {"lma2", "lma2-last", "lma2-best"}


def options(config: Path, output: Path) -> list[str]:
    return ["--config", str(config), "--output", str(output)]


TORCHRUN = [sys.executable, "-m", "torch.distributed.run", "--nproc-per-node=2", "--standalone"]
KILLED = """
import os, signal, sys
from lmanet_core.data.samples import TrainingSamples
from lmanet_core.command.__main__ import main

read = TrainingSamples.__getitem__
def read_or_die(self, number):
    if number == {sample}:
        os.kill(os.getpid(), signal.SIGKILL)
    return read(self, number)

TrainingSamples.__getitem__ = read_or_die
sys.exit(main(["train", *sys.argv[1:]]))
"""


def test_a_killed_run_goes_on_as_if_nothing_had_happened(
    settings: dict[str, Any], tmp_path: Path
) -> None:
    settings["stages"] = [
        # Samples 0..1 are the rehearsal's, too; number 9 is of step 5, after the file of step 4.
        settings["stages"][3]
        | {"steps": 6, "schedule": "plateau", "dropout": True, "accumulate": 2, "patience": 1}
        | {"ema_decay": 0.5, "frozen": ["decoder.layers.0"]}
    ]
    train(settings, tmp_path / "whole")
    config = tmp_path / "config.yaml"
    config.write_text(yaml.safe_dump(settings))
    killed = subprocess.run(
        [sys.executable, "-c", KILLED.format(sample=9), *options(config, tmp_path / "killed")],
        cwd=ROOT,
        capture_output=True,
    )
    assert killed.returncode == -signal.SIGKILL, killed.stderr.decode()
    assert (tmp_path / "killed" / "lma2.ckpt").exists()
    train(settings, tmp_path / "killed")
    for name in ("lma2.csv", "lma2-validation.csv"):
        assert (tmp_path / "killed" / name).read_text() == (tmp_path / "whole" / name).read_text()
    one, other = (load(tmp_path / run / "lma2-last.safetensors") for run in ("whole", "killed"))
    assert same(one, other)


def test_a_network_is_taught_by_what_it_was_also_after_an_interruption(
    settings: dict[str, Any], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    settings |= {"validation": None, "save_every": 1}
    data = settings["data"] | {"corrupted_copy": {"noise": 60, "defocus": 2, "haze": 0.9}}
    robust = settings["stages"][0] | {"name": "robust", "data": data, "supervise": "all"}
    robust |= {"distillation": {"weight": 2, "consistency": 1}, "steps": 3}
    robust["fixed_statistics"] = robust["trains"]
    settings["stages"] = [robust]
    train(settings, tmp_path / "whole")
    read = TrainingSamples.__getitem__

    def read_or_fail(self: TrainingSamples, number: int) -> Any:
        if number == 5:
            raise RuntimeError("interrupted")
        return read(self, number)

    monkeypatch.setattr(TrainingSamples, "__getitem__", read_or_fail)
    with pytest.raises(RuntimeError, match="interrupted"):
        train(settings, tmp_path / "interrupted")
    assert (tmp_path / "interrupted" / "robust.ckpt").exists()
    monkeypatch.setattr(TrainingSamples, "__getitem__", read)
    train(settings, tmp_path / "interrupted")
    one, other = (load(tmp_path / run / "robust.safetensors") for run in ("whole", "interrupted"))
    assert same(one, other)


def test_a_stage_ends_when_its_time_is_over_or_with_the_average_of_its_weights(
    settings: dict[str, Any], tmp_path: Path
) -> None:
    settings["validation"] = None
    settings["stages"] = settings["stages"][:1]
    stage = settings["stages"][0]
    stage |= {"encoder_learning_rate": 1e-4, "class_weight_offset": None}
    stage |= {"frozen": ["encoder.initial_block"]}
    results = []
    for name, changes, steps in (
        ("timed", {"hours": 1e-7, "steps": None}, 1),
        ("average", {"hours": None, "steps": 3, "ema_decay": 0.9}, 3),
    ):
        stage |= changes
        train(settings, tmp_path / name)
        assert len(rows(tmp_path / name / "single.csv")) == steps
        results.append(load(tmp_path / name / "single.safetensors"))
    first_step, average = results
    assert same(first_step.encoder.initial_block, average.encoder.initial_block)
    assert not same(first_step.encoder, average.encoder)
    stage["frozen"] = ["encoder.nothing"]
    with pytest.raises(TrainingError, match=r"no module 'encoder\.nothing'"):
        train(settings, tmp_path / "wrong")


def test_any_start_fits_what_tells_good_frames_from_worse_ones(
    settings: dict[str, Any], tmp_path: Path
) -> None:
    settings["initial_weights"] = "erfnet-lma-camvid"
    settings["model"] |= {"key_form": "located", "fusion": "blend", "value_channels": None}
    settings["validation"] = None
    memory = settings["stages"][2] | {"correspondence": 0.5, "epochs": None, "steps": 1}
    settings["stages"] = [memory]
    train(settings, tmp_path / "run")
    result = load(tmp_path / "run" / "lma1.safetensors").eval()
    assert result.memory is not None
    quality = result.memory.fusion.quality
    assert torch.equal(result.memory.key_form.quality.weight, quality.weight)
    good = run.open_clips(DataConfig("camvid", Path(settings["data"]["root"]), "val"))
    images = np.stack([good.clip(n, np.random.default_rng(n)).images[0] for n in range(8)])
    noise = np.random.default_rng(0).normal(0, 20, images.shape)
    noisy = np.clip(images + noise, 0, 255).astype(np.uint8)
    with torch.no_grad():
        scores, corrupted_scores = (
            quality(result.encoder(torch.from_numpy(part).permute(0, 3, 1, 2) / 255)).flatten()
            for part in (images, noisy)
        )
    assert (scores > corrupted_scores).all()


def test_quality_is_fitted_to_all_data_sets_each_with_its_own_worsening(
    settings: dict[str, Any], monkeypatch: pytest.MonkeyPatch
) -> None:
    nothing = {"cover": 0, "blur": 0, "exposure": 0, "compression": 0, "noise": 0}
    data = settings["data"] | {
        "augmentation": None,
        "corrupt_any_frame": nothing | {"noise": 80},
        "also": [
            {
                "share": 0.25,
                "corrupt_last_frame": nothing | {"cover": 0.9},
                "corrupt_any_frame": None,
            }
        ],
    }
    model = {"key_form": "located", "fusion": "residual", "backbone": "erfnet"}
    config = run.parse_config(
        settings | {"model": model, "data": data, "stages": settings["stages"][3:]}
    )
    stage = config.stages[0]
    fitted: list[tuple[torch.Tensor, torch.Tensor]] = []
    monkeypatch.setattr(run, "fit_frame_quality", lambda quality, *both: fitted.append(both))
    stage_run = run.StageRun(config, stage, run.open_clips(stage.data), torch.ones(11), 1)
    memory = build_model(config.model).memory
    assert memory is not None
    stage_run.start_memory(memory, nn.Identity())
    [(good, corrupted)] = fitted
    changed = (good != corrupted).any(1).flatten(1).float().mean(1)
    by_noise = (good - corrupted).abs().mean((2, 3)).gt(0).all(1) & (changed > 0.8)
    # Noise and patches are drawn by strength, too: the weakest change little.
    assert 0.55 < by_noise.float().mean() < 0.9
    assert ((changed > 0) & (changed < 0.6)).float().mean() > 0.1
    grey = (255 * good).round() % 20
    assert not grey.any(), "frames as they are"


def test_a_stage_does_not_go_on_with_other_settings(
    settings: dict[str, Any], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    settings["stages"] = settings["stages"][:1]
    settings["validation"] = None
    # As if the process had been killed before it could tidy up.
    monkeypatch.setattr(Path, "unlink", lambda self, missing_ok=False: None)
    before = os.umask(0o027)
    train(settings, tmp_path)
    os.umask(before)
    (tmp_path / "single.safetensors").rename(tmp_path / "away")
    settings["stages"][0]["learning_rate"] = 0.5
    with pytest.raises(TrainingError, match=r"learning_rate 0\.001, now 0\.5"):
        train(settings, tmp_path)
    files = [tmp_path / name for name in ("single.ckpt", "single-last.safetensors", "away")]
    assert {file.stat().st_mode & 0o777 for file in files} == {0o640}
    whole = files[0].read_bytes()
    for damaged in (whole[:-100], b"", whole[:5000] + bytes(4) + whole[5004:]):
        files[0].write_bytes(damaged)
        with pytest.raises(TrainingError, match=r"single\.ckpt is truncated or damaged.*delete"):
            train(settings, tmp_path)


def test_a_batch_must_not_be_larger_than_the_data(settings: dict[str, Any], tmp_path: Path) -> None:
    settings["stages"][3]["batch_size"] = 9
    with pytest.raises(TrainingError, match="'lma2': batch_size 9 is more than the 8 clips"):
        train(settings, tmp_path)
    assert not list(tmp_path.glob("*.csv")), "found before the first stage began"


def test_missing_data_are_found_at_once(settings: dict[str, Any], tmp_path: Path) -> None:
    settings["data"]["root"] = str(tmp_path)
    with pytest.raises(DatasetError, match="no CamVid"):
        train(settings, tmp_path / "run")


def test_a_size_that_the_network_does_not_take_is_told(
    settings: dict[str, Any], tmp_path: Path
) -> None:
    settings["stages"][2]["data"]["augmentation"] = {"crop_size": [30, 24]}
    with pytest.raises(TrainingError, match=r"'lma1': .* 30x24, the nearest it takes are 32x24"):
        train(settings, tmp_path)


def test_out_of_memory_is_told_with_what_to_change(
    settings: dict[str, Any], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def fail(*arguments: Any) -> None:
        raise torch.OutOfMemoryError("CUDA out of memory")

    monkeypatch.setattr(run.StageModule, "loss", fail)
    with pytest.raises(
        TrainingError, match=r"'single' ran out of memory with 2 clips .*accumulate"
    ):
        train(settings, tmp_path)


def test_classes_outside_of_the_table_are_found_on_the_first_pass(
    frames: Path, settings: dict[str, Any], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    clip = run.open_clips

    def wrong(config: Any) -> Any:
        source = clip(config)
        read = source.clip
        monkeypatch.setattr(
            source, "clip", lambda *a: (c := read(*a))._replace(labels=c.labels | 64), raising=False
        )
        return source

    monkeypatch.setattr(run, "open_clips", wrong)
    with pytest.raises(TrainingError, match=r"has the labels .*expected 0\.\.10"):
        train(settings, tmp_path)


@pytest.mark.parametrize(
    ("variables", "expected"),
    [
        ({}, run.Launch()),
        (
            {
                "TORCHELASTIC_RUN_ID": "1",
                "WORLD_SIZE": "8",
                "RANK": "5",
                "LOCAL_WORLD_SIZE": "4",
                "LOCAL_RANK": "1",
            },
            run.Launch(rank=5, local_rank=1, devices=4, nodes=2),
        ),
        (
            {
                "SLURM_JOB_ID": "1",
                "SLURM_JOB_NAME": "train",
                "SLURM_NTASKS": "6",
                "SLURM_NTASKS_PER_NODE": "2",
                "SLURM_NNODES": "3",
                "SLURM_PROCID": "3",
                "SLURM_LOCALID": "1",
            },
            run.Launch(rank=3, local_rank=1, devices=2, nodes=3),
        ),
    ],
    ids=["alone", "torchrun", "slurm"],
)
def test_the_launcher_s_processes_are_known(
    variables: dict[str, str], expected: run.Launch, monkeypatch: pytest.MonkeyPatch
) -> None:
    for name, value in variables.items():
        monkeypatch.setenv(name, value)
    assert run.find_launch() == expected


def test_a_slurm_job_that_does_not_say_its_tasks_per_node_is_told_to(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    for name in ("SLURM_JOB_ID", "SLURM_JOB_NAME", "SLURM_NTASKS", "SLURM_NNODES"):
        monkeypatch.setenv(name, "2")
    with pytest.raises(TrainingError, match="--ntasks-per-node"):
        run.find_launch()


@pytest.mark.slow
def test_two_processes_see_what_one_sees(settings: dict[str, Any], tmp_path: Path) -> None:
    stage = settings["stages"][3] | {"fixed_statistics": ["memory", "decoder"], "dropout": False}
    settings["stages"] = [stage | {"steps": 3}]
    train(settings, tmp_path / "one")
    config = tmp_path / "config.yaml"
    config.write_text(yaml.safe_dump(settings))
    subprocess.run(
        [*TORCHRUN, "training/train.py", *options(config, tmp_path / "two")],
        cwd=ROOT,
        env={**os.environ, "PYTHONPATH": str(ROOT)},
        check=True,
    )
    one, two = (rows(tmp_path / run / "lma2.csv") for run in ("one", "two"))
    for alone, together in zip(one, two, strict=True):
        assert float(together["loss"]) == pytest.approx(float(alone["loss"]), rel=0.05)
