"""A shipped network that is not the default, exported, in all programs that take exported files."""

import json
import math
import subprocess
import sys
from itertools import islice
from pathlib import Path

import numpy as np
import pytest
from rclpy.serialization import deserialize_message
from ros_harness import NODE_COMMAND, REPORT_OFTEN, NodeProcess, connected, image_message, pixels
from sensor_msgs.msg import Image

from lmanet_core import VideoSegmenter, load, open_segmenter
from lmanet_core.checkpoint import checkpoint_hash, load_work_size
from lmanet_core.command.__main__ import main
from lmanet_core.data.synthetic import StreetConfig, StreetVideo
from lmanet_core.evaluation import common_classes
from lmanet_core.network.classes import CITYSCAPES
from lmanet_ros.bags.reading import read_bag
from lmanet_ros.make_bag import main as make_bag

pytest.importorskip("openvino", reason="the extra `export` is missing")
pytest.importorskip("onnxscript", reason="the extra `export` is missing")
pytestmark = pytest.mark.slow

NETWORK = "street-camvid"
"""Its classes and its size are not those of the default."""
SIZE = (160, 96)
LEAST = 0.997
"""Share of the pixels with the label of PyTorch: images are enlarged on either side."""
SEED = 3
FRAMES = [image for image, _ in islice(StreetVideo(SEED, StreetConfig(size=SIZE)), 6)]


@pytest.fixture(scope="module", params=["lmanet", "onnx"])
def exported(request, tmp_path_factory) -> Path:
    path = tmp_path_factory.mktemp("exported") / f"robot.{request.param}"
    assert main(["export", NETWORK, str(path)]) == 0
    return path


@pytest.fixture(scope="module")
def library(exported) -> VideoSegmenter:
    """The checkpoint in PyTorch, at the size that the file runs at."""
    size = load_work_size(NETWORK)
    # Network files keep the images' proportions, ONNX files have one size.
    at = {"work_size": size} if exported.suffix == ".onnx" else {"work_pixels": math.prod(size)}
    return open_segmenter(load(NETWORK), precision="fp32", device="cpu", **at)


@pytest.fixture(scope="module")
def expected(library) -> list[np.ndarray]:
    library.reset()
    return [library.step(image).labels for image in FRAMES]


def program(name: str, output: Path, *arguments: str | Path) -> None:
    command = [sys.executable, "-m", name, *arguments, "--output", output]
    result = subprocess.run(command, capture_output=True, text=True, check=False)
    assert result.returncode == 0, result.stdout + result.stderr


def size_text(library: VideoSegmenter) -> str:
    return "x".join(map(str, library.network_size))


def test_the_node_says_what_the_checkpoint_says(exported, library, expected):
    options = ("-p", f"model_file:={exported}", "-p", "precision:=fp32")
    process = NodeProcess([*NODE_COMMAND, "--ros-args", *REPORT_OFTEN, *options])
    try:
        with connected(process) as client:
            for number, image in enumerate(FRAMES):
                answer = client.ask(image_message(image, stamp=1 + number / 15))
                assert (pixels(answer["labels"]) == expected[number]).mean() > LEAST
            assert client.class_table() == library.classes
            client.fresh_status()
            assert client.diagnostics["memory_filled"] == str(library.backend.filled)
            assert client.diagnostics["work_size"] == size_text(library)
            assert (
                client.diagnostics["network"] == client.diagnostics["model_file"] == str(exported)
            )
            assert client.diagnostics["model_hash"] == checkpoint_hash(exported)
    finally:
        process.end()


def test_evaluate_bag_scores_it_in_its_classes(exported, library, expected, tmp_path):
    bag = tmp_path / "bag"
    width, height = SIZE
    street = ["--seed", str(SEED), "--frames", str(len(FRAMES)), "--size", f"{width}x{height}"]
    clean = ["--noise", "0", "--flicker", "0", "--occlusion-rate", "0", "--no-depth"]
    assert make_bag(["--output", str(bag), *street, *clean]) == 0
    options = ("-p", f"model_file:={exported}", "-p", "precision:=fp32", "--outputs", "labels")
    program("lmanet_ros.evaluate_bag", tmp_path / "result", bag, *options)
    summary = json.loads((tmp_path / "result" / "evaluation.json").read_text())
    assert summary["run"]["work_size"] == size_text(library)
    assert summary["run"]["model_hash"] == checkpoint_hash(exported)
    common = common_classes(library.classes, CITYSCAPES)
    assert tuple(summary["tally"]["classes"]) == common.classes.names
    found = [
        pixels(deserialize_message(message.data, Image))
        for message in read_bag(tmp_path / "result" / "predictions", report=pytest.fail)
        if message.topic == "/segmentation_node/labels"
    ]
    shares = [(ours == theirs).mean() for ours, theirs in zip(found, expected, strict=True)]
    assert min(shares) > LEAST


def test_the_demo_scores_it_in_its_classes(exported, library, tmp_path):
    width, height = SIZE
    options = ("--model-file", exported, "--frames", "12", "--size", f"{width}x{height}")
    program("lmanet_ros.demo", tmp_path / "demo", *options)
    summary = json.loads((tmp_path / "demo" / "summary.json").read_text())
    assert summary["engine"] == str(exported)
    assert summary["answered"] > 0
    classes = common_classes(library.classes, CITYSCAPES).classes
    for name in ("node", "single_frame"):
        assert tuple(summary["iou"][name]) == classes.names
        # Label numbers of other classes would agree by accident only.
        assert summary["miou"][name] > 0.2
