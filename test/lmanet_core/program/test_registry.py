"""What other packages announce is found by name, whatever it is."""

import pytest
import torch

from lmanet_core import ModelConfig, build_model
from lmanet_core.runtime import backend_names
from lmanet_core.runtime.backends.cpu_graph import RUNTIMES

MODULE = """
from lmanet_core.models.fusion import Fusion
from lmanet_core.models.key_forms import LinearKeys
from lmanet_core.runtime.backends.onnxruntime_graph import OnnxRuntimeGraph

class Mean(Fusion):
    def __init__(self, value_channels, feature_channels):
        super().__init__()

    def forward(self, query_values, read, *_):
        return (query_values + read) / 2

class Theirs(OnnxRuntimeGraph):
    name = "their_package"

class Shouting(LinearKeys):
    def forward(self, query_key, memory_key, *_):
        return 2 * query_key, 2 * memory_key
"""
ANNOUNCED = """
[lmanet.fusions]
mean = their_package:Mean
[lmanet.key_forms]
shouting = their_package:Shouting
[lmanet.runtimes]
their_package = their_package:Theirs
"""


@pytest.fixture(autouse=True)
def their_package(tmp_path, monkeypatch):
    (tmp_path / "their_package.py").write_text(MODULE)
    metadata = tmp_path / "their_package-1.0.dist-info"
    metadata.mkdir()
    (metadata / "METADATA").write_text("Metadata-Version: 2.1\nName: their-package\nVersion: 1.0\n")
    (metadata / "entry_points.txt").write_text(ANNOUNCED)
    monkeypatch.syspath_prepend(tmp_path)


@torch.no_grad()
def test_a_fusion_and_a_key_form_make_a_network():
    config = ModelConfig(fusion="mean", key_form="shouting", value_channels=None, memory_size=2)
    model = build_model(ModelConfig.from_dict(config.to_dict())).eval()
    assert model(torch.rand(1, 3, 3, 16, 24)).shape == (1, 19, 16, 24)


def test_a_runtime_is_one_of_the_backends():
    pytest.importorskip("onnxruntime", reason="the extra `export` is missing")
    assert backend_names()[-3:] == ("their_package", "tensorrt", "tensorrt_rtx")
    assert RUNTIMES.find("their_package").name == "their_package"


def test_what_nobody_announces_is_refused_with_all_names():
    with pytest.raises(ValueError, match=r"fusion must be one of \['gated', .*'mean'\], got 'sum'"):
        ModelConfig(fusion="sum")
    with pytest.raises(ValueError, match=r"key_form must be one of .*shouting"):
        ModelConfig(key_form=["linear"])  # type: ignore[arg-type]
