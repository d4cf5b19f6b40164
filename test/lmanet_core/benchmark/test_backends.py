"""The benchmark of the backends, as it is called."""

import json
import re

import pytest

from lmanet_core.benchmark import backends
from lmanet_core.command.__main__ import main


def test_figures_stay_and_the_same_command_goes_on(tmp_path, monkeypatch, capsys):
    def compare(processor, network, model, folder, arguments):
        point = (network, model.config.memory_size, model.config.window_size)
        computed.append(point)
        return [backends.Row(processor, *point, "torch fp32", 1.0, 1.0, 1.0, None, None)]

    def run(*options):
        computed.clear()
        command = ["benchmark", "backends", "--networks", "street", "--windows", "3", "5"]
        assert main([*command, "--json", str(figures), *options]) == 0
        return capsys.readouterr().out

    computed, figures = [], tmp_path / "figures.json"
    monkeypatch.setattr(backends, "_compare", compare)
    table = run("--memory-sizes", "0")
    assert computed == [("street", 0, 3)]
    assert re.search(r"packages of a node: \d+ MiB, with PyTorch \d+ MiB", table)
    monkeypatch.setattr(backends, "environment_mib", lambda *extras: 1.0)
    left = run("--memory-sizes", "0", "2", "--time-limit", "0")
    assert not computed
    assert "2 points were left out for the time limit, the next is ('street', 2, 3)" in left
    table = run("--memory-sizes", "0", "2")
    assert computed == [("street", 2, 3), ("street", 2, 5)]
    assert table.count("| torch fp32 |") == 3
    run("--memory-sizes", "0", "--size", "64x32")
    assert computed == [("street", 0, 3)], "figures of other images are others"


@pytest.mark.slow
def test_all_that_runs_here_is_timed_and_compared(tmp_path, monkeypatch, capsys):
    pytest.importorskip("nncf", reason="the extra `dev` is missing")
    pytest.importorskip("openvino", reason="the extra `export` is missing")
    figures = tmp_path / "figures.json"
    options = "--size 128x64 --repeats 2 --frames 3 --calibration-frames 4 --windows 5"
    options += f" --networks street --memory-sizes 0 2 --json {figures}"
    assert main(["benchmark", "backends", *options.split()]) == 0
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
