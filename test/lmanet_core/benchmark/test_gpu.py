"""The benchmark of a CUDA device, as far as it goes without one."""

import json
import sys

import pytest

from lmanet_core.benchmark import ops_cases
from lmanet_core.benchmark.__main__ import main


def test_a_dry_run_goes_through_everything_and_writes_it(tmp_path, monkeypatch, capsys):
    # Compiling it takes longer than all the rest.
    monkeypatch.delitem(ops_cases.IMPLEMENTATIONS, "flex")
    monkeypatch.setattr(sys, "argv", ["benchmark", "gpu", "--dry-run", "--output", str(tmp_path)])
    main()
    sections = json.loads((tmp_path / "gpu.json").read_text())
    assert all(row["good"] for row in sections["correctness"])
    assert {row["implementation"] for row in sections["operator"]} >= {"tiled", "shifts"}
    assert [row["S"] for row in sections["networks"]] == [0, 1, 2, 3, 4, 5, 3, 3, 3]
    assert all(row["step ms"] > 0 for row in sections["networks"])
    assert (tmp_path / "gpu.md").read_text() in capsys.readouterr().out


def test_without_a_device_it_says_what_does_without(monkeypatch):
    monkeypatch.setattr("torch.cuda.is_available", lambda: False)
    monkeypatch.setattr(sys, "argv", ["benchmark", "gpu"])
    with pytest.raises(SystemExit, match="--dry-run"):
        main()
