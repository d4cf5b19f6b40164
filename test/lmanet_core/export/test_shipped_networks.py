"""Every network that is shipped, in every form: each says what the checkpoint says."""

from functools import cache
from itertools import islice
from pathlib import Path

import cv2
import numpy as np
import pytest

from lmanet_core import VideoSegmenter, load
from lmanet_core.checkpoint import DEFAULT_WEIGHTS, WEIGHTS_FOLDER, load_work_size, shipped_weights
from lmanet_core.command.__main__ import main
from lmanet_core.data.datasets import open_dataset
from lmanet_core.data.recording import CLASSES, read_classes
from lmanet_core.data.synthetic import StreetConfig, StreetVideo
from lmanet_core.runtime import open_segmenter
from lmanet_core.runtime.engine_file import read_engine
from lmanet_core.runtime.network_classes import network_classes

pytest.importorskip("onnxruntime", reason="the extra `export` is missing")
pytest.importorskip("onnxscript", reason="the extra `export` is missing")

SIZE = (128, 64)
EVERY_NETWORK = pytest.mark.parametrize(
    "network",
    # One is enough for every run of the suite.
    [
        pytest.param(name, marks=() if name == DEFAULT_WEIGHTS else pytest.mark.slow)
        for name in shipped_weights()
    ],
)
# What is exported and with which options.
FORMS = {
    "network.lmanet": [],
    "half.lmanet": ["--half-weights"],
    "int8.lmanet": ["--precision", "int8", "--calibrate", "synthetic", "--calibration-frames", "6"],
    "fp32.onnx": [],
    "fp16.onnx": ["--precision", "fp16"],
}
# What runs it, in which precision, and the share of pixels whose label is that of PyTorch in fp32.
RUNS = [
    ("network.lmanet", "openvino", "fp32", 0.999),
    ("network.lmanet", "onnxruntime", "auto", 0.999),
    *(
        pytest.param(*run, marks=pytest.mark.slow)
        for run in [
            ("network.lmanet", "openvino", "bf16", 0.97),
            ("half.lmanet", "openvino", "fp32", 0.98),
            ("half.lmanet", "openvino", "bf16", 0.97),
            ("half.lmanet", "onnxruntime", "auto", 0.98),
            ("int8.lmanet", "openvino", "auto", 0.85),
            ("fp32.onnx", "openvino", "fp32", 0.999),
            ("fp32.onnx", "onnxruntime", "auto", 0.999),
            ("fp16.onnx", "openvino", "auto", 0.97),
            ("fp16.onnx", "onnxruntime", "auto", 0.97),
        ]
    ),
]


@cache
def clip() -> list[np.ndarray]:
    """Six frames of a street, so that the memory is full before the last."""
    street = StreetVideo(7, StreetConfig(size=SIZE))
    return [image for image, _ in islice(street, 6)]


@cache
def expected(network: str) -> tuple[list[np.ndarray], VideoSegmenter]:
    library = open_segmenter(load(network), precision="fp32", device="cpu", work_size=SIZE)
    return [library.step(image).labels for image in clip()], library


@pytest.fixture(scope="session")
def export(tmp_path_factory):
    """Makes a file once, by the program, and gives its path."""
    folder = tmp_path_factory.mktemp("shipped")

    @cache
    def export(network: str, form: str) -> Path:
        path = folder / f"{network}-{form}"
        width, height = SIZE
        arguments = ["export", network, str(path), "--size", f"{width}x{height}"]
        assert main([*arguments, *FORMS[form]]) == 0
        return path

    return export


@EVERY_NETWORK
@pytest.mark.parametrize(("form", "backend", "precision", "least"), RUNS)
def test_an_export_gives_the_labels_of_the_checkpoint(
    export, network, form, backend, precision, least
):
    if form == "int8.lmanet":
        pytest.importorskip("nncf", reason="the extra `int8` is missing")
    labels, library = expected(network)
    engine = export(network, form)
    exported = open_segmenter(
        network, model_file=engine, backend=backend, precision=precision, device="cpu"
    )
    found = [exported.step(image).labels for image in clip()]
    shares = [(ours == theirs).mean() for ours, theirs in zip(found, labels, strict=True)]
    assert min(shares) >= least
    assert exported.file == engine
    assert exported.classes == network_classes(engine) == library.classes
    assert exported.network_size == library.network_size == SIZE
    assert exported.backend.filled == library.backend.filled == 4


@pytest.mark.slow
@pytest.mark.parametrize("network", shipped_weights())
@pytest.mark.parametrize("form", ["lmanet", "onnx"])
def test_without_a_size_it_runs_at_the_one_that_the_checkpoint_records(network, form, tmp_path):
    path = tmp_path / f"{network}.{form}"
    assert main(["export", network, str(path)]) == 0
    exported = open_segmenter(model_file=path)
    library = open_segmenter(load(network), work_size=load_work_size(network))
    width, height = load_work_size(network)
    for segmenter in (exported, library):
        segmenter.step(np.zeros((height, width, 3), np.uint8))
    assert exported.network_size == library.network_size


@pytest.mark.slow
@pytest.mark.parametrize("network", shipped_weights())
def test_an_engine_is_built_for_it(network, tmp_path):
    pytest.importorskip("tensorrt_rtx", reason="tensorrt_rtx is not installed")
    path = tmp_path / f"{network}.engine"
    arguments = ["export", network, str(path), "--runtime", "tensorrt_rtx", "--gpus", "89"]
    assert main([*arguments, "--size", "128x64"]) == 0
    info, plan = read_engine(path)
    assert info.graph.classes == network_classes(path) == network_classes(network)
    assert info.graph.work_size == SIZE
    assert len(plan) > 1_000_000


@EVERY_NETWORK
def test_label_gives_the_labels_of_the_network(network, tmp_path, capsys):
    labels, library = expected(network)
    video, output = tmp_path / "drive", tmp_path / "out"
    video.mkdir()
    for number, image in enumerate(clip()):
        cv2.imwrite(str(video / f"{number}.png"), image[:, :, ::-1])
    options = ["--scales", "1", "--no-mirror", "--min-confidence", "0"]
    assert main(["label", network, str(video), str(output), *options]) == 0
    assert read_classes(output / CLASSES) == library.classes
    (recorded,) = open_dataset("recording", output, "all").videos
    # The teacher computes in bfloat16 where the processor does.
    for number, expected_labels in enumerate(labels):
        assert (recorded.labels(number) == expected_labels).mean() >= 0.97
    exported = WEIGHTS_FOLDER / f"{network}.lmanet"
    if not exported.exists():
        return
    options = ["--name", "exported", "--min-confidence", "0"]
    assert main(["label", str(exported), str(video), str(output), *options]) == 0
    recorded = open_dataset("recording", output, "all").videos[1]
    segmenter = open_segmenter(model_file=exported)
    for number, image in enumerate(clip()):
        np.testing.assert_array_equal(recorded.labels(number), segmenter.step(image).labels)
    assert main(["label", str(exported), str(video), str(output), "--scales", "2"]) == 1
    assert "--scales and --no-mirror are for checkpoints" in capsys.readouterr().err
