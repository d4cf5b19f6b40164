"""The node benchmark runs and reports figures that fit together."""

import json
import subprocess
import sys


def test_the_benchmark_measures_the_real_node(checkpoint, tmp_path):
    file = tmp_path / "figures.json"
    command = [
        sys.executable,
        "-m",
        "lmanet_ros.node_benchmark",
        "--size",
        "64x32",
        "--frames",
        "5",
    ]
    subprocess.run([*command, "--checkpoint", checkpoint, "--json", file], check=True)
    figures = json.loads(file.read_text())
    assert (figures["size"], figures["frames"]) == ("64x32", 5)
    assert all(figures[name] > 0 for name in ("step_ms", "overhead_ms", "round_trip_ms"))
    assert 0 < figures["end_seconds"] < 2
