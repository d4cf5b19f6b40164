"""The node benchmark runs and reports figures that fit together."""

import json
import subprocess
import sys

import pytest

from lmanet_core.command.__main__ import main


def test_the_benchmark_measures_the_real_node(checkpoint, tmp_path):
    file = tmp_path / "figures.json"
    command = [sys.executable, "-m", "lmanet_ros.node_benchmark", "--size", "64x32"]
    subprocess.run(
        [*command, "--frames", "5", "--checkpoint", checkpoint, "--json", file], check=True
    )
    figures = json.loads(file.read_text())
    assert (figures["size"], figures["frames"]) == ("64x32", 5)
    times = ("step_ms", "overhead_ms", "round_trip_ms", "end_seconds")
    assert all(figures[name] > 0 for name in times)


def test_it_is_listed_with_the_others(capsys):
    with pytest.raises(SystemExit):
        main(["benchmark", "node", "--help"])
    text = " ".join(capsys.readouterr().out.split())
    assert "usage: lmanet benchmark node" in text
    assert "the node of another checkout gets every frame, too" in text
