"""The verbs of `lmanet`: those that are there, and how they end."""

import sys
from importlib.metadata import EntryPoint, EntryPoints
from types import ModuleType

import pytest

from lmanet_core.command.__main__ import main
from lmanet_core.command.verbs import VERBS
from lmanet_core.program import registry


@pytest.fixture
def greet(monkeypatch):
    """A verb that another package announces."""
    module = ModuleType("other_package_greet")
    module.HELP, module.EXTRA = "say hello", "ros"
    module.add_arguments = lambda parser: parser.add_argument("--name", default="you")
    module.run = lambda arguments: print(f"hello {arguments.name}")
    monkeypatch.setitem(sys.modules, module.__name__, module)
    announced = [EntryPoint("greet", module.__name__, VERBS.group)]
    announced += [EntryPoint("broken", "no_such_package.verb", VERBS.group)]
    monkeypatch.setattr(registry, "entry_points", lambda group: EntryPoints(announced))
    return module


def test_another_package_s_verb_is_listed_and_runs(greet, capsys):
    with pytest.raises(SystemExit) as end:
        main(["--help"])
    assert end.value.code == 0
    listed = capsys.readouterr().out
    assert "say hello" in listed
    assert "train a network in stages" in listed
    assert "not usable here: No module named 'no_such_package'" in " ".join(listed.split())
    assert main(["greet", "--name", "robot"]) == 0
    assert capsys.readouterr().out == "hello robot\n"


def test_a_verb_says_which_extra_brings_what_is_missing(greet, capsys):
    def run(arguments):
        raise ModuleNotFoundError("No module named 'rclpy'", name="rclpy")

    greet.run = run
    assert main(["greet"]) == 1
    told = capsys.readouterr().err
    assert told.startswith("lmanet greet: this needs the package rclpy, which is not installed")
    assert "pip install '.[ros]'" in told


@pytest.mark.parametrize(("arguments", "told"), [(["fly"], "invalid choice"), ([], "required")])
def test_what_is_no_verb_is_answered_with_those_that_are(arguments, told, capsys):
    with pytest.raises(SystemExit) as end:
        main(arguments)
    assert end.value.code == 2
    assert told in capsys.readouterr().err
