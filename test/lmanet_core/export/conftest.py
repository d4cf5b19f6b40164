"""Networks, exported once, and a clip to stream."""

import numpy as np
import pytest
import torch
from export_cases import FRAMES, MEMORY_SIZE, SIZE, TINY

from lmanet_core import ModelConfig, build_model, save_checkpoint


@pytest.fixture(scope="session")
def model():
    """ERFNet with random weights; its normalisations are those of no fresh network."""
    torch.manual_seed(0)
    network = build_model(ModelConfig(memory_size=MEMORY_SIZE, window_size=5)).eval()
    for module in network.modules():
        if isinstance(module, torch.nn.BatchNorm2d):
            module.running_mean.normal_(0, 0.1)
            module.running_var.uniform_(0.2, 0.5)
    return network


@pytest.fixture(scope="session")
def tiny():
    torch.manual_seed(0)
    return build_model(TINY).eval()


@pytest.fixture(scope="session")
def tiny_checkpoint(tiny, tmp_path_factory):
    path = tmp_path_factory.mktemp("checkpoint") / "tiny.safetensors"
    save_checkpoint(tiny, path)
    return path


@pytest.fixture(scope="session")
def clip():
    """Frames in which a bright block moves over noise."""
    random = np.random.default_rng(0)
    frames = random.integers(0, 200, (FRAMES, *SIZE[::-1], 3), dtype=np.uint8)
    for index, frame in enumerate(frames):
        frame[16:40, 2 * index : 2 * index + 20] += 55
    return frames


@pytest.fixture(scope="session")
def erfnet_onnx(model, tmp_path_factory):
    """ERFNet in standard operators."""
    return _export(model, tmp_path_factory, "tiled")


@pytest.fixture(scope="session")
def tiny_onnx(tiny, tmp_path_factory):
    """The tiny network in standard operators."""
    return _export(tiny, tmp_path_factory, "tiled")


@pytest.fixture(scope="session")
def tiny_network(tiny, tmp_path_factory):
    """The tiny network around the kernel."""
    export = pytest.importorskip("lmanet_core.export", reason="the extra `export` is missing")
    path = tmp_path_factory.mktemp("network") / "tiny.lmanet"
    export.export_network(tiny, path, work_size=SIZE, provenance={"data": "noise"})
    return path


@pytest.fixture(scope="session")
def plugin_onnx(tiny, tmp_path_factory):
    """The tiny network with the plugin's node."""
    return _export(tiny, tmp_path_factory, "plugin")


def _export(model, tmp_path_factory, operator):
    export = pytest.importorskip("lmanet_core.export", reason="the extra `export` is missing")
    path = tmp_path_factory.mktemp(operator) / f"{operator}.onnx"
    export.export_onnx(model, path, operator=operator, work_size=SIZE)
    return path
