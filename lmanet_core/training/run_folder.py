"""The folder of a run: all that is needed to understand it, repeat it and go on with it."""

from __future__ import annotations

import csv
import platform
import subprocess
import sys
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timezone
from importlib.metadata import version
from pathlib import Path
from typing import Any

import torch
import yaml

from lmanet_core.output.files import replacing, write_json, write_text

PACKAGES = ("torch", "lightning", "numpy", "opencv-python-headless", "safetensors")


@dataclass(frozen=True)
class RunFolder:
    """Where the files of a run are.

    config.yaml             the settings
    environment.json        git revision, command, versions and devices of the last start
    class_frequencies.json  counted once
    STAGE.safetensors       result of a finished stage
    STAGE-best.safetensors  its state with the best validation, so far
    STAGE-last.safetensors  its newest state
    STAGE.ckpt              from where it can be resumed; gone when it is finished
    STAGE.csv               step, loss, learning_rate
    STAGE-validation.csv    step, miou
    tensorboard/            the same, and pictures
    """

    path: Path

    def begin(self, settings: Mapping[str, Any]) -> None:
        """Make the folder and write down what is about to be run."""
        write_text(self.path / "config.yaml", yaml.safe_dump(dict(settings), sort_keys=False))
        write_json(self.path / "environment.json", describe_environment())

    def result(self, stage: str) -> Path:
        return self.path / f"{stage}.safetensors"

    def best(self, stage: str) -> Path:
        return self.path / f"{stage}-best.safetensors"

    def last(self, stage: str) -> Path:
        return self.path / f"{stage}-last.safetensors"

    def resume(self, stage: str) -> Path:
        return self.path / f"{stage}.ckpt"

    def curve(self, stage: str) -> Path:
        return self.path / f"{stage}.csv"

    def validation(self, stage: str) -> Path:
        return self.path / f"{stage}-validation.csv"

    @property
    def class_frequencies(self) -> Path:
        return self.path / "class_frequencies.json"


def describe_environment() -> dict[str, Any]:
    """Where and how this process runs."""
    return {
        "started": datetime.now(timezone.utc).isoformat(timespec="seconds"),
        "command": sys.argv,
        "git_revision": git_revision(),
        "python": platform.python_version(),
        "packages": {name: version(name) for name in PACKAGES},
        "host": platform.node(),
        "cpu_threads": torch.get_num_threads(),
        "cuda_devices": [
            torch.cuda.get_device_name(number) for number in range(torch.cuda.device_count())
        ],
    }


def git_revision() -> str | None:
    """Git revision of this code, with '-dirty' where files have changed since; None outside of a
    checkout."""
    command = ["git", "describe", "--always", "--dirty", "--abbrev=40", "--exclude=*"]
    try:
        done = subprocess.run(
            command, cwd=Path(__file__).parent, capture_output=True, text=True, check=True
        )
    except (OSError, subprocess.CalledProcessError):
        return None
    return done.stdout.strip()


class Curve:
    """A CSV file of figures by step, continued where a resumed run begins.

    Args:
        path: the file; its rows after `step` are dropped, they will be made again.
        columns: the first one is the step.
        step: the last one made.
    """

    def __init__(self, path: Path, columns: Sequence[str], step: int) -> None:
        self._path = path
        kept: list[Sequence[object]] = []
        if step and path.exists():
            lines = path.read_text(errors="replace").splitlines(keepends=True)[1:]
            # Whatever ended the run may have cut off the last one.
            rows = csv.reader(line for line in lines if line.endswith("\n"))
            kept = [row for row in rows if row and row[0].isdecimal() and int(row[0]) <= step]
        with replacing(path) as unfinished, unfinished.open("w", newline="") as file:
            csv.writer(file).writerows([columns, *kept])

    def add(self, rows: Iterable[Sequence[object]]) -> None:
        """Append rows, at once in the file.

        Raises:
            OSError: the file cannot be written; its `filename` is the path.
        """
        try:
            with self._path.open("a", newline="") as file:
                csv.writer(file).writerows(rows)
        except OSError as error:
            raise OSError(error.errno, error.strerror, str(self._path)) from None
