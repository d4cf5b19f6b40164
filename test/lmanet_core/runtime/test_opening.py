"""Which backend runs what, and what the user is told when none does."""

import sys
from functools import partial
from pathlib import Path

import numpy as np
import pytest
import torch

from lmanet_core import ModelConfig, build_model, save_checkpoint
from lmanet_core.checkpoint import (
    DEFAULT_WEIGHTS,
    WEIGHTS_FOLDER,
    checkpoint_fingerprint,
    fingerprint,
)
from lmanet_core.runtime import (
    GraphFileError,
    backend_choice,
    choose_backend,
    open_segmenter,
    shipped,
)
from lmanet_core.runtime.backends.cpu_graph import RUNTIMES, CpuGraph
from lmanet_core.runtime.graph_info import METADATA_KEY, GraphInfo
from lmanet_core.runtime.network_file import read_network_file

onnx = pytest.importorskip("onnx", reason="the extra `export` is missing")


@pytest.fixture(scope="module")
def model():
    torch.manual_seed(0)
    return build_model(ModelConfig(memory_size=2, window_size=5)).eval()


def info_of(network, **changes) -> GraphInfo:
    values = {
        "model": fingerprint(network),
        "operator": "tiled",
        "precision": "fp32",
        "work_size": (64, 32),
        "side_multiple": 0,
        "memory_size": 2,
        "write_interval": 1,
        "feature_size": (8, 4),
        "feature_channels": 128,
        "key_channels": 16,
        "value_channels": 64,
        "config": network.config.to_dict(),
    }
    return GraphInfo(**values | changes)


def write_onnx(path: Path, info: GraphInfo | None) -> Path:
    """A file that says what it is, and does nothing of it."""
    graph = onnx.helper.make_graph([], "nothing", [], [])
    proto = onnx.helper.make_model(graph)
    if info is not None:
        onnx.helper.set_model_props(proto, {METADATA_KEY: info.to_json()})
    onnx.save(proto, path)
    return path


def test_without_a_file_the_model_itself_runs(model):
    segmenter = open_segmenter(model, precision="fp32", memory_size=1)
    assert segmenter.backend.name == "torch"
    assert segmenter.backend.memory_size == 1
    assert "no exported file" in segmenter.reason
    assert segmenter.step(np.zeros((32, 64, 3), np.uint8)).labels.shape == (32, 64)


def test_the_shipped_default_runs_exported_where_no_gpu_is(monkeypatch):
    file = WEIGHTS_FOLDER / f"{DEFAULT_WEIGHTS}.lmanet"
    info, _ = read_network_file(file)
    assert info.model == checkpoint_fingerprint(DEFAULT_WEIGHTS), "export the weights anew"
    assert file.stat().st_size < 8e6
    installed = {"openvino", "torch"}
    monkeypatch.setattr(shipped, "find_spec", lambda name: name in installed or None)
    devices: list[str] = []
    monkeypatch.setattr(shipped, "_GPU_DEVICES", devices)
    segmenter = open_segmenter(memory_size=1)
    assert segmenter.backend.name == "openvino"
    assert "faster than PyTorch" in segmenter.reason
    assert open_segmenter(DEFAULT_WEIGHTS, backend="openvino").reason == "asked for"
    find = partial(shipped.find_shipped_export, backend="auto", device="auto", precision="auto")
    assert find("street-camvid") is None, "is not shipped in that form"
    assert find(None, device="cuda") is find(None, precision="bf16") is None
    devices.append("null")
    monkeypatch.setattr(torch.cuda, "is_available", lambda: True)
    assert find(None) is None, "PyTorch is faster on a GPU"
    assert find(None, device="cpu").file == find(None, backend="openvino").file == file
    installed.remove("torch")
    assert "not installed" in find(None).reason
    installed.clear()
    assert find(None) is None


def test_the_former_name_of_the_model_file_goes_on_working():
    file = WEIGHTS_FOLDER / f"{DEFAULT_WEIGHTS}.lmanet"
    with pytest.warns(DeprecationWarning, match="model_file"):
        assert open_segmenter(engine=file).file == file


class RedIsTheLabel(CpuGraph):
    """A runtime of another package, as small as they get."""

    name = "json"  # A module that is there, as its package would be.

    def __init__(self, source, options):
        self.precision = options.exported

    def bind(self, arrays):
        def run(others):
            arrays["labels"][:] = others["image"][..., 0]

        return run


def test_a_runtime_of_ones_own_is_one_class_and_its_name(model, tmp_path, monkeypatch):
    path = write_onnx(tmp_path / "a.onnx", info_of(model, memory_size=0, operator=""))
    monkeypatch.setitem(RUNTIMES, "json", RedIsTheLabel)
    with pytest.raises(ValueError, match="precision must be 'auto' or 'fp32'"):
        open_segmenter(model_file=path, backend="json", precision="bf16")
    segmenter = open_segmenter(model_file=path, backend="json")
    image = np.full((32, 64, 3), 7, np.uint8)
    assert (segmenter.step(image, confidence=False).labels == 7).all()
    assert (segmenter.backend.name, segmenter.reason) == ("json", "asked for")


@pytest.mark.parametrize("name", ["work_size", "output_size"])
def test_a_size_that_no_machine_has_the_memory_for_is_named(model, name):
    for network in (None, model):
        with pytest.raises(ValueError, match=f"^{name} must have .* pixels at most.*20000x20000"):
            open_segmenter(network, **{name: (20000, 20000)})


def test_a_checkpoint_runs_at_the_size_that_it_records(model, tmp_path):
    path = tmp_path / "model.safetensors"
    save_checkpoint(model, path, work_size=(128, 64))
    small = np.zeros((16, 32, 3), np.uint8)
    for options, size in (({}, (128, 64)), ({"work_pixels": 0}, (32, 16))):
        segmenter = open_segmenter(path, memory_size=0, **options)
        segmenter.step(small)
        assert segmenter.network_size == size
    with pytest.raises(ValueError, match="does not run at that of the images"):
        open_segmenter(model_file=WEIGHTS_FOLDER / "street.lmanet", work_pixels=0)


def test_auto_prefers_the_faster_of_what_is_installed(model, tmp_path, monkeypatch):
    path = write_onnx(tmp_path / "a.onnx", info_of(model))
    installed = {"openvino", "onnxruntime"}
    monkeypatch.setattr(backend_choice, "find_spec", lambda name: name in installed or None)
    assert choose_backend("auto", path).backend == "openvino"
    assert choose_backend("onnxruntime", path).reason == "asked for"
    installed.remove("openvino")
    assert choose_backend("auto", path).backend == "onnxruntime"
    with pytest.raises(ValueError, match="'openvino' is not installed; try: pip install"):
        choose_backend("openvino", path)
    installed.clear()
    with pytest.raises(ValueError, match="install one with: pip install openvino"):
        choose_backend("auto", path)


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ({"backend": "magic"}, "backend must be one of"),
        ({"backend": "openvino"}, "model_file must name a file"),
        ({"model_file": "nowhere.onnx"}, "nowhere.onnx is no file.*lmanet export"),
    ],
)
def test_wrong_arguments_are_explained(model, arguments, message):
    with pytest.raises(ValueError, match=message):
        open_segmenter(model, **arguments)


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ({"backend": "torch"}, "leave model_file empty"),
        ({"backend": "tensorrt"}, "backend 'tensorrt' takes engines"),
        ({"precision": "fp8"}, "precision must be one of"),
        ({"precision": "fp16"}, "precision must be 'auto' or 'fp32'"),
        ({"device": "gpu"}, "device must be"),
        ({}, "ONNX Runtime does not take"),
    ],
)
def test_what_a_file_cannot_do_is_explained(model, tmp_path, arguments, message):
    path = write_onnx(tmp_path / "a.onnx", info_of(model))
    with pytest.raises(ValueError, match=message):
        open_segmenter(model, model_file=path, **{"backend": "onnxruntime"} | arguments)


@pytest.mark.parametrize("name", ["openvino", "onnxruntime"])
@pytest.mark.parametrize(
    ("damage", "message"),
    [
        (lambda content: b"", "no metadata of lmanet"),
        (lambda content: b"\xff" * 1000, "not a readable ONNX file"),
        (lambda content: content[: len(content) // 2], "not a readable ONNX file|no metadata"),
    ],
)
def test_damaged_files_are_refused(model, tmp_path, name, damage, message):
    path = write_onnx(tmp_path / "a.onnx", info_of(model))
    path.write_bytes(damage(path.read_bytes()))
    with pytest.raises(GraphFileError, match=message):
        open_segmenter(model, model_file=path, backend=name)


def test_files_of_others_are_refused(model, tmp_path):
    foreign = write_onnx(tmp_path / "foreign.onnx", None)
    with pytest.raises(GraphFileError, match="another program wrote it"):
        open_segmenter(model, model_file=foreign, backend="onnxruntime")
    plugin = write_onnx(tmp_path / "plugin.onnx", info_of(model, operator="plugin"))
    with pytest.raises(GraphFileError, match="export with --operator tiled"):
        open_segmenter(model, model_file=plugin, backend="onnxruntime")


@pytest.mark.parametrize(
    ("changes", "arguments", "message"),
    [
        ({"model": "of another checkpoint"}, {}, "another network than the checkpoint"),
        ({}, {"memory_size": 3}, "memory_size must be left out or 2"),
        ({}, {"work_size": (128, 64)}, "work_size must be left out or"),
    ],
)
def test_a_file_that_does_not_fit_is_refused(model, tmp_path, changes, arguments, message):
    path = write_onnx(tmp_path / "a.onnx", info_of(model, **changes))
    with pytest.raises(ValueError, match=message):
        open_segmenter(model, model_file=path, backend="onnxruntime", **arguments)


def test_the_package_that_is_missing_is_named(model, tmp_path, monkeypatch):
    path = write_onnx(tmp_path / "a.onnx", info_of(model))
    monkeypatch.setitem(sys.modules, "onnx", None)
    with pytest.raises(ValueError, match=r"pip install '.\[export\]'"):
        open_segmenter(model, model_file=path, backend="onnxruntime")
