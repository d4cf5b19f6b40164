"""The benchmark of training on a small configuration."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
import yaml

from lmanet_core.command.__main__ import main

SETTINGS = {
    "model": {"backbone": "erfnet", "memory_size": 2, "window_size": 3},
    "data": {
        "dataset": "synthetic",
        "clips": "street",
        "street": {"streets": 8, "size": [64, 32]},
        "augmentation": {"crop_size": [32, 32]},
    },
    "precision": "fp32",
    "workers": 0,
    "stages": [
        {"name": "single", "trains": ["encoder", "decoder"], "steps": 9, "batch_size": 2},
        {
            "name": "lma1",
            "trains": ["memory"],
            "data": {"frames": 3},
            "steps": 9,
            "batch_size": 2,
            "supervise": "all",
        },
    ],
}


def test_stages_are_set_beside_the_single_frame_network(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    config, figures = tmp_path / "config.yaml", tmp_path / "figures.json"
    config.write_text(yaml.safe_dump(SETTINGS))
    options = ["--config", str(config), "--repeats", "1", "--batches", "2", "--json", str(figures)]
    assert main(["benchmark", "training", *options]) == 0
    single, lma1 = json.loads(figures.read_text())
    assert (single["clip"], lma1["clip"]) == ("1x32x32", "3x32x32")
    assert single["to single frame"] == 1
    assert lma1["to single frame"] > 0
    assert single["loader samples/s"] > 0
    assert "| lma1 | 3x32x32 |" in capsys.readouterr().out
