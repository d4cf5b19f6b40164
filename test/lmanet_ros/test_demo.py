"""The demo in a short form, from its command line."""

import json
import subprocess
import sys
from collections import defaultdict
from pathlib import Path
from types import SimpleNamespace

import cv2
import numpy as np
import pytest
from full_disk import full_disk
from ros_harness import street
from rosbags.highlevel import AnyReader

from lmanet_core import CITYSCAPES
from lmanet_ros.demo import pictures
from lmanet_ros.evaluation.answers import AnsweredFrame
from lmanet_ros.messages.node_outputs import PICTURES

FRAMES = 20
WIDTH, HEIGHT = 256, 128


def run_demo(output: Path, *arguments: str | Path) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, "-m", "lmanet_ros.demo", "--output", output, *arguments],
        capture_output=True,
        text=True,
        check=False,
    )


def read_bag(bag: Path) -> dict[str, list]:
    messages = defaultdict(list)
    with AnyReader([bag]) as reader:
        for connection, _, data in reader.messages():
            messages[connection.topic].append(reader.deserialize(data, connection.msgtype))
    return messages


def stamps(messages: list) -> list[tuple[int, int]]:
    return [(m.header.stamp.sec, m.header.stamp.nanosec) for m in messages]


@pytest.fixture(scope="module")
def demo(tmp_path_factory, checkpoint) -> Path:
    """Output of the demo on the synthetic street."""
    output = tmp_path_factory.mktemp("demo")
    arguments = ["--frames", str(FRAMES), "--size", f"{WIDTH}x{HEIGHT}", "--checkpoint", checkpoint]
    result = run_demo(output, *arguments)
    assert result.returncode == 0, result.stdout + result.stderr
    assert "mIoU" in result.stdout
    return output


def test_the_summary_accounts_for_every_frame(demo):
    summary = json.loads((demo / "summary.json").read_text())
    frames = summary["frames"]
    assert frames["published"] == FRAMES
    # A node that a busy machine keeps from taking frames never sees some.
    assert frames["processed"] + frames["dropped"] == frames["received"] <= FRAMES
    assert summary["answered"] == frames["processed"] > 0
    assert 0 < summary["latency_ms"]["p50"] <= summary["latency_ms"]["p95"]
    assert 0 <= summary["miou"]["node"] < 0.5


def test_the_recordings_hold_the_street_and_all_answers_of_the_node(demo):
    assert list((demo / "bag").glob("*.mcap"))
    assert len(read_bag(demo / "bag")["/camera/depth"]) == FRAMES
    messages = read_bag(demo / "evaluation" / "predictions")
    assert len(messages["/camera/image"]) == FRAMES
    assert stamps(messages["/camera/image"]) == stamps(messages["/camera/labels"])
    asked = {stamp: m.header.frame_id for m in messages["/camera/image"] for stamp in stamps([m])}
    for name in PICTURES:
        answers = messages[f"/segmentation_node/{name}"]
        assert stamps(answers) == sorted(set(stamps(answers)))
        for answer, stamp in zip(answers, stamps(answers), strict=True):
            assert answer.header.frame_id == asked[stamp]
            assert (answer.width, answer.height) == (WIDTH, HEIGHT)


def test_the_miou_is_that_of_the_labels_in_the_bag(demo):
    messages = read_bag(demo / "evaluation" / "predictions")
    truths = dict(zip(stamps(messages["/camera/labels"]), messages["/camera/labels"], strict=True))
    labels = messages["/segmentation_node/labels"]
    predicted = np.concatenate([m.data for m in labels])
    true = np.concatenate([truths[stamp].data for stamp in stamps(labels)])
    iou = [
        ((predicted == c) & (true == c)).sum() / ((predicted == c) | (true == c)).sum()
        for c in range(len(CITYSCAPES))
        if c in predicted or c in true
    ]
    summary = json.loads((demo / "summary.json").read_text())
    assert summary["miou"]["node"] == pytest.approx(np.mean(iou), abs=1e-4)


def test_the_pictures_show_input_labels_overlay_and_truth(demo):
    sheet = cv2.imread(str(demo / "contact_sheet.png"))
    assert sheet.shape[1] > 4 * WIDTH
    assert sheet.shape[0] > 5 * HEIGHT
    video = cv2.VideoCapture(str(demo / "demo.mp4"))
    answered = json.loads((demo / "summary.json").read_text())["answered"]
    assert video.get(cv2.CAP_PROP_FRAME_COUNT) == answered
    assert video.get(cv2.CAP_PROP_FRAME_WIDTH) > 4 * WIDTH


def test_the_ground_is_pictured_from_above_and_judged(demo):
    picture = cv2.imread(str(demo / "from_above.png"))
    red, green, blue = CITYSCAPES.palette[CITYSCAPES.names.index("road")]
    # A third of it is exact.
    assert (picture == (blue, green, red)).all(2).mean() > 0.02
    summary = json.loads((demo / "summary.json").read_text())
    for figures in summary["in_space"].values():
        assert 0 <= figures["points with the scene's own class, 0-10 m, %"] <= 100
        assert figures["ghost obstacles, points per frame"] >= 0


def test_a_folder_of_images_is_segmented_without_a_score(tmp_path, checkpoint):
    video = tmp_path / "video"
    video.mkdir()
    for number in range(4):
        cv2.imwrite(str(video / f"{number}.png"), street(96, 64, seed=number))
    result = run_demo(tmp_path / "out", "--video", video, "--checkpoint", checkpoint)
    assert result.returncode == 0, result.stdout + result.stderr
    summary = json.loads((tmp_path / "out" / "summary.json").read_text())
    assert summary["frames"]["published"] == 4
    assert summary["size"] == "96x64"
    assert summary["miou"] == summary["in_space"] == {}
    assert not (tmp_path / "out" / "from_above.png").exists()
    assert "mIoU" not in result.stdout
    assert (tmp_path / "out" / "contact_sheet.png").exists()


def test_a_video_that_cannot_be_read_to_its_end_is_named(tmp_path, checkpoint):
    (tmp_path / "0.png").write_bytes(cv2.imencode(".png", street())[1].tobytes())
    (tmp_path / "1.png").write_bytes(b"no image")
    result = run_demo(tmp_path / "out", "--video", tmp_path, "--checkpoint", checkpoint)
    assert result.returncode == 1
    assert "1.png is not an image" in result.stderr
    assert "Traceback" not in result.stderr


def test_what_cannot_work_is_refused_before_anything_starts(tmp_path, checkpoint):
    good = ["--checkpoint", checkpoint]
    for bad in (["--checkpoint", "missing"], ["--video", "missing"]):
        result = run_demo(tmp_path / "out", *good, *bad)
        assert result.returncode == 1
        assert "'missing'" in result.stderr
        assert "Traceback" not in result.stderr
    assert not (tmp_path / "out").exists()


def test_a_video_that_does_not_fit_on_the_disk_is_told_and_the_old_one_stays(tmp_path):
    noise = np.random.default_rng(0).integers(0, 256, (5, 64, 96, 3), np.uint8)
    frames = [AnsweredFrame(None, image, image[..., 0], None, None) for image in noise]
    evaluated = SimpleNamespace(
        answers=lambda: iter(frames), playback=SimpleNamespace(classes=CITYSCAPES)
    )
    video = tmp_path / "demo.mp4"
    if not pictures.write_video(evaluated, video, rate=5):
        pytest.skip("OpenCV writes no MPEG-4 here")
    before = video.read_bytes()
    with full_disk(10_000), pytest.raises(OSError, match=r"demo\.mp4: not all frames"):
        pictures.write_video(evaluated, video, rate=5)
    assert video.read_bytes() == before
    assert list(tmp_path.iterdir()) == [video]
