"""The node benchmark runs and reports figures that fit together."""

import json
import subprocess
import sys


def test_the_benchmark_measures_the_real_node(checkpoint, tmp_path):
    file = tmp_path / "figures.json"
    command = [sys.executable, "-m", "lmanet_core.command", "benchmark", "node"]
    options = ["--size", "64x32", "--frames", "5", "--checkpoint", checkpoint, "--json", file]
    subprocess.run([*command, *options], check=True)
    figures = json.loads(file.read_text())
    assert (figures["size"], figures["frames"]) == ("64x32", 5)
    times = ("step_ms", "overhead_ms", "round_trip_ms", "end_seconds")
    assert all(figures[name] > 0 for name in times)
