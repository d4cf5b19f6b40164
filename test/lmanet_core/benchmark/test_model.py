"""The model benchmark as a user starts it."""

import json
import subprocess
import sys


def test_writes_the_figures_and_their_ratio(tmp_path):
    file = tmp_path / "figures.json"
    command = [sys.executable, "-m", "lmanet_core.benchmark", "model", "--size", "64x32"]
    command += ["--repeats", "2", "--precision", "fp32", "--json", str(file)]
    result = subprocess.run(command, capture_output=True, text=True, timeout=120, check=True)
    figures = json.loads(file.read_text())
    assert figures["size"] == "64x32"
    assert figures["memory_size"] == 4
    assert figures["ratio"] > 0
    assert f"ratio            {figures['ratio']}" in result.stdout
