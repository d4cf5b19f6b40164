"""Evaluations added up and compared, from the command line, with files as evaluate_bag writes."""

from __future__ import annotations

import json
import os
import signal
import sys
from pathlib import Path
from threading import Thread
from types import SimpleNamespace
from typing import Any

import pytest
from ros_harness import wait_until

from lmanet_ros.evaluate_bag import BELOW_LIMIT, main
from lmanet_ros.evaluation import fleet
from lmanet_ros.evaluation import one_recording as evaluation
from lmanet_ros.evaluation.report_comparison import compare
from lmanet_ros.processes import start


def summary(bag: str, hits: int, misses: int, seconds: float = 2.0) -> dict[str, Any]:
    """Of a recording with pixels of 'road', so many of which were taken for 'sky'."""
    iou = hits / (hits + misses)
    return {
        "bag": bag,
        "images_sha256": bag,
        "run": {"date": "today", "model_hash": "abc", "command": "evaluate_bag"},
        "image_topic": "/image",
        "label_topic": "/labels",
        "checkpoint": "network",
        "mode": "lossless",
        "rate": None,
        "frames": {"in_bag": 10, "answered": 9, "dropped": 0, "refused": 1, "unanswered": 0},
        "latency_ms": {"p50": 10.0, "p95": 12.0, "p99": 12.0, "max": 13.0},
        # Answers that are slow where there are misses.
        "latency_counts": {"10.0": 8, "13.0": 1} if hits > misses else {"9.5": 1, "100.0": 8},
        "seconds": seconds,
        "fps": 9 / seconds,
        "miou": iou / 2,
        "iou": {"road": iou, "sky": 0.0},
        "scored_frames": 9,
        "temporal_consistency": 0.5,
        "vc8": 0.5,
        "vc16": None,
        "labels_sha256": bag,
        "tally": {
            "classes": ["road", "sky"],
            "confusion": [[hits, misses, 0], [0, 0, 0]],
            "frames": 9,
            "consistency": {"part": hits, "whole": 2 * hits},
            "vc8": {"part": 1.0, "whole": 2},
            "vc16": {"part": 0, "whole": 0},
        },
        "notes": ["odd"],
        "per_frame": [{"number": 0}],
    }


@pytest.fixture
def files(tmp_path: Path) -> list[str]:
    """A long recording that went well, and a short one that did not."""
    names = []
    for name, hits, misses in (("long", 900, 0), ("short", 10, 90)):
        path = tmp_path / name / "evaluation.json"
        path.parent.mkdir()
        path.write_text(json.dumps(summary(f"drives/{name}", hits, misses)))
        names.append(str(path))
    return names


def run(*arguments: str) -> int:
    return main(["evaluate_bag", *arguments])


def merged(output: Path) -> dict[str, Any]:
    return json.loads((output / "evaluation.json").read_text())


def test_totals_are_made_of_counts_not_of_averages(files, tmp_path, capsys):
    assert run("--merge", *files, "--output", str(tmp_path / "all")) == 0
    fleet = merged(tmp_path / "all")
    assert fleet["total"]["iou"] == {"road": 910 / 1000, "sky": 0.0}
    assert fleet["total"]["miou"] == pytest.approx(0.455)
    assert fleet["total"]["frames"]["answered"] == 18
    assert fleet["total"]["fps"] == 4.5
    assert fleet["total"]["latency_ms"] == {"p50": 11.5, "p95": 100.0, "p99": 100.0, "max": 100.0}
    assert fleet["total"]["vc8"] == 0.5
    assert fleet["total"]["vc16"] is None
    assert [row["bag"] for row in fleet["recordings"]] == ["drives/long", "drives/short"]
    report = (tmp_path / "all" / "report.html").read_text()
    assert "drives/long" in report
    assert "drives/short" in report
    assert "/image against /labels" in report
    printed = capsys.readouterr().out
    assert "mIoU         45.5 % of 18 frames" in printed
    assert "scored       /image against /labels in 2 of them" in printed


def test_a_total_has_a_baseline_where_all_have_one_and_tells_of_different_weights(files, tmp_path):
    def write(number: int, **more: Any) -> None:
        file = Path(files[number])
        file.write_text(json.dumps(json.loads(file.read_text()) | more))

    write(0, baseline=summary("drives/long", 800, 100))
    assert run("--merge", *files, "--output", str(tmp_path / "all")) == 0
    some = merged(tmp_path / "all")
    assert "baseline" not in some["total"]
    assert not any("weights" in note for note in some["notes"])
    provenance = {"date": "today", "model_hash": "other", "command": "evaluate_bag"}
    write(1, baseline=summary("drives/short", 10, 90), run=provenance)
    assert run("--merge", *files, "--output", str(tmp_path / "all")) == 0
    total = merged(tmp_path / "all")
    assert total["total"]["baseline"]["iou"]["road"] == 810 / 1000
    assert "figures of different weights were added, by their hash" in total["notes"]


def test_sums_can_be_added_again_but_no_recording_counts_twice(files, tmp_path, capsys):
    for name, file in zip(("one", "two"), files, strict=True):
        assert run("--merge", file, "--output", str(tmp_path / name)) == 0
    sums = [str(tmp_path / name / "evaluation.json") for name in ("one", "two")]
    assert run("--merge", *sums, "--output", str(tmp_path / "again")) == 0
    assert run("--merge", *files, "--output", str(tmp_path / "at_once")) == 0
    assert merged(tmp_path / "again") == merged(tmp_path / "at_once")
    assert run("--merge", *sums, files[0], "--output", str(tmp_path / "twice")) == 1
    assert "drives/long is there twice" in capsys.readouterr().err
    # A copy on another machine, played live: other name, other labels.
    copy = summary("copies/long", 899, 1) | {"images_sha256": "drives/long"}
    Path(files[1]).write_text(json.dumps(copy))
    assert run("--merge", *files, "--output", str(tmp_path / "copies")) == 1
    assert "copies/long has the images of drives/long" in capsys.readouterr().err


@pytest.mark.parametrize(
    ("limits", "status", "complaint"),
    [
        (("--fail-below", "mIoU", "45", "--fail-below", "fps", "4.5"), 0, ""),
        (("--fail-below", "mIoU", "46"), BELOW_LIMIT, "mIoU is 45.50, expected at least 46"),
        (("--fail-below", "VC_16", "10"), BELOW_LIMIT, "VC_16 is unknown"),
    ],
)
def test_what_is_below_its_limit_has_a_status_of_its_own(
    files, tmp_path, capsys, limits, status, complaint
):
    assert run("--merge", *files, "--output", str(tmp_path / "all"), *limits) == status
    assert complaint in capsys.readouterr().err


def test_two_evaluations_are_compared_class_by_class(files, tmp_path, capsys):
    assert run("--compare", *files, "--output", str(tmp_path / "both")) == 0
    lines = capsys.readouterr().out.splitlines()
    assert [line.split()[-3:] for line in lines if "IoU of road" in line] == [
        ["100.0", "10.0", "-90.0"]
    ]
    page = (tmp_path / "both" / "comparison.html").read_text()
    assert "long" in page
    assert "short" in page
    assert "-90.0" in page


def test_the_baseline_is_the_same_without_memory_and_before_the_node(tmp_path, monkeypatch):
    calls = []

    def evaluate(config, output, baseline=None):
        calls.append((config.parameters, output, baseline))
        frames = {"in_bag": 2, "answered": 1, "refused": 1}
        return SimpleNamespace(summary={"name": output.name, "frames": frames})

    monkeypatch.setattr(evaluation, "evaluate", evaluate)
    config = evaluation.EvaluationConfig(tmp_path, parameters={"threads": 1, "memory_size": 3})
    assert evaluation.evaluate_with_baseline(config, tmp_path / "out").summary["name"] == "out"
    (single, single_output, nothing), (*node, baseline) = calls
    assert single == {"threads": 1, "memory_size": 0}
    assert single_output == tmp_path / "out" / evaluation.BASELINE
    assert nothing is None
    assert node == [config.parameters, tmp_path / "out"]
    assert baseline["name"] == evaluation.BASELINE


@pytest.mark.parametrize(
    ("arguments", "complaint"),
    [
        ([], "give either recordings, or --merge, or --compare"),
        (["drive", "--fail-below", "mIoU", "0.6"], "mIoU is in percent"),
        (["drive", "--fail-below", "beauty", "1"], "expected one of mIoU, VC_16, fps"),
        (["drive", "other", "--attach"], "for one recording"),
        (["drive", "--jobs", "0"], "--jobs must be at least 1"),
    ],
)
def test_contradictions_are_told_at_once(capsys, arguments, complaint):
    with pytest.raises(SystemExit):
        run(*arguments)
    assert complaint in capsys.readouterr().err


def test_what_is_no_evaluation_and_what_cannot_be_written_is_told_in_a_line(
    files, tmp_path, capsys
):
    rubbish = tmp_path / "rubbish.json"
    for content in ("{", "[]", '{"miou": 1}'):
        rubbish.write_text(content)
        assert run("--merge", files[0], str(rubbish), "--output", str(tmp_path / "all")) == 1
        assert "rubbish.json is no" in capsys.readouterr().err
    assert run("--merge", *files, "--output", str(rubbish / "below")) == 1
    assert capsys.readouterr().err.count("\n") == 1
    assert run("a recording that is not played", "--output", str(rubbish)) == 1
    assert "rubbish.json is no folder" in capsys.readouterr().err


@pytest.fixture
def played(tmp_path, monkeypatch) -> list[list[str]]:
    """Commands of the recordings that were played, each of which succeeds at once."""
    commands: list[list[str]] = []

    def play(command: list[str], **options: Any):
        commands.append(command)
        file = Path(command[command.index("--output") + 1]) / "evaluation.json"
        file.write_text(json.dumps(summary(file.parent.name, 900, 0)))
        return SimpleNamespace(returncode=0, communicate=lambda: (b"", b""))

    monkeypatch.setattr(fleet, "start", play)
    monkeypatch.setattr(fleet, "write_fleet_html", lambda path, summary: None)
    monkeypatch.chdir(tmp_path)
    for name in "ab":
        Path(name).mkdir()
        Path(name, "0.mcap").write_bytes(b"images")
    for name in ("network", "exported", "other", "listed"):
        Path(name).write_bytes(b"1")
    section = {"checkpoint": "network", "more": {"names": ["listed"]}}
    Path("node.yaml").write_text(json.dumps({"/**": {"ros__parameters": section}}))
    return commands


@pytest.mark.parametrize(
    ("options", "changed"),
    [
        (["--checkpoint", "network"], "network"),
        (["-p", "checkpoint:=network"], "network"),
        (["-p", "model_file:=exported"], "exported"),
        (["-p", "engine:='exported'"], "exported"),
        (["-p", "something:=[1, other]"], "other"),
        (["--params-file", "node.yaml"], "network"),
        (["--params-file", "node.yaml"], "listed"),
        (["--params-file", "node.yaml"], "node.yaml"),
        ([], "a/0.mcap"),
        ([], "a/metadata.yaml"),
    ],
)
def test_what_was_played_is_played_again_when_a_file_has_changed(played, options, changed):
    evaluate = ["a", "b", "--output", "out", *options]
    assert run(*evaluate) == 0
    os.utime("a/0.mcap", (1, 1))
    assert run(*evaluate) == 0
    assert len(played) == 2, "what is there is taken up, content counts"
    file = Path(changed)
    text = file.read_text() if file.exists() else ""
    file.write_text(text + "#" if changed.endswith(".yaml") else "2" + text[1:])
    assert run(*evaluate) == 0
    again = [command[command.index("-m") + 2] for command in played[2:]]
    assert sorted(again) == (["a"] if changed.startswith("a/") else ["a", "b"])


def test_other_software_and_damaged_results_are_played_again(played, monkeypatch):
    assert run("a", "b", "--output", "out") == 0
    Path("out/a/evaluation.json").write_text("{")
    assert run("a", "b", "--output", "out") == 0
    assert len(played) == 3
    interrupted = summary("a", 900, 0)
    interrupted["frames"]["answered"] = 5
    Path("out/a/evaluation.json").write_text(json.dumps(interrupted))
    assert run("a", "b", "--output", "out") == 0
    assert len(played) == 4
    monkeypatch.setattr("lmanet_ros.evaluation.request.software", lambda: "next release")
    assert run("a", "b", "--output", "out") == 0
    assert len(played) == 6


def test_a_larger_latency_is_worse():
    latencies = [{"latency_ms": {"p50": value}} for value in (10.0, 20.0)]
    first, second = (summary("a", 900, 0) | latency for latency in latencies)
    (row,) = (r for r in compare(first, second, ("a", "b")).rows if r.name.startswith("latency"))
    assert row.verdict == "worse"


PLAYER = """
import pathlib, signal, sys

output = pathlib.Path(sys.argv[1])
signal.pthread_sigmask(signal.SIG_BLOCK, [signal.SIGINT])
(output / "begun").touch()
signal.sigwait([signal.SIGINT])
(output / "evaluation.json").write_text(sys.argv[2])
"""
"""Stands in for the evaluation of one recording: reports when it is interrupted, not before."""


def test_sigterm_ends_all_that_play_and_what_was_played_is_reported(tmp_path, monkeypatch):
    bags, result = [tmp_path / name for name in "abc"], tmp_path / "result"
    for bag in bags:
        bag.touch()

    def play(command: list[str], **options: Any):
        output = Path(command[command.index("--output") + 1])
        reported = json.dumps(summary(output.name, 900, 0))
        return start([sys.executable, "-c", PLAYER, str(output), reported], **options)

    def end_when_two_play() -> None:
        try:
            wait_until(lambda: len(list(result.glob("*/begun"))) == 2, "two to be played")
        finally:
            os.kill(os.getpid(), signal.SIGTERM)

    monkeypatch.setattr(fleet, "start", play)
    end = Thread(target=end_when_two_play)
    end.start()
    assert run(*map(str, bags), "--jobs", "2", "--output", str(result)) == 1
    end.join()
    assert [row["bag"] for row in merged(result)["recordings"]] == ["a", "b"]
    assert merged(result)["failed"] == [
        {"bag": str(bags[2]), "reason": "interrupted before it was played"}
    ]
