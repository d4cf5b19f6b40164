"""The node with a file that `lmanet export` wrote."""

import pytest
import torch
from ros_harness import NODE_COMMAND, REPORT_OFTEN, NodeProcess, answers_like, connected

from lmanet_core import ModelConfig, build_model, load, save_checkpoint
from lmanet_core.checkpoint import DEFAULT_WEIGHTS, WEIGHTS_FOLDER, checkpoint_hash
from lmanet_core.runtime import open_segmenter

pytest.importorskip("openvino", reason="the extra `export` is missing")
pytest.importorskip("onnxscript", reason="the extra `export` is missing")


@pytest.fixture(scope="module")
def exported(tmp_path_factory):
    """A checkpoint and its network file."""
    from lmanet_core.export import export_network

    folder = tmp_path_factory.mktemp("exported")
    torch.manual_seed(0)
    model = build_model(ModelConfig(memory_size=2, window_size=3)).eval()
    save_checkpoint(model, folder / "model.safetensors")
    export_network(model, folder / "model.lmanet", work_size=(64, 32))
    return folder / "model.safetensors", folder / "model.lmanet"


def node(environment=None, **values: object) -> NodeProcess:
    options = [word for name, value in values.items() for word in ("-p", f"{name}:={value}")]
    return NodeProcess(
        [*NODE_COMMAND, "--ros-args", *REPORT_OFTEN, *options], environment=environment
    )


@pytest.fixture
def without_torch(tmp_path):
    """Environment of a process that finds PyTorch missing."""
    missing = "raise ModuleNotFoundError(\"No module named 'torch'\", name='torch')\n"
    (tmp_path / "torch.py").write_text(missing)
    return {"PYTHONPATH": str(tmp_path)}


def test_the_node_runs_the_file_without_torch_and_says_why(exported, without_torch):
    checkpoint, file = exported
    segmenter = open_segmenter(load(checkpoint), precision="fp32", work_size=(64, 32))
    process = node(without_torch, model_file=file, precision="fp32")
    try:
        with connected(process) as client:
            assert "a memory of 2 frames" in process.output
            assert "on cpu in fp32" in process.output
            assert "backend openvino: of those that take model.lmanet" in process.output
            answers_like(client, segmenter)
    finally:
        process.end()


def test_without_torch_the_shipped_network_runs(without_torch):
    process = node(without_torch, memory_size=2)
    try:
        with connected(process) as client:
            assert "as many pixels as 832x416" in process.output
            assert "local attention: fused" in process.output
            assert "backend openvino: without a GPU it is faster" in process.output
            answers_like(client, open_segmenter(memory_size=2))
            exported = WEIGHTS_FOLDER / f"{DEFAULT_WEIGHTS}.lmanet"
            assert client.diagnostics["network"] == DEFAULT_WEIGHTS
            assert client.diagnostics["model_file"] == str(exported)
            assert client.diagnostics["model_hash"] == checkpoint_hash(exported)
    finally:
        process.end()


def test_without_torch_a_checkpoint_stops_the_start_and_the_extra_is_named(exported, without_torch):
    process = node(without_torch, checkpoint=exported[0])
    try:
        assert process.wait() == 1
        assert "parameter 'checkpoint'" in process.output
        assert "pip install '.[torch]'" in process.output
    finally:
        process.end()


def test_a_damaged_file_stops_the_start_and_is_named(exported, tmp_path):
    checkpoint, file = exported
    damaged = tmp_path / "damaged.lmanet"
    damaged.write_bytes(file.read_bytes()[:-500])
    process = node(checkpoint=checkpoint, model_file=damaged)
    try:
        assert process.wait() == 1
        assert "parameter 'model_file'" in process.output
        assert "lmanet export" in process.output
        assert "Traceback" not in process.output
    finally:
        process.end()
