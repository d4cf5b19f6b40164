"""The benchmark of the backends, as it is called."""

import json
import sys

import pytest

from lmanet_core.benchmark.__main__ import main

pytest.importorskip("nncf", reason="the extra `dev` is missing")
pytest.importorskip("openvino", reason="the extra `export` is missing")


@pytest.mark.slow
def test_all_that_runs_here_is_timed_and_compared(tmp_path, monkeypatch, capsys):
    figures = tmp_path / "figures.json"
    options = "--size 128x64 --repeats 2 --frames 3 --calibration-frames 4 --windows 5"
    options += f" --networks street --memory-sizes 0 2 --json {figures}"
    monkeypatch.setattr(sys, "argv", ["benchmark", "backends", *options.split()])
    main()
    table = capsys.readouterr().out
    rows = json.loads(figures.read_text())
    assert {row["memory_size"] for row in rows} == {0, 2}
    names = {row["backend"] for row in rows}
    assert {"torch fp32", "onnxruntime fp32", "openvino fp32", "openvino int8"} <= names
    for row in rows:
        assert f"| {row['backend']} |" in table
        assert row["milliseconds"] > 0
        assert row["agreement"] > (0.9 if "int8" in row["backend"] else 0.999)
        assert row["resident_mib"] > 50
