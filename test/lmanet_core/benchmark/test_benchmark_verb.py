"""Benchmarks of other packages beside those of this library."""

import sys
from importlib.metadata import EntryPoint, EntryPoints
from types import ModuleType

import pytest

from lmanet_core.benchmark.benchmark_verb import BENCHMARKS
from lmanet_core.command.__main__ import main
from lmanet_core.program import registry


def test_another_package_s_benchmark_is_listed_and_runs_and_one_that_cannot_be_is_no_hindrance(
    monkeypatch, capsys
):
    module = ModuleType("other_package_wheels")
    module.HELP = "how fast the wheels turn"

    def add_arguments(parser):
        parser.add_argument("--turns", type=int)
        parser.set_defaults(run=lambda arguments: print(f"{arguments.turns} turns"))

    module.add_arguments = add_arguments
    monkeypatch.setitem(sys.modules, module.__name__, module)
    announced = [EntryPoint("wheels", module.__name__, BENCHMARKS.group)]
    announced += [EntryPoint("broken", "no_such_package.benchmark", BENCHMARKS.group)]

    def entry_points(group):
        return EntryPoints(announced if group == BENCHMARKS.group else [])

    monkeypatch.setattr(registry, "entry_points", entry_points)
    with pytest.raises(SystemExit):
        main(["benchmark", "--help"])
    listed = capsys.readouterr().out
    assert "how fast the wheels turn" in listed
    assert "VideoSegmenter.step with memory" in listed
    assert "not usable here: No module named 'no_such_package'" in " ".join(listed.split())
    assert main(["benchmark", "wheels", "--turns", "3"]) == 0
    assert capsys.readouterr().out == "3 turns\n"
    assert main(["benchmark", "broken", "--turns", "3"]) == 1
    assert "this needs the package no_such_package" in capsys.readouterr().err
