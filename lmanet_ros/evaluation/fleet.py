"""Several recordings: evaluated one by one, or side by side, and added up."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
from collections.abc import Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor, wait
from dataclasses import asdict
from pathlib import Path
from threading import Lock
from typing import Any

from lmanet_core.cloud.cloud_scorer import CloudAccumulator
from lmanet_core.evaluation import MetricAccumulator
from lmanet_core.output.files import write_json
from lmanet_core.program.progress import progress_bar
from lmanet_core.program.run_program import INTERRUPTED
from lmanet_ros.evaluation.html_report import write_fleet_html
from lmanet_ros.evaluation.latencies import add_latencies, latency_percentiles
from lmanet_ros.evaluation.provenance import command_line
from lmanet_ros.evaluation.request import request
from lmanet_ros.evaluation.summary import SUMMARY, cloud_figures, is_complete, without_frames
from lmanet_ros.processes import start

REQUEST = "request.json"
"""What an evaluation was asked to do: a result counts for the same request only."""
FLEET_FILES = f"report.html, {SUMMARY}, and a folder with the results of each recording"
NOT_PLAYED = "interrupted before it was played"
COUNTED = {"tally", "latency_counts", "run", "images_sha256"}
"""What an evaluation must have to be added."""
SAME = ("checkpoint", "mode", "rate")
"""What should be the same for figures that are added."""


def evaluate_each(
    bags: Sequence[Path],
    options: Sequence[str],
    inputs: Mapping[str, str],
    output: Path,
    jobs: int,
) -> dict[str, Any]:
    """Evaluate recordings, each by a process and with a node of its own, and add them up.

    What has its result from the same request in `output` is not played again. KeyboardInterrupt
    ends the playing: what was played by then is the result.

    Args:
        bags: the recordings.
        options: of `evaluate_bag`, for each.
        inputs: hashes of the files that the node reads: they are part of the request.
        output: folder for the results.
        jobs: number of recordings that are played at the same time.

    Returns:
        The summary of all, as it is in the folder.

    Raises:
        ValueError: none of the recordings could be evaluated.
    """
    folders = [output / name for name in _names(bags)]
    players = _Players(jobs)
    with (
        ThreadPoolExecutor(jobs) as pool,
        progress_bar(total=len(bags), unit="recording") as progress,
    ):

        def run(bag: Path, folder: Path) -> str | None:
            try:
                return _evaluate(bag, folder, request(options, inputs, bag), players)
            except OSError as error:
                return str(error)
            finally:
                progress.update()

        futures = [pool.submit(run, bag, folder) for bag, folder in zip(bags, folders, strict=True)]
        try:
            wait(futures)
        except KeyboardInterrupt:
            players.interrupt()
    reasons = [future.result() for future in futures]
    failed = [
        {"bag": str(bag), "reason": reason}
        for bag, reason in zip(bags, reasons, strict=True)
        if reason is not None
    ]
    done = [folder for folder, reason in zip(folders, reasons, strict=True) if reason is None]
    return merge([folder / SUMMARY for folder in done], output, failed)


def merge(
    files: Sequence[Path], output: Path, failed: Sequence[dict[str, str]] = ()
) -> dict[str, Any]:
    """Add up evaluations, of recordings or of several, and write the report.

    Args:
        files: evaluation.json of each.
        output: folder to write to.
        failed: recordings that should have been there, and the reasons why they are not.

    Returns:
        The summary, as it is in the folder.

    Raises:
        ValueError: a file is no evaluation, a recording is there twice, the networks have
            different classes, or there is nothing to add.
    """
    failed = list(failed)
    rows: list[dict[str, Any]] = []
    for file in files:
        summary = read_summary(file)
        rows += summary.get("recordings", [summary])
        failed += summary.get("failed", [])
    if not rows:
        reasons = "; ".join(f"{each['bag']}: {each['reason']}" for each in failed)
        raise ValueError(f"no evaluation to add: {reasons or 'expected some files'}")
    rows = [without_frames(row) for row in rows]
    _check_once(rows)
    fleet = {
        "run": {**_facts_of_all([row["run"] for row in rows]), "command": command_line()},
        "total": _total(rows),
        "recordings": rows,
        "failed": failed,
        "notes": _notes(rows),
    }
    write_fleet_html(output / "report.html", fleet)
    write_json(output / SUMMARY, fleet)
    return fleet


def read_summary(file: Path) -> dict[str, Any]:
    """An evaluation.json.

    Raises:
        ValueError: it is not an evaluation of this version.
    """
    try:
        summary = json.loads(file.read_text())
    except ValueError as error:
        raise ValueError(f"{file} is no JSON: {error}") from None
    rows = summary.get("recordings", [summary]) if isinstance(summary, dict) else []
    if not rows or not all(row.keys() >= COUNTED for row in rows):
        raise ValueError(f"{file} is no evaluation that this version of evaluate_bag has written")
    return summary


class _Players:
    """The processes that play, each one recording, and end all at once.

    Args:
        jobs: how many run at the same time.
    """

    def __init__(self, jobs: int) -> None:
        self._interrupted = False
        self._environment = _share_of_threads(jobs)
        self._processes: list[subprocess.Popen[bytes]] = []
        # Held while it is decided whether one is begun.
        self._deciding = Lock()

    def start(self, command: Sequence[str]) -> subprocess.Popen[bytes] | None:
        """Begin one, whose errors are piped; None once they have been interrupted."""
        with self._deciding:
            if self._interrupted:
                return None
            process = start(
                command,
                stdout=subprocess.DEVNULL,
                stderr=subprocess.PIPE,
                env=self._environment,
            )
            self._processes.append(process)
            return process

    def interrupt(self) -> None:
        """End them as Ctrl-C does; who has got that from the terminal does not mind another."""
        with self._deciding:
            self._interrupted = True
            for process in self._processes:
                process.send_signal(signal.SIGINT)


def _evaluate(bag: Path, folder: Path, asked: dict[str, Any], players: _Players) -> str | None:
    """Why a recording has no result; None if it has one."""
    if _is_done(folder, asked):
        return None
    note = folder / REQUEST
    folder.mkdir(parents=True, exist_ok=True)
    (folder / SUMMARY).unlink(missing_ok=True)
    write_json(note, asked)
    command = [sys.executable, "-m", "lmanet_ros.evaluate_bag", str(bag)]
    process = players.start([*command, "--output", str(folder), *asked["options"]])
    if process is None:
        return NOT_PLAYED
    said = process.communicate()[1].decode(errors="replace").strip().splitlines()
    if process.returncode == 0:
        return None
    if process.returncode in (INTERRUPTED, -signal.SIGINT):
        return NOT_PLAYED
    return said[-1] if said else f"exit status {process.returncode}"


def _is_done(folder: Path, asked: dict[str, Any]) -> bool:
    """Whether a recording has been evaluated to its end, as it is asked for now."""
    files = (folder / SUMMARY, folder / REQUEST)
    if not all(file.exists() for file in files):
        return False
    try:
        summary, before = (json.loads(file.read_text()) for file in files)
    except ValueError:
        return False
    return bool(before == asked) and is_complete(summary)


def _share_of_threads(jobs: int) -> dict[str, str]:
    """The environment in which nodes side by side do not fight for the processor."""
    threads = max(1, (os.cpu_count() or 1) // jobs)
    return {"OMP_NUM_THREADS": str(threads), **os.environ} if jobs > 1 else dict(os.environ)


def _names(bags: Sequence[Path]) -> list[str]:
    """A folder's name for each recording: its own or, where two have the same, its whole path."""
    own = [bag.name for bag in bags]
    whole = ["_".join(bag.absolute().parts[1:]) for bag in bags]
    names = [name if own.count(name) == 1 else path for name, path in zip(own, whole, strict=True)]
    if len(set(names)) < len(names):
        raise ValueError("expected every recording once, got one of them twice")
    return names


def _check_once(rows: Sequence[dict[str, Any]]) -> None:
    seen: dict[str, str] = {}
    for row in rows:
        bag, images = row["bag"], row["images_sha256"]
        if images in seen:
            other = "is there twice" if bag == seen[images] else f"has the images of {seen[images]}"
            raise ValueError(f"{bag} {other}: its frames would count twice")
        seen[images] = bag


def _total(rows: Sequence[dict[str, Any]]) -> dict[str, Any]:
    """Figures of all recordings together, made of counts; with the baseline's if all have one."""
    tally, *others = (MetricAccumulator.from_dict(row["tally"]) for row in rows)
    for other in others:
        tally += other
    cloud = CloudAccumulator()
    for row in rows:
        # Evaluations of before there were any have none.
        cloud += CloudAccumulator.from_dict(row.get("cloud_tally", {}))
    evaluation = asdict(tally.evaluation())
    frames = {name: sum(row["frames"][name] for row in rows) for name in rows[0]["frames"]}
    latencies = add_latencies(row["latency_counts"] for row in rows)
    seconds = sum(row["seconds"] for row in rows)
    total = {
        **evaluation,
        "frames": frames,
        "latency_ms": latency_percentiles(latencies),
        "latency_counts": latencies,
        "scored_frames": evaluation["frames"],
        "seconds": round(seconds, 3),
        "fps": round(frames["answered"] / seconds, 2),
        "tally": tally.to_dict(),
        "cloud": cloud_figures(cloud),
        "cloud_tally": cloud.to_dict(),
    }
    baselines = [row["baseline"] for row in rows if "baseline" in row]
    if len(baselines) == len(rows):
        total["baseline"] = _total(baselines)
    return total


def _facts_of_all(runs: Sequence[dict[str, str]]) -> dict[str, str]:
    """What they were made with: the same, from the first date to the last, or how many things."""
    facts = {}
    for name in runs[0]:
        values = sorted({run.get(name, "not told") for run in runs})
        facts[name] = values[0] if len(values) == 1 else f"{len(values)} different ones"
        if name == "date" and len(values) > 1:
            facts[name] = f"{values[0]} to {values[-1]}"
    return facts


def _notes(rows: Sequence[dict[str, Any]]) -> list[str]:
    notes = [f"{row['bag']}: {note}" for row in rows for note in row["notes"]]
    for name in SAME:
        if len(values := sorted({str(row[name]) for row in rows})) > 1:
            notes.append(f"figures of different things were added, by their {name}: {values}")
    if len({row["run"]["model_hash"] for row in rows}) > 1:
        notes.append("figures of different weights were added, by their hash")
    return notes
