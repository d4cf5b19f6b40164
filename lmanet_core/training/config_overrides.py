"""Settings of a configuration file that the command line changes, for short trials."""

from __future__ import annotations

import argparse
import copy
import difflib
import types
import typing
from collections.abc import Iterable, Mapping
from dataclasses import fields, is_dataclass
from pathlib import Path
from typing import Any

import yaml

from lmanet_core.data.data_config import DataConfig
from lmanet_core.training.old_keys import rename_old_keys
from lmanet_core.training.training_config import (
    StageConfig,
    TrainingConfig,
    TrainingError,
    read_settings,
)

LENGTHS = ("steps", "epochs", "hours")


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Declare the options of every program that trains."""
    parser.add_argument("--config", type=Path, required=True, help="YAML file of the training")
    parser.add_argument("--output", type=Path, required=True, help="folder of the run")
    parser.add_argument("--seed", type=int, help="random seed; default: the configuration's")
    length = parser.add_mutually_exclusive_group()
    length.add_argument("--steps", type=int, help="length of each stage in steps, for a trial")
    length.add_argument("--hours", type=float, help="length of each stage in hours")
    parser.add_argument(
        "--set",
        action="append",
        default=[],
        metavar="KEY=VALUE",
        help="change a setting, such as model.memory_size=2, data.root=camvid or "
        "stages.NAME.batch_size=4; may be given several times",
    )


def configured(arguments: argparse.Namespace) -> dict[str, Any]:
    """The settings that the options of `add_arguments` ask for.

    Raises:
        TrainingError: there is no such file or setting.
    """
    settings = overridden(read_settings(arguments.config), arguments)
    return settings if arguments.seed is None else settings | {"seed": arguments.seed}


def overridden(settings: Mapping[str, Any], arguments: argparse.Namespace) -> dict[str, Any]:
    """The settings as the options of `add_arguments` change them; the types are checked later.

    Raises:
        TrainingError: there is no such setting.
    """
    changed = copy.deepcopy(dict(settings))
    for name in ("steps", "hours"):
        value = getattr(arguments, name)
        for stage in changed.get("stages") or () if value is not None else ():
            for other in LENGTHS:
                stage.pop(other, None)
            stage[name] = value
    for assignment in arguments.set:
        key, equals, text = assignment.partition("=")
        if not equals:
            raise TrainingError(f"--set takes KEY=VALUE, got {assignment!r}")
        try:
            value = yaml.safe_load(text)
        except yaml.YAMLError:
            raise TrainingError(f"--set {assignment}: the value is no YAML") from None
        # The names of the settings may be old ones, and so may those in the value.
        path = rename_old_keys(_nested(key.split("."), value), f"--set {key}")
        names: list[str] = []
        while len(names) < key.count(".") + 1:
            ((name, path),) = path.items()
            names.append(name)
        _assign(changed, TrainingConfig, key, names, path)
    return changed


def _assign(section: Any, kind: Any, key: str, names: list[str], value: Any) -> None:
    first, *rest = names
    hints = typing.get_type_hints(kind)
    known = {field.name: hints[field.name] for field in fields(kind)}
    if kind is TrainingConfig:
        # What all stages learn from.
        known["data"] = DataConfig
    _require(key, first, known)
    if not rest:
        section[first] = value
    elif kind is TrainingConfig and first == "stages":
        name, *rest = rest
        stages = {str(stage.get("name")): stage for stage in section.get("stages") or ()}
        _require(key, name, stages)
        if not rest:
            raise TrainingError(f"--set {key}: name a setting of the stage")
        _assign(stages[name], StageConfig, key, rest, value)
    else:
        inner = _dataclass(known[first])
        if inner is None:
            raise TrainingError(f"--set {key}: {first} has no settings of its own")
        if not isinstance(section.get(first), dict):
            section[first] = {}
        _assign(section[first], inner, key, rest, value)


def _nested(names: list[str], value: Any) -> Any:
    """{a: {b: value}} for the names a, b."""
    for name in reversed(names):
        value = {name: value}
    return value


def _dataclass(kind: Any) -> Any:
    """The dataclass among the types that a setting may have."""
    choices = typing.get_args(kind) if isinstance(kind, types.UnionType) else (kind,)
    return next((choice for choice in choices if is_dataclass(choice)), None)


def _require(key: str, name: str, known: Iterable[str]) -> None:
    names = sorted(known)
    if name in names:
        return
    near = difflib.get_close_matches(name, names, 1)
    hint = f"did you mean {near[0]!r}?" if near else f"expected one of {names}"
    raise TrainingError(f"--set {key}: there is no setting {name!r}; {hint}")
