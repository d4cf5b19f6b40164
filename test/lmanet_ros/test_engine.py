"""The node with a file that `lmanet export` wrote."""

import pytest
import torch
from ros_harness import NODE_COMMAND, NodeProcess, answers_like, connected

from lmanet_core import ModelConfig, VideoSegmenter, build_model, load, save_checkpoint

pytest.importorskip("openvino", reason="the extra `export` is missing")
pytest.importorskip("onnxscript", reason="the extra `export` is missing")


@pytest.fixture(scope="module")
def exported(tmp_path_factory):
    """A checkpoint and its ONNX file."""
    from lmanet_core.export import export_onnx

    folder = tmp_path_factory.mktemp("exported")
    torch.manual_seed(0)
    model = build_model(ModelConfig(memory_size=2, window_size=3)).eval()
    save_checkpoint(model, folder / "model.safetensors")
    export_onnx(model, folder / "model.onnx", work_size=(64, 32))
    return folder / "model.safetensors", folder / "model.onnx"


def node(checkpoint, engine, **more: str) -> NodeProcess:
    values = {"checkpoint": checkpoint, "engine": engine, **more}
    options = [word for name, value in values.items() for word in ("-p", f"{name}:={value}")]
    return NodeProcess([*NODE_COMMAND, "--ros-args", *options])


def test_the_node_runs_the_file_and_says_why(exported):
    checkpoint, engine = exported
    segmenter = VideoSegmenter(load(checkpoint), precision="fp32", work_size=(64, 32))
    process = node(checkpoint, engine, precision="fp32")
    try:
        with connected(process) as client:
            assert "backend openvino: of those that take model.onnx" in process.output
            answers_like(client, segmenter)
    finally:
        process.end()


def test_a_damaged_file_stops_the_start_and_is_named(exported, tmp_path):
    checkpoint, engine = exported
    damaged = tmp_path / "damaged.onnx"
    damaged.write_bytes(engine.read_bytes()[:-500])
    process = node(checkpoint, damaged)
    try:
        assert process.wait() == 1
        assert "parameter 'engine'" in process.output
        assert "lmanet export" in process.output
        assert "Traceback" not in process.output
    finally:
        process.end()
