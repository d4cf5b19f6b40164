"""Every network that is shipped, in every form: each says what the checkpoint says."""

from functools import cache
from itertools import islice
from pathlib import Path

import numpy as np
import pytest

from lmanet_core import VideoSegmenter, load
from lmanet_core.checkpoint import DEFAULT_WEIGHTS, shipped_weights
from lmanet_core.command.__main__ import main
from lmanet_core.data.synthetic import StreetConfig, StreetVideo
from lmanet_core.runtime import open_segmenter

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
# What is exported, what runs it, and the share of pixels whose label is that of PyTorch in fp32.
FORMS = [
    ("network.lmanet", "openvino", 0.999),
    ("network.lmanet", "onnxruntime", 0.999),
    ("int8.lmanet", "openvino", 0.85),
]
OPTIONS = {
    "network.lmanet": [],
    "int8.lmanet": ["--precision", "int8", "--calibrate", "synthetic", "--calibration-frames", "6"],
}


@cache
def clip() -> list[np.ndarray]:
    """Six frames of a street, so that the memory is full before the last."""
    street = StreetVideo(7, StreetConfig(size=SIZE))
    return [image for image, _ in islice(street, 6)]


@cache
def expected(network: str) -> tuple[list[np.ndarray], VideoSegmenter]:
    library = VideoSegmenter(load(network), precision="fp32", device="cpu", work_size=SIZE)
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
        assert main([*arguments, *OPTIONS[form]]) == 0
        return path

    return export


@EVERY_NETWORK
@pytest.mark.parametrize(("form", "backend", "least"), FORMS)
def test_an_export_gives_the_labels_of_the_checkpoint(export, network, form, backend, least):
    if form == "int8.lmanet":
        pytest.importorskip("nncf", reason="the extra `int8` is missing")
    labels, library = expected(network)
    exported, _ = open_segmenter(
        network, engine=export(network, form), backend=backend, precision="fp32"
    )
    found = [exported.step(image).labels for image in clip()]
    shares = [(ours == theirs).mean() for ours, theirs in zip(found, labels, strict=True)]
    assert min(shares) >= least
    assert exported.classes == library.classes
    assert exported.network_size == library.network_size == SIZE
    assert exported.memory_size == exported.filled == library.filled == 4
