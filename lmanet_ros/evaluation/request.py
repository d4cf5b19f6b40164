"""What an evaluation is asked to do: a result counts for the same request only."""

from __future__ import annotations

import hashlib
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

import yaml

from lmanet_core.checkpoint import DEFAULT_WEIGHTS, WEIGHTS_FOLDER, checkpoint_hash
from lmanet_ros.evaluation.provenance import software
from lmanet_ros.network_choice import CHOICES
from lmanet_ros.processes import as_yaml

_PART = 2**20
"""Bytes that are read of a file at a time."""


def request(options: Sequence[str], inputs: Mapping[str, str], bag: Path) -> dict[str, Any]:
    """All that a result depends on.

    Args:
        options: of `evaluate_bag`.
        inputs: as `inputs` gives them.
        bag: the recording.
    """
    return {
        "options": list(options),
        "inputs": dict(inputs),
        "recording": _hash_of_recording(bag),
        "software": software(),
    }


def inputs(parameters: Mapping[str, object], params_file: Path | None) -> dict[str, str]:
    """Hashes of the files that the node reads, by their names.

    Those are the file with its parameters, every file that a parameter names, wherever it is set,
    and shipped weights with their exported form, which may run in their place.

    Args:
        parameters: that are set one by one; of values that are YAML, the text.
        params_file: with others.

    Raises:
        CheckpointError: a checkpoint is not there.
    """
    named = list(_named({name: _parse(as_yaml(value)) for name, value in parameters.items()}))
    hashes = {}
    if params_file is not None:
        hashes[str(params_file)] = _hash(params_file)
        named += _named(_parse(params_file.read_text()))
    networks = [value for name, value in named if name in CHOICES and value]
    for name, value in [*named, *([] if networks else [("checkpoint", DEFAULT_WEIGHTS)])]:
        if not isinstance(value, str) or not value:
            continue
        if name == "checkpoint":
            hashes[value] = checkpoint_hash(value)
        if Path(value).is_file():
            hashes[value] = _hash(Path(value))
        elif (shipped := WEIGHTS_FOLDER / f"{value}.lmanet").is_file():
            hashes[shipped.name] = _hash(shipped)
    return hashes


def _parse(text: str) -> Any:
    try:
        return yaml.safe_load(text)
    except yaml.YAMLError:
        return None  # The node says what is wrong with it.


def _named(tree: Any, name: str = "") -> Iterator[tuple[str, Any]]:
    """Names and values of all that is in a file of parameters."""
    if isinstance(tree, Mapping):
        for key, value in tree.items():
            yield from _named(value, str(key))
    elif isinstance(tree, list):
        for value in tree:
            yield from _named(value, name)
    else:
        yield name, tree


def _hash_of_recording(bag: Path) -> str:
    """Hash of the names and contents of a recording's files."""
    files = [bag] if bag.is_file() else sorted(file for file in bag.rglob("*") if file.is_file())
    digest = hashlib.sha256()
    for file in files:
        digest.update(f"{file.relative_to(bag)} {_hash(file)}\n".encode())
    return digest.hexdigest()


def _hash(file: Path) -> str:
    digest = hashlib.sha256()
    with file.open("rb") as stream:
        while part := stream.read(_PART):
            digest.update(part)
    return digest.hexdigest()
