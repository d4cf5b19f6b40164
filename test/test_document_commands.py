"""The commands of the documents: each is one that there is, and names files that there are.

Those that end soon are run, in the order of the documents, with the slow tests.
"""

from __future__ import annotations

import argparse
import re
import subprocess
from collections.abc import Iterator
from dataclasses import fields
from functools import cache
from itertools import pairwise
from pathlib import Path

import pytest
import yaml
from document_commands import Command, commands, documents, prose

from lmanet_core.command.verbs import VERBS

PROJECT = Path(__file__).parents[1]
ALL = [command for document in documents() for command in commands(document)]
OF_OTHERS = frozenset(
    {
        *("cd", "rosdep", "python3", ".", "source", "docker", "export", "pip", "git", "touch"),
        *("ros2-security", "ros2-bag", "ros2-topic", "ros2-param", "ros2-launch"),
    }
)
"""Programs of others; what is said of them is not tried here."""
MAKE = re.compile(r"^([a-z-]+):", re.MULTILINE)
LAUNCH_ARGUMENT = re.compile(r'(?:argument|DeclareLaunchArgument)\(\s*"(\w+)"')
MODULES = {
    "lmanet_core.benchmark": "benchmark",
    "lmanet_core.data.synthetic": "street",
    "lmanet_ros.demo": "demo",
    "lmanet_ros.evaluate_bag": "evaluate-bag",
    "lmanet_ros.make_bag": "make-bag",
    "lmanet_ros.rerun_view": "rerun-view",
}
"""Modules that are verbs of `lmanet`."""
OPTIONS_FROM = re.compile(r"^from (lmanet_core\.[\w.]+) import (\w+)$", re.MULTILINE)
"""A program may have some of a module's options."""
EXTRAS = re.compile(r"\.\[([\w,]+)\]")
OUTPUT_OPTIONS = ("--output", "--json", "--save", "--sheet", "--plot", "-o")
MADE_WHEN_ABSENT = {"make demo": "demo_output", "make bag": "bag_output"}
FILES = re.compile(r"[\w./*-]+\.(safetensors|lmanet|onnx|engine|pth|json|yaml|mp4)")


def verb_of(words: tuple[str, ...]) -> tuple[str, tuple[str, ...]] | None:
    """The verb of `lmanet` that a command is, and its arguments."""
    match words:
        case ("lmanet", verb, *rest):
            return verb, tuple(rest)
        case ("python", "-m", module, *rest) if module in MODULES:
            return MODULES[module], tuple(rest)
    scripts = [word for word in words if word.startswith("training/") and word.endswith(".py")]
    if words[0] in ("python", "torchrun") and scripts:
        place = words.index(scripts[0])
        return Path(scripts[0]).stem, words[place + 1 :]
    return None


@cache
def options_of(verb: str) -> set[str]:
    parser = argparse.ArgumentParser()
    VERBS.find(verb).add_arguments(parser)
    parsers = [parser]
    for action in parser._actions:
        if isinstance(action, argparse._SubParsersAction):
            parsers += action.choices.values()
    return {option for one in parsers for option in one._option_string_actions}


def source_of(words: tuple[str, ...]) -> tuple[Path, tuple[str, ...]] | None:
    """The file with a program's options, and its arguments; None for programs of others."""
    match words:
        case ("python", "-m", module, *rest):
            file = PROJECT / module.replace(".", "/")
            file = file / "__main__.py" if file.is_dir() else file.with_suffix(".py")
            return file, tuple(rest)
        case ("python" | "torchrun", script, *rest):
            return PROJECT / script, tuple(rest)
        case ("ros2", "run", "lmanet_ros", program, *rest):
            return PROJECT / "lmanet_ros" / f"{program}.py", tuple(rest)
        case ("evaluate_bag" | "make_bag" | "rerun_view" as program, *rest):
            return PROJECT / "lmanet_ros" / f"{program}.py", tuple(rest)
    return None


def of_make(command: Command) -> tuple[str, ...]:
    """What `make` would run, but for the installation."""
    old = [word for name in ("installed-to-run", "installed") for word in ("-o", f".venv/{name}")]
    make = ["make", "--no-print-directory", "-n", *old, "RUN=python", "PYTHON=python"]
    result = subprocess.run(
        [*make, *command.words[1:]], cwd=PROJECT, capture_output=True, text=True, check=False
    )
    assert result.returncode == 0, f"{command}: {result.stderr}"
    last = result.stdout.splitlines()[-1]
    return Command(command.document, command.line, tuple(last.split())).words


@pytest.mark.parametrize("command", ALL, ids=str)
def test_there_is_such_a_command(command):
    words = command.words
    if words[0] == "make":
        assert words[1] in MAKE.findall((PROJECT / "Makefile").read_text())
        if words[1] not in ("demo", "bag", "evaluate"):
            return
        words = of_make(command)
    if words[:3] == ("ros2", "launch", "lmanet_ros"):
        text = (PROJECT / "launch" / words[3]).read_text()
        known = set(LAUNCH_ARGUMENT.findall(text))
        assert {word.partition(":=")[0] for word in words[4:]} <= known
        return
    if words[0] == "pip":
        asked = {
            extra for word in words for found in EXTRAS.findall(word) for extra in found.split(",")
        }
        assert asked <= known_extras()
    if known := verb_of(words):
        verb, arguments = known
        unknown = {w.partition("=")[0] for w in arguments if w.startswith("-")} - options_of(verb)
        assert not unknown, f"lmanet {verb} has no {unknown}"
        return
    program = source_of(words)
    if program is None:
        assert words[0] in OF_OTHERS or "-".join(words[:2]) in OF_OTHERS, "which program is that?"
        return
    file, arguments = program
    assert file.is_file(), f"there is no such program: {file}"
    if "--ros-args" in arguments:
        known = parameters_of(file.stem)
        given = [word.partition(":=")[0] for flag, word in pairwise(arguments) if flag == "-p"]
        assert set(given) <= known
        return
    text = file.read_text()
    for package, module in OPTIONS_FROM.findall(text):
        if f"{module}.add_arguments" in text or package == "lmanet_core.command":
            text += (PROJECT / package.replace(".", "/") / f"{module}.py").read_text()
    options = [word.partition("=")[0] for word in arguments if word.startswith("-")]
    unknown = [option for option in options if f'"{option}"' not in text]
    assert not unknown, f"{file.name} has no {unknown}"


@cache
def known_extras() -> set[str]:
    return set(re.findall(r'^        "(\w+)": ', (PROJECT / "setup.py").read_text(), re.MULTILINE))


@cache
def parameters_of(program: str) -> set[str]:
    from lmanet_ros.cloud.cloud_parameters import CloudParameters
    from lmanet_ros.node.segmentation_parameters import NodeParameters
    from lmanet_ros.video_node import PublisherParameters

    kinds = {
        "segmentation_node": [NodeParameters],
        "semantic_cloud_node": [CloudParameters],
        "segmentation_and_cloud": [NodeParameters, CloudParameters],
        "video_publisher": [PublisherParameters],
    }
    return {parameter.name for kind in kinds[program] for parameter in fields(kind)}


def made_by(command: Command) -> Iterator[str]:
    """Files and folders that a command makes."""
    words = command.words
    if default := MADE_WHEN_ABSENT.get(" ".join(words[:2])):
        yield default
    if words[0] == "make":
        words = tuple(part for word in words for part in word.removeprefix("ARGS=").split())
    for option, value in pairwise(words):
        if option in OUTPUT_OPTIONS:
            yield value
            if "training/train.py" in words or words[:2] == ("lmanet", "train"):
                config = yaml.safe_load((PROJECT / words[words.index("--config") + 1]).read_text())
                yield from (f"{value}/{stage['name']}.safetensors" for stage in config["stages"])
    positional = dict.fromkeys(("adapt", "label", "join", "mix"), 4)
    positional |= dict.fromkeys(("adjust", "export", "convert"), 3)
    if words[0] == "lmanet" and (place := positional.get(words[1])):
        yield words[place]


def needed_by(command: Command) -> Iterator[str]:
    """Files of a command that have to be there."""
    made = set(made_by(command))
    for word in command.words[1:]:
        for value in re.split(r"[:=]+|,", word):
            if FILES.fullmatch(value) and value not in made:
                yield value
    for option, value in pairwise(command.words):
        if option in ("--root", "--calibrate"):
            yield value
    yield from (word[4:] for word in command.words if word.startswith("BAG="))


def test_every_file_in_a_command_is_there_made_before_or_to_be_supplied_by_the_reader():
    """What the reader has to bring is named in the text of the page, as code."""
    made: set[str] = set()
    homeless = []
    for document in documents():
        text = prose(document)
        for command in commands(document):
            homeless += [
                f"{command}: where is {file} from?"
                for file in needed_by(command)
                if not (is_made(file, made) or f"`{file}`" in text or (PROJECT / file).exists())
            ]
            made |= set(made_by(command))
    assert not homeless, "\n".join(homeless)


def is_made(file: str, made: set[str]) -> bool:
    """Of a training's folder it is known what will be in it."""
    of_folder = not file.startswith("runs/") and any(
        file.startswith(f"{folder}/") for folder in made
    )
    return file in made or of_folder
