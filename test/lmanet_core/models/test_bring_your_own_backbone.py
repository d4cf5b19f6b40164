"""Networks of other libraries: the documented way, SegFormer, and announced packages."""

import re
import sys
from pathlib import Path

import numpy as np
import pytest
import torch
from torch import nn

from lmanet_core import ModelConfig, build_model, load, open_segmenter, save_checkpoint
from lmanet_core.models import BACKBONES, LocalMemory
from lmanet_core.models.enlarging_decoder import logits_of
from lmanet_core.models.erfnet import ERFNet
from lmanet_core.runtime.pytorch.classification import classify

DOCUMENT = Path(__file__).parents[3] / "docs" / "how-to" / "own_backbone.md"


@pytest.fixture(scope="module")
def segformer():
    pytest.importorskip("transformers")
    torch.manual_seed(0)
    return build_model(ModelConfig(backbone="segformer_b0", memory_size=2, window_size=5)).eval()


def test_the_documented_code_runs_and_is_short(tmp_path, monkeypatch):
    pytest.importorskip("transformers")
    monkeypatch.chdir(tmp_path)
    code = re.findall(r"```python\n(.*?)```", DOCUMENT.read_text(), re.DOTALL)[0]
    assert len([line for line in code.splitlines() if line.strip()]) < 40
    namespace: dict = {}
    try:
        exec(code, namespace)
        image = np.random.default_rng(0).integers(0, 256, (50, 70, 3), dtype=np.uint8)
        segmenter = namespace["segmenter"]
        for _ in range(2):
            assert segmenter.step(image).labels.shape == (50, 70)
    finally:
        BACKBONES.pop("small_segformer", None)


@torch.no_grad()
def test_segformer_without_memory_is_the_librarys(segformer):
    from transformers import SegformerConfig, SegformerForSemanticSegmentation

    theirs = SegformerForSemanticSegmentation(SegformerConfig(num_labels=19)).eval()
    theirs.segformer.load_state_dict(segformer.encoder.stages.state_dict())
    head = segformer.encoder.head.state_dict()
    head |= {f"classifier.{k}": v for k, v in segformer.decoder.classifier.state_dict().items()}
    theirs.decode_head.load_state_dict(head)
    images = torch.rand(1, 3, 32, 64)
    mean, std = torch.tensor([[0.485, 0.456, 0.406], [0.229, 0.224, 0.225]]).view(2, 3, 1, 1)
    logits = theirs((images - mean) / std).logits
    expected = torch.nn.functional.interpolate(logits, scale_factor=4, mode="bilinear")
    assert torch.allclose(segformer.step(images, None), expected, atol=1e-5)


def test_segformer_trains_streams_and_is_saved(segformer, tmp_path):
    clip = torch.rand(1, 3, 3, 32, 64)
    segformer(clip).square().mean().backward()
    assert segformer.memory.heads.weight.grad.abs().sum() > 0
    segformer.zero_grad(set_to_none=True)
    save_checkpoint(segformer, tmp_path / "segformer.safetensors")
    loaded = load(tmp_path / "segformer.safetensors")
    with torch.no_grad():
        assert torch.allclose(loaded(clip), segformer(clip), atol=1e-5)
        assert (loaded(clip) - loaded(clip[:, 2:])).abs().max() > 1e-4, "the memory has no effect"
    segmenter = open_segmenter(loaded, precision="fp32")
    image = np.random.default_rng(0).integers(0, 256, (45, 70, 3), dtype=np.uint8)
    for _ in range(3):
        assert segmenter.step(image).labels.shape == (45, 70)
    assert segmenter.backend.filled == 2


def test_without_transformers_everything_else_works_and_segformer_is_explained(monkeypatch):
    monkeypatch.setitem(sys.modules, "transformers", None)
    monkeypatch.delitem(sys.modules, "lmanet_core.models.segformer", raising=False)
    build_model(ModelConfig())
    with pytest.raises(ValueError, match=r"segformer_b0.*pip install '\.\[segformer\]'"):
        build_model(ModelConfig(backbone="segformer_b0"))


def test_an_installed_package_can_announce_a_network(tmp_path, monkeypatch):
    (tmp_path / "their_networks.py").write_text(
        "from lmanet_core.models.erfnet import ERFNet\nclass Theirs(ERFNet):\n    pass\n"
    )
    metadata = tmp_path / "their_networks-1.0.dist-info"
    metadata.mkdir()
    (metadata / "METADATA").write_text(
        "Metadata-Version: 2.1\nName: their-networks\nVersion: 1.0\n"
    )
    (metadata / "entry_points.txt").write_text(
        "[lmanet.backbones]\ntheirs = their_networks:Theirs\n"
    )
    monkeypatch.syspath_prepend(tmp_path)
    assert BACKBONES.find("theirs").__name__ == "Theirs"
    assert build_model(ModelConfig(backbone="theirs")).config.backbone == "theirs"
    with pytest.raises(ValueError, match=r"one of .*'theirs'.*, got 'vgg'"):
        BACKBONES.find("vgg")


def test_a_fusion_for_features_that_are_not_negative_refuses_others(monkeypatch):
    class Theirs(ERFNet):
        def __init__(self, num_classes: int) -> None:
            super().__init__(num_classes)
            self.encoder = nn.Sequential(self.encoder, nn.Conv2d(128, 128, 1))

    monkeypatch.setitem(BACKBONES, "theirs", Theirs)
    build_model(ModelConfig(backbone="theirs", fusion="gated"))
    with pytest.raises(ValueError, match="let the encoder end in a ReLU, or choose another fusion"):
        build_model(ModelConfig(backbone="theirs", fusion="residual"))


@torch.no_grad()
def test_local_memory_wraps_any_features():
    memory = LocalMemory(12, key_channels=4, value_channels=None, window_size=3, fusion="gated")
    frame = memory.project(torch.rand(2, 12, 5, 6))
    keys, values = frame.memory_key[:, None], frame.memory_value[:, None]
    assert memory.eval().read_and_fuse(frame, keys, values).shape == (2, 12, 5, 6)


@torch.no_grad()
@pytest.mark.parametrize("last", [{"align_corners": True}, {}, {"mode": "nearest"}])
def test_labels_are_made_of_logits_before_a_bilinear_upsampling(last):
    """The logits stay what they are; labels agree with theirs, a nearest one is left in place."""
    settings = {"mode": "bilinear", **last}
    decoder = nn.Sequential(nn.Conv2d(4, 3, 1), nn.Upsample(scale_factor=4, **settings))
    features = torch.randn(2, 4, 5, 6)
    small = logits_of(decoder, features)
    assert small.values.shape == (
        (2, 3, 5, 6) if settings["mode"] == "bilinear" else (2, 3, 20, 24)
    )
    assert torch.allclose(small.enlarge(), decoder(features), atol=1e-6)
    labels = classify(small, confidence=False)
    assert (labels[0] == decoder(features).argmax(1)).float().mean() > 0.999
