"""The scripts beside `lmanet`: the same programs."""

import runpy
import sys
from pathlib import Path

import pytest

PROJECT = Path(__file__).parents[2]


@pytest.mark.parametrize("verb", ["train", "evaluate", "reproduce"])
def test_a_script_is_the_verb(verb, monkeypatch, capsys):
    monkeypatch.setattr(sys, "argv", [f"training/{verb}.py", "--help"])
    with pytest.raises(SystemExit) as end:
        runpy.run_path(str(PROJECT / "training" / f"{verb}.py"), run_name="__main__")
    assert end.value.code == 0
    assert f"lmanet {verb} " in capsys.readouterr().out


def test_a_module_is_the_verb(monkeypatch, capsys):
    monkeypatch.setattr(sys, "argv", ["synthetic", "--help"])
    with pytest.raises(SystemExit) as end:
        runpy.run_module("lmanet_core.data.synthetic", run_name="__main__")
    assert end.value.code == 0
    assert "draw a contact sheet of the synthetic street" in capsys.readouterr().out
