"""At which size a network runs: PyTorch, network files and ONNX files agree for every image."""

import json
import math

import numpy as np
import pytest
from export_cases import TINY
from hypothesis import given, settings
from hypothesis import strategies as st

from lmanet_core import build_model, save_checkpoint
from lmanet_core.command.__main__ import main
from lmanet_core.runtime import open_segmenter
from lmanet_core.runtime.graph_info import GraphInfo, read_onnx_info
from lmanet_core.runtime.network_file import read_network_file
from lmanet_core.runtime.pytorch.torch_backend import TorchBackend

pytest.importorskip("onnxruntime", reason="the extra `export` is missing")
pytest.importorskip("onnxscript", reason="the extra `export` is missing")

from lmanet_core.export.onnx_file import describe_graph

RECORDED = (100, 76)
"""Both sides lie between two that the network takes."""
ROUNDED = (96, 80)
SIDES = st.integers(1, 4000)


@pytest.fixture(scope="module")
def model():
    return build_model(TINY).eval()


@pytest.fixture(scope="module")
def files(model, tmp_path_factory):
    """The checkpoint and its exports, as the program makes them when no size is given."""
    folder = tmp_path_factory.mktemp("sizes")
    paths = [folder / f"tiny.{suffix}" for suffix in ("safetensors", "lmanet", "onnx")]
    save_checkpoint(model, paths[0], work_size=RECORDED)
    for path in paths[1:]:
        assert main(["export", str(paths[0]), str(path)]) == 0
    return paths


@settings(deadline=None)
@given(SIDES, SIDES)
def test_every_image_is_brought_to_the_same_size(model, files, width, height):
    library = TorchBackend(model, work_pixels=math.prod(RECORDED))
    exported, _ = read_network_file(files[1])
    size = library.network_size((width, height))
    assert exported.network_size((width, height)) == size
    assert exported.at(size).network_size((width, height)) == size, "while it is connected, too"


@settings(deadline=None)
@given(SIDES.filter(lambda side: side >= 8), SIDES.filter(lambda side: side >= 8))
def test_every_size_that_is_asked_for_is_rounded_alike(model, files, width, height):
    library = TorchBackend(model, work_size=(width, height))
    size = library.network_size((640, 480))
    graph = describe_graph(model, "tiled", "fp32", (width, height), None)
    assert graph.work_size == graph.network_size((640, 480)) == size


def test_files_run_at_the_size_that_the_checkpoint_records(model, files):
    checkpoint, network, onnx = files
    assert read_onnx_info(onnx).work_size == ROUNDED
    for shape in ((76, 100, 3), (152, 200, 3), (90, 61, 3)):
        image = np.random.default_rng(0).integers(0, 256, shape, dtype=np.uint8)
        library = open_segmenter(checkpoint, precision="fp32")
        expected = library.step(image).labels
        exported = open_segmenter(model_file=network, precision="fp32")
        assert (exported.step(image).labels == expected).mean() > 0.99
        assert exported.network_size == library.network_size
        whole = open_segmenter(model_file=onnx, precision="fp32")
        fixed = open_segmenter(model, precision="fp32", work_size=RECORDED)
        assert (whole.step(image).labels == fixed.step(image).labels).mean() > 0.99
        assert whole.network_size == fixed.network_size == ROUNDED


def test_files_of_before_have_the_pixels_of_their_rounded_size(files):
    record = json.loads(read_network_file(files[1])[0].to_json())
    assert record.pop("work_pixels") == math.prod(RECORDED)
    old = GraphInfo.from_json(json.dumps(record))
    assert old.work_pixels == math.prod(old.work_size) == math.prod(ROUNDED)
    with pytest.raises(ValueError, match="expected the entries"):
        GraphInfo.from_json(json.dumps(record | {"pixels": 1}))
