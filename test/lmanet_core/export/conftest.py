"""One tiny network, exported once, and a clip to stream."""

import numpy as np
import pytest
import torch

from lmanet_core import ModelConfig, build_model

SIZE = (64, 64)
MEMORY_SIZE = 3
FRAMES = 20


@pytest.fixture(scope="session")
def model():
    """ERFNet with random weights whose memory matters to what it says."""
    torch.manual_seed(0)
    network = build_model(ModelConfig(memory_size=MEMORY_SIZE, window_size=5)).eval()
    with torch.no_grad():
        for module in network.modules():
            if isinstance(module, torch.nn.BatchNorm2d):
                module.running_mean.normal_(0, 0.1)
                module.running_var.uniform_(0.5, 1.5)
    return network


@pytest.fixture(scope="session")
def clip():
    """Frames in which a bright block moves over noise."""
    random = np.random.default_rng(0)
    frames = random.integers(0, 200, (FRAMES, *SIZE[::-1], 3), dtype=np.uint8)
    for index, frame in enumerate(frames):
        frame[16:40, 2 * index : 2 * index + 20] += 55
    return frames


@pytest.fixture(scope="session")
def tiled_onnx(model, tmp_path_factory):
    """The network as an ONNX file in standard operators."""
    pytest.importorskip("onnxscript")
    from lmanet_core.export import export_onnx

    path = tmp_path_factory.mktemp("export") / "tiled.onnx"
    export_onnx(model, path, operator="tiled", work_size=SIZE)
    return path
