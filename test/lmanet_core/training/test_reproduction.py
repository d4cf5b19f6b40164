"""The paper's tables on a few small frames."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from lmanet_core import load
from lmanet_core.training.paper_tables import PAPER_TABLES
from lmanet_core.training.reproduction import Reproduction
from lmanet_core.training.training_config import TrainingError


@pytest.fixture
def short(settings: dict[str, Any]) -> dict[str, Any]:
    """A single-frame stage, and from it two, without and with the memory, of one step each."""
    single, _, lma1, _ = settings["stages"]
    settings["stages"] = [
        single | {"steps": 1},
        single | {"name": "decoder", "trains": ["decoder"], "steps": 1},
        lma1 | {"after": "single", "epochs": None, "steps": 1},
    ]
    settings["validation"] = None
    return settings


def test_tables_are_made_once_beside_the_paper_s_figures(
    short: dict[str, Any], tmp_path: Path
) -> None:
    text = Reproduction(short, tmp_path, "val").make(["II", "S2", "VI"])
    assert "| window 21 |" in text
    assert "| 73.72 | 1.67 |" in text
    assert "Needs a configuration with pspnet101" in text
    assert (tmp_path / "tables.md").read_text() == text
    tables = json.loads((tmp_path / "tables.json").read_text())
    assert [row["label"] for row in tables["II"]] == [row.label for row in PAPER_TABLES["II"].rows]
    assert all(0 <= row["miou"] <= 100 for row in tables["II"])
    assert all(row["low"] <= row["mean"] <= row["high"] for row in tables["II"])
    assert all(row["low"] < row["high"] for row in tables["II"])
    assert all(sum(row["class_gains"].values()) != 0 for row in tables["II"])
    assert (tmp_path / "classes-II.png").stat().st_size > 0

    # Memory size and window are not trained, the other order of reading and writing is, from
    # the same single-frame network.
    other = tmp_path / "write_before_read_True"
    assert {path.parent.name for path in tmp_path.glob("*/lma1.safetensors")} == {
        "main",
        other.name,
    }
    assert load(other / "lma1.safetensors").config.write_before_read
    single = (tmp_path / "main" / "single.safetensors").read_bytes()
    # The memory's stage began with the decoder of the stage that it names, not of the one before.
    decoders = [
        load(tmp_path / "main" / f"{stage}.safetensors").decoder.output_conv.weight
        for stage in ("single", "decoder", "lma1")
    ]
    assert (decoders[0] == decoders[2]).all()
    assert (decoders[0] != decoders[1]).any()
    assert (other / "single.safetensors").read_bytes() == single

    made = {path: path.stat().st_mtime_ns for path in tmp_path.glob("evaluations/*.json")}
    # Five windows, the other network, and the single-frame network.
    assert len(made) == 8
    assert Reproduction(short, tmp_path, "val").make(["II", "S2", "VI"]) == text
    assert made == {path: path.stat().st_mtime_ns for path in tmp_path.glob("evaluations/*.json")}


def test_an_unknown_table_is_told(short: dict[str, Any], tmp_path: Path) -> None:
    with pytest.raises(TrainingError, match=r"unknown tables \['X'\]; expected some of \['I'"):
        Reproduction(short, tmp_path, "val").make(["X"])


def test_a_window_that_a_row_cannot_have_is_refused_before_anything_is_trained(
    short: dict[str, Any], tmp_path: Path
) -> None:
    short["model"] |= {"key_form": "located"}
    with pytest.raises(TrainingError, match="table II, window global: window_size must be at most"):
        Reproduction(short, tmp_path, "val").make(["II"])
    assert not list(tmp_path.iterdir())
