"""The evaluation from its command line: real node, real middleware, damaged recordings."""

import json
import re
import shutil
import signal
import subprocess
import sys
from collections.abc import Iterator
from itertools import islice, pairwise
from pathlib import Path

import cv2
import numpy as np
import pytest
from bag_files import write_messages
from hidden_packages import without_packages
from rclpy.serialization import deserialize_message
from ros_harness import (
    Client,
    NodeProcess,
    connected,
    image_message,
    pixels,
    running_node,
    set_header,
)
from sensor_msgs.msg import CompressedImage, Image

from lmanet_core import CITYSCAPES
from lmanet_core.checkpoint import DEFAULT_WEIGHTS, WEIGHTS_FOLDER, checkpoint_hash
from lmanet_core.data.synthetic import StreetConfig, StreetVideo
from lmanet_ros.bags.message import header_stamp
from lmanet_ros.bags.reading import read_bag

COMMAND = (sys.executable, "-m", "lmanet_ros.evaluate_bag")
SIZE = (64, 64)
FRAMES = list(islice(StreetVideo(0, StreetConfig(size=SIZE)), 12))
BAD_FRAME, FIRST_AFTER_GAP, FIRST_SMALL = 4, 7, 9


def stamp(number: int) -> float:
    return 1 + number / 10 + (number >= FIRST_AFTER_GAP) * 3


def drive(compressed: bool) -> Iterator[tuple[str, Image | CompressedImage]]:
    """Frames with labels, one of them bad, a gap in time and a change of size."""
    for number, (picture, labels) in enumerate(FRAMES):
        if number >= FIRST_SMALL:
            picture, labels = picture[:32], labels[:32]
        image = image_message(picture)
        if compressed:
            image = CompressedImage(format="png")
            image.data = cv2.imencode(".png", picture[:, :, ::-1])[1].tobytes()
        if number == BAD_FRAME:
            image.data = image.data[:20]
        set_header(image, stamp(number))
        yield "/front/image" + "/compressed" * compressed, image
        yield "/front/labels", image_message(labels[:, :, None], "mono8", stamp=stamp(number))


def run(bag: Path | list[Path], output: Path, *arguments: str | Path) -> dict:
    """Evaluate; the summary."""
    bags = bag if isinstance(bag, list) else [bag]
    command = [*COMMAND, *bags, "--output", output, *arguments]
    result = subprocess.run(command, capture_output=True, text=True, check=False)
    assert result.returncode == 0, result.stdout + result.stderr
    return json.loads((output / "evaluation.json").read_text())


@pytest.fixture(scope="module")
def damaged(tmp_path_factory, checkpoint) -> Path:
    """Results on a raw MCAP recording whose end is missing."""
    folder = tmp_path_factory.mktemp("damaged")
    bag = write_messages(folder / "bag", drive(compressed=False))
    file = bag / "bag.mcap"
    file.write_bytes(file.read_bytes()[:-20])
    run(bag, folder / "result", "--checkpoint", checkpoint)
    return folder / "result"


@pytest.fixture
def summary(damaged) -> dict:
    return json.loads((damaged / "evaluation.json").read_text())


def test_every_frame_is_accounted_for_and_what_was_skipped_has_a_reason(summary):
    assert summary["frames"] == {
        "in_bag": 12,
        "answered": 11,
        "dropped": 0,
        "refused": 1,
        "unanswered": 0,
    }
    (skipped,) = summary["skipped"]
    assert skipped["frames"] == [BAD_FRAME]
    assert "wrong data length" in skipped["reason"]
    notes = " | ".join(summary["notes"])
    assert "bag.mcap: cut off or damaged after" in notes
    assert "between frames 6 and 7 lies a gap of 3.100 s" in notes
    assert "between frames 8 and 9 the size changes from 64x64 to 64x32" in notes
    # Without loss, only what the node can use is sent to it.
    assert summary["node"]["received"] == summary["node"]["processed"] == 11


def test_quality_and_latency_are_measured(summary):
    assert summary["scored_frames"] == 11
    assert 0 <= summary["miou"] < 0.5
    assert 0 < summary["temporal_consistency"] <= 1
    latency = summary["latency_ms"]
    assert 0 < latency["p50"] <= latency["p95"] <= latency["p99"] <= latency["max"]
    rows = {row["number"]: row for row in summary["per_frame"] if row["miou"] is not None}
    worst = [rows[number] for number in summary["worst_frames"]]
    assert [row["miou"] for row in worst] == sorted(row["miou"] for row in worst)
    assert worst[0]["miou"] == min(row["miou"] for row in rows.values())
    # Not neighbours, but for such as follow the gap.
    assert 2 <= len(worst) <= 6
    stamps = sorted(row["stamp"] for row in worst)
    assert min(after - before for before, after in pairwise(stamps)) >= 3e8


def test_the_summary_says_what_it_was_made_with(summary, checkpoint):
    run = summary["run"]
    assert run["model_hash"] == checkpoint_hash(checkpoint)
    assert run["network"] == run["model_file"] == str(checkpoint)
    assert run["backend"].startswith("torch cpu")
    assert run["memory_size"] == "2"
    assert run["work_size"] == "64x32"
    assert "evaluate_bag" in run["command"]
    assert run["date"]
    assert run["machine"]
    assert run["software"]
    assert summary["fps"] > 0
    confusion = np.array(summary["tally"]["confusion"])
    assert confusion.sum() == sum(64 * (64 if n < FIRST_SMALL else 32) for n in range(12)) - 64 * 64


def test_predictions_lie_beside_the_input(damaged, summary):
    messages: dict[str, list] = {}
    for message in read_bag(damaged / "predictions", report=pytest.fail):
        messages.setdefault(message.topic, []).append(message)
    assert len(messages["/front/image"]) == len(messages["/front/labels"]) == 12
    received = [message.received for message in messages["/front/image"]]
    for name in ("labels", "overlay"):
        answers = messages[f"/segmentation_node/{name}"]
        assert [message.received for message in answers] == [
            time for number, time in enumerate(received) if number != BAD_FRAME
        ]
    predicted = [deserialize_message(m.data, Image) for m in messages["/segmentation_node/labels"]]
    true = {header_stamp(m.data): m.data for m in messages["/front/labels"]}
    hits = union = 0
    for message, labels in zip(messages["/segmentation_node/labels"], predicted, strict=True):
        truth = pixels(deserialize_message(true[header_stamp(message.data)], Image))
        hits += ((pixels(labels) == 0) & (truth == 0)).sum()
        union += ((pixels(labels) == 0) | (truth == 0)).sum()
    assert summary["iou"]["road"] == pytest.approx(hits / union, abs=1e-4)


def test_the_report_needs_nothing_but_itself(damaged, summary):
    report = (damaged / "report.html").read_text()
    sources = re.findall(r'(?:src|href)="([^"]*)"', report)
    assert all(source.startswith("data:image/") for source in sources)
    # Three plots, the classes' and the confusion, four pictures of each bad frame, the legend.
    assert len(sources) == 5 + 4 * len(summary["worst_frames"]) + 1
    assert "wrong data length" in report


ROBOT = """
/**: {ros__parameters: {max_rate: 0.2}}
segmentation_node:
  ros__parameters: {autostart: false, image_topics: [/robot/camera], use_sim_time: true}
/**/segmentation_node:
  ros__parameters: {max_rate: 0.1, qos_overrides: {/image: {subscription: {depth: 1}}}}
"""
"""Parameters with which a node on a robot would never answer an evaluation, or to few frames."""


def test_labels_are_the_same_on_every_run_however_the_bag_is_stored(
    tmp_path, damaged, summary, checkpoint, monkeypatch
):
    messages = list(drive(compressed=True))
    # What a node said while it was recorded, under the name that it has here, too.
    said = image_message(np.zeros((64, 64, 1), np.uint8), "mono8", stamp=stamp(0))
    messages.insert(2, ("/segmentation_node/labels", said))
    bag = write_messages(tmp_path / "bag", messages, storage="sqlite3")
    short = write_messages(tmp_path / "short", islice(drive(compressed=False), 6))
    (tmp_path / "robot.yaml").write_text(ROBOT)
    # A name that YAML has for a number.
    shutil.copy(checkpoint, tmp_path / "2024")
    monkeypatch.chdir(tmp_path)
    options = ("--checkpoint", "2024", "--outputs", "labels", "--params-file", "robot.yaml")
    # ROS has such a value for a remap rule.
    options += ("-p", "autostart:=true")
    fleet = run([bag, short], tmp_path / "result", "--jobs", "2", *options)
    again, other = fleet["recordings"]
    assert again["label_topic"] == "/front/labels"
    assert again["labels_sha256"] == summary["labels_sha256"]
    assert again["miou"] == summary["miou"]
    assert "undecodable" in again["skipped"][0]["reason"]
    assert fleet["total"]["frames"]["answered"] == 11 + 3
    confusion = [np.array(part["tally"]["confusion"]) for part in (again, other, fleet["total"])]
    assert (confusion[0] + confusion[1] == confusion[2]).all()
    # What has its result is not played again; what is missing is.
    (tmp_path / "result" / "short" / "evaluation.json").unlink()
    kept = (tmp_path / "result" / "bag" / "evaluation.json").stat()
    assert run([bag, short], tmp_path / "result", *options)["total"]["iou"] == fleet["total"]["iou"]
    assert (tmp_path / "result" / "bag" / "evaluation.json").stat() == kept


def test_an_exported_file_is_scored_with_its_classes_and_without_pytorch(tmp_path, monkeypatch):
    """Whatever network the robot's file has."""
    bag = write_messages(tmp_path / "bag", islice(drive(compressed=False), 2))
    (tmp_path / "robot.yaml").write_text("/**: {ros__parameters: {checkpoint: street-camvid}}")
    for name, value in without_packages(tmp_path / "hidden", "torch").items():
        monkeypatch.setenv(name, value)
    exported = WEIGHTS_FOLDER / f"{DEFAULT_WEIGHTS}.lmanet"
    options = ("-p", f"model_file:={exported}", "--params-file", tmp_path / "robot.yaml")
    summary = run(bag, tmp_path / "result", "--outputs", "labels", *options)
    assert summary["checkpoint"] == str(exported)
    assert tuple(summary["tally"]["classes"]) == CITYSCAPES.names
    assert str(exported) in (tmp_path / "result" / "report.html").read_text()
    default = run([bag], tmp_path / "default", "--outputs", "labels")
    assert default["labels_sha256"] == summary["labels_sha256"]
    # What runs in place of the shipped weights is told.
    for result, name in ((summary, str(exported)), (default, DEFAULT_WEIGHTS)):
        assert result["run"]["network"] == result["checkpoint"] == name
        assert result["run"]["model_file"] == str(exported)
        assert result["run"]["model_hash"] == checkpoint_hash(exported)


def test_live_a_running_node_is_played_to_and_what_it_drops_is_told(tmp_path, checkpoint):
    bag = write_messages(tmp_path / "bag", drive(compressed=False))
    reliable = ("-p", "qos_overrides./image.subscription.reliability:=reliable")
    with running_node(checkpoint, *reliable) as process:
        summary = run(bag, tmp_path / "result", "--attach", "--live", "--rate", "30")
        with connected(process) as client:
            assert_what_was_played_before_sigterm_is_reported(bag, tmp_path / "ended", client)
        assert process.running
    frames, node = summary["frames"], summary["node"]
    not_answered = frames["dropped"] + frames["unanswered"]
    assert frames["answered"] + not_answered == 11
    assert frames["refused"] == 1
    assert node["processed"] == frames["answered"] > 0
    # A node that is slow to take a frame may never see it: the middleware keeps the newest five.
    unseen = 12 - node["received"]
    assert node["dropped"] + node["refused"] + unseen == not_answered + frames["refused"]
    assert summary["checkpoint"] == str(checkpoint)


def assert_what_was_played_before_sigterm_is_reported(bag: Path, output: Path, client: Client):
    answers = client.received["labels"]
    options = ("--attach", "--live", "--rate", "1")
    evaluation = NodeProcess([*COMMAND, bag, "--output", output, *options])
    try:
        # What wakes the node up has a name of its own. With the second one's labels, the first one
        # has all of its answers.
        client.wait_until(
            lambda: sum(answer.header.frame_id == "camera" for answer in answers) >= 2, "answers"
        )
        evaluation.signal(signal.SIGTERM)
        assert evaluation.wait() == 0, evaluation.output
    finally:
        evaluation.end()
    summary = json.loads((output / "evaluation.json").read_text())
    assert 0 < summary["frames"]["answered"] < 11
    assert "playing was interrupted after" in " ".join(summary["notes"])
    topics = [message.topic for message in read_bag(output / "predictions")]
    assert topics.count("/segmentation_node/labels") == summary["frames"]["answered"]


def test_what_cannot_be_evaluated_is_refused_with_a_reason(tmp_path, capsys):
    from lmanet_ros.evaluate_bag import main

    empty = image_message(np.zeros((8, 8, 3), np.uint8), "strange", stamp=1.0)
    unusable = write_messages(tmp_path / "unusable", [("/image", empty)])
    for bag, expected in (
        (tmp_path / "missing", "no recording"),
        (unusable, "no images of a camera: there is /image (unknown encoding, 'strange')"),
    ):
        assert main(["evaluate_bag", str(bag), "--output", str(tmp_path / "out")]) == 1
        assert expected in capsys.readouterr().err
    assert not (tmp_path / "out").exists()


def test_what_is_evaluated_and_what_is_no_recording_is_not_deleted(tmp_path, capsys):
    from lmanet_ros.evaluate_bag import main

    def expect_refusal(bag: Path, output: Path, expected: str) -> None:
        assert main(["evaluate_bag", str(bag), "--output", str(output)]) == 1
        assert expected in capsys.readouterr().err

    bag = write_messages(tmp_path / "predictions", drive(compressed=False))
    for recording in (bag, bag / "predictions.mcap"):
        expect_refusal(recording, tmp_path, "cannot be what is evaluated")
        assert recording.exists()
    notes = tmp_path / "other" / "predictions" / "notes.txt"
    notes.parent.mkdir(parents=True)
    notes.touch()
    expect_refusal(bag, tmp_path / "other", "not just a recording: move it away")
    assert notes.exists()
