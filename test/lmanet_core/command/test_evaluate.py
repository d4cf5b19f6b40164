"""`lmanet evaluate` as a user runs it."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
import torch

from lmanet_core import ModelConfig, build_model, save_checkpoint
from lmanet_core.command.__main__ import main
from lmanet_core.network.classes import CAMVID, CITYSCAPES, DAVIS, ClassTable

STREET = ["--streets", "1", "--frames", "2", "--size", "64x32"]


@pytest.fixture(autouse=True)
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """The working folder: what a test names is in it."""
    monkeypatch.chdir(tmp_path)
    return tmp_path


def checkpoint(classes: ClassTable, memory_size: int = 2) -> str:
    torch.manual_seed(0)
    config = replace(ModelConfig(), classes=classes, memory_size=memory_size, window_size=3)
    save_checkpoint(build_model(config), "network.safetensors")
    return "network.safetensors"


def end(monkeypatch: pytest.MonkeyPatch, *arguments: str) -> int:
    """The exit status."""
    return main(["evaluate", *arguments, "--precision", "fp32", "--json", "results/figures.json"])


def run(monkeypatch: pytest.MonkeyPatch, *arguments: str) -> dict[str, Any]:
    """What is in the JSON file."""
    assert end(monkeypatch, *arguments) == 0
    return json.loads(Path("results/figures.json").read_text())


def test_camvid(
    camvid: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    data = ["--dataset", "camvid", "--root", str(camvid), "--split", "val"]
    network = ["--checkpoint", checkpoint(CAMVID), "--memory-size", "1", "--window-size", "global"]
    figures = run(monkeypatch, *data, *network, "--sheet", "sheet.png")
    assert figures["frames"] == 18
    assert 0 <= figures["miou"] <= 1
    assert 0 <= figures["temporal_consistency"] <= 1
    assert list(figures["iou"]) == list(CAMVID.names)
    assert figures["settings"]["memory_size"] == 1
    assert figures["settings"]["window_size"] == "global"
    assert Path("sheet.png").stat().st_size > 0
    printed = capsys.readouterr().out
    assert f"mIoU {100 * figures['miou']:6.2f}" in printed
    assert all(name in printed for name in CAMVID.names)


def test_cityscapes_at_its_own_and_at_another_resolution(
    cityscapes: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    data = ["--dataset", "cityscapes", "--root", str(cityscapes), "--split", "val"]
    network = ["--checkpoint", checkpoint(CITYSCAPES), "--memory-size", "0", "--size", "48x24"]
    small = run(monkeypatch, *data, *network)
    full = run(monkeypatch, *data, *network, "--full-resolution")
    assert small["frames"] == full["frames"] == 2
    assert small["settings"]["network_size"] == full["settings"]["network_size"] == [48, 24]
    assert small["miou"] != full["miou"]


def test_two_evaluations_are_compared_video_by_video(
    davis: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    data = ["--dataset", "davis", "--root", str(davis), "--split", "train"]
    network = ["--checkpoint", checkpoint(DAVIS), "--corrupt", "0.5"]
    results = [run(monkeypatch, *data, *network, "--memory-size", size) for size in ("0", "2")]
    for name, figures in zip(("before.json", "after.json"), results, strict=True):
        Path(name).write_text(json.dumps(figures))
    assert list(results[0]["videos"]) == ["bear", "boat"]
    gains = [
        100 * (results[1]["videos"][video]["miou"] - results[0]["videos"][video]["miou"])
        for video in ("bear", "boat")
    ]
    capsys.readouterr()
    assert main(["evaluate", "--compare", "before.json", "after.json"]) == 0
    printed = capsys.readouterr().out
    assert f"mean over 2 videos: {sum(gains) / 2:+.2f}, 95 % interval" in printed
    for name, gain in zip(("bear", "boat"), gains, strict=True):
        assert any(
            line.split()[0] == name and line.endswith(f"{gain:+.2f}")
            for line in printed.splitlines()
            if line
        )
    # Seeds are averaged, so before against both is half of the gain.
    both = ["--compare", "before.json", "before.json,after.json"]
    assert main(["evaluate", *both]) == 0
    assert f"mean over 2 videos: {sum(gains) / 4:+.2f}" in capsys.readouterr().out
    del results[1]["videos"]["bear"]
    Path("after.json").write_text(json.dumps(results[1]))
    assert main(["evaluate", "--compare", "before.json", "after.json"]) == 1
    assert "same videos: ['bear']" in capsys.readouterr().err
    # One video has no interval.
    del results[0]["videos"]["bear"]
    Path("before.json").write_text(json.dumps(results[0]))
    assert main(["evaluate", "--compare", "before.json", "after.json"]) == 0
    printed = capsys.readouterr().out
    assert f"of one video: {gains[1]:+.2f}; how sure that is" in printed
    assert "interval" not in printed


@pytest.mark.usefixtures("corruptions_stand_in")
def test_all_corruptions_side_by_side(
    davis: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    # Of the fifteen, which take their time.
    monkeypatch.setattr("lmanet_core.command.evaluate.CORRUPTIONS", ("fog", "impulse_noise"))
    data = ["--dataset", "davis", "--root", str(davis), "--split", "val"]
    network = ["--checkpoint", checkpoint(DAVIS)]
    corruption = ["--corruption", "all", "--severity", "5", "--plot", "plots/corruptions.png"]
    figures = run(monkeypatch, *data, *network, *corruption)
    assert list(figures["evaluations"]) == ["clean", "fog", "impulse_noise"]
    assert Path("plots/corruptions.png").stat().st_size > 0
    printed = {
        line[:20].strip(): line[20:].split() for line in capsys.readouterr().out.splitlines()
    }
    for name, ways in figures["evaluations"].items():
        single, memory = (100 * ways[way]["miou"] for way in ("single", "memory"))
        gain = f"{memory - single:+.2f}"
        assert printed[name] == [f"{single:.2f}", f"{memory:.2f}", gain]
    clean, *others = (ways["single"]["miou"] for ways in figures["evaluations"].values())
    mean = sum(others) / len(others)
    assert figures["mean"]["single"] == pytest.approx(mean)
    assert figures["relative"]["single"] == pytest.approx(mean / clean)
    fog = ["--corruption", "fog", "--severity", "5", "--memory-size", "0"]
    again = run(monkeypatch, *data, *network, *fog)["evaluations"]
    assert again["fog"] == {"single": figures["evaluations"]["fog"]["single"]}


def test_runs_of_corrupted_frames_of_several_lengths_side_by_side(
    davis: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    data = ["--dataset", "davis", "--root", str(davis), "--split", "train"]
    network = ["--checkpoint", checkpoint(DAVIS), "--corrupt", "0.5"]
    lengths = ["--run-lengths", "1", "3", "--memory-sizes", "2", "--plot", "plots/runs.png"]
    figures = run(monkeypatch, *data, *network, *lengths)
    assert Path("plots/runs.png").stat().st_size > 0
    lines = capsys.readouterr().out.splitlines()
    for length in ("1", "3"):
        modes = figures["evaluations"][length]
        assert list(modes) == ["single", "S = 2"]
        cells = [f"{100 * of['miou']:.1f}" for of in modes.values()]
        line = next(line for line in lines if line.split()[0] == length)
        assert [line.split()[2].rstrip(","), line.split()[4].rstrip(",")] == cells
        assert 0 < figures["corrupted"][length] < 1
    # As one length is scored by itself.
    once = run(monkeypatch, *data, *network, "--run-length", "3", "--memory-size", "2")
    assert once["miou"] == figures["evaluations"]["3"]["S = 2"]["miou"]


def test_the_synthetic_street_is_the_default(monkeypatch: pytest.MonkeyPatch) -> None:
    network = ["--checkpoint", checkpoint(CITYSCAPES)]
    clean = run(monkeypatch, *network, *STREET, "--noise", "0", "--occlusion-rate", "0")
    noisy = run(monkeypatch, *network, *STREET, "--noise", "60")
    assert clean["frames"] == noisy["frames"] == 2
    assert clean["miou"] != noisy["miou"]


@pytest.mark.parametrize(
    ("arguments", "complaint"),
    [
        (["--dataset", "camvid"], "needs a root"),
        (["--dataset", "camvid", "--root", "nowhere"], "no CamVid in nowhere"),
        (["--checkpoint", "nothing"], "no checkpoint 'nothing'"),
        (["--memory-size", "99"], "memory_size must be in 0..64, got 99"),
        (["--window-size", "4"], "must be odd, got 4"),
        (["--sheet", "nowhere.png/sheet.png"], "nowhere.png is no folder"),
        (["--corruption", "fog", "--sheet", "sheet.png"], "leave it out, or --corruption"),
        (["--run-lengths", "2"], "--run-lengths needs --corrupt SHARE"),
        (["--run-lengths", "0", "--corrupt", "0.5"], "run_length must be at least 1, got 0"),
        (["--streets", "0"], "streets must be at least 1, got 0"),
    ],
)
def test_mistakes_are_explained(
    arguments: list[str],
    complaint: str,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    Path("nowhere.png").touch()
    assert end(monkeypatch, *STREET, *arguments) == 1
    assert complaint in capsys.readouterr().err
    for usage in (("--window-size", "wide"), ("--sheet", "sheet.text")):
        with pytest.raises(SystemExit) as exit_:
            end(monkeypatch, *usage)
        assert exit_.value.code == 2


def test_a_network_for_other_classes_is_refused(
    camvid: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    arguments = ["--dataset", "camvid", "--root", str(camvid)]
    assert end(monkeypatch, *arguments, "--checkpoint", checkpoint(DAVIS)) == 1
    assert "nothing is known of what the classes sky" in capsys.readouterr().err
