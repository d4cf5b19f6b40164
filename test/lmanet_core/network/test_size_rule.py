"""Which sizes a network accepts, and images of all others."""

import numpy as np
import pytest
import torch

from lmanet_core import ModelConfig, build_model, open_segmenter
from lmanet_core.models import SizeRule


@pytest.mark.parametrize(
    ("rule", "side", "nearest"),
    [
        (SizeRule(8), 1024, 1024),
        (SizeRule(8), 1, 8),
        (SizeRule(8, 1), 2048, 2049),
        (SizeRule(8, 1), 1024, 1025),
        (SizeRule(8, 1), 713, 713),
        (SizeRule(8, 1), 3, 9),
        (SizeRule(32), 100, 96),
    ],
)
def test_nearest_side(rule, side, nearest):
    assert rule.nearest(side) == nearest
    assert nearest >= rule.smallest


@pytest.fixture(scope="module")
def pspnet():
    torch.manual_seed(0)
    config = ModelConfig(backbone="pspnet50", memory_size=2, value_channels=None, window_size=3)
    return build_model(config)


@pytest.mark.parametrize(("width", "height"), [(33, 25), (40, 31), (9, 9), (5, 70)])
def test_pspnet_segments_images_of_any_size(pspnet, width, height):
    segmenter = open_segmenter(pspnet)
    image = np.random.default_rng(0).integers(0, 256, (height, width, 3), dtype=np.uint8)
    for _ in range(2):
        result = segmenter.step(image)
    assert result.labels.shape == result.confidence.shape == (height, width)
    assert segmenter.backend.filled == 2


@torch.no_grad()
def test_the_corners_of_image_and_logits_are_aligned(pspnet):
    features = torch.rand(1, 2048, 4, 5)
    decoder = pspnet.decoder.eval()
    logits = decoder(features)
    assert logits.shape == (1, 19, 25, 33)
    coarse = decoder.classifier(decoder.pyramid(features))
    assert torch.allclose(logits[:, :, ::8, ::8], coarse, atol=1e-5)


def test_a_work_size_below_the_smallest_is_refused(pspnet):
    with pytest.raises(ValueError, match=r"each at least 9, got \(8, 16\)"):
        open_segmenter(pspnet, work_size=(8, 16))
