"""The benchmark of the backends, as it is called."""

import json
import sys

import pytest

from lmanet_core.benchmark.__main__ import main

pytest.importorskip("nncf", reason="the extra `dev` is missing")
pytest.importorskip("openvino", reason="the extra `export` is missing")


@pytest.mark.slow
def test_all_backends_are_timed_and_scored_and_int8_loses_little(tmp_path, monkeypatch, capsys):
    figures = tmp_path / "figures.json"
    options = "--size 128x64 --repeats 2 --frames 3 --calibration-frames 4 --memory-size 2"
    monkeypatch.setattr(
        sys, "argv", ["benchmark", "backends", *options.split(), "--json", str(figures)]
    )
    main()
    table = capsys.readouterr().out
    rows = json.loads(figures.read_text())
    assert {"torch fp32", "onnxruntime fp32", "openvino fp32", "openvino int8"} <= set(rows)
    for name, row in rows.items():
        assert f"| {name} |" in table
        assert row["step_ms"] > 0
        assert abs(row["miou"] - rows["torch fp32"]["miou"]) < (0.02 if "int8" in name else 0.001)
    assert rows["openvino fp32"]["wrapper_ms"] < 1
