"""Options of several programs."""

import argparse

import pytest

from lmanet_core.program.arguments import add_renamed


@pytest.mark.parametrize("option", ["--corrupt", "--worse"])
def test_an_old_option_works_and_names_the_new_one(option, capsys):
    parser = argparse.ArgumentParser(prog="lmanet evaluate")
    parser.add_argument("--corrupt", type=float, default=0.0)
    add_renamed(parser, "--worse", "--corrupt", type=float)
    assert parser.parse_args([]).corrupt == 0
    assert parser.parse_args([option, "0.6"]).corrupt == 0.6
    told = "lmanet evaluate: --worse is now --corrupt, please use that\n"
    assert capsys.readouterr().err == (told if option == "--worse" else "")
    assert "--worse" not in parser.format_help()
