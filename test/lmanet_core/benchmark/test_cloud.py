"""What points cost, measured."""

from lmanet_core.command.__main__ import main


def test_the_cost_of_points_is_told_for_each_size(monkeypatch, capsys):
    arguments = ["benchmark", "cloud", "--sizes", "64x32", "--repeats", "1"]
    assert main(arguments) == 0
    lines = capsys.readouterr().out.splitlines()
    assert sum("64x32" in line for line in lines) == 5
    assert any("obstacles and ground of depth" in line for line in lines)
