"""What points cost, measured."""

import sys

from lmanet_core.benchmark.__main__ import main


def test_the_cost_of_points_is_told_for_each_size(monkeypatch, capsys):
    arguments = ["benchmark", "cloud", "--sizes", "64x32", "--repeats", "1"]
    monkeypatch.setattr(sys, "argv", arguments)
    assert main() == 0
    lines = capsys.readouterr().out.splitlines()
    assert sum("64x32" in line for line in lines) == 5
    assert any("obstacles and ground of depth" in line for line in lines)
