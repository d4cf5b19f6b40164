"""A network as small as they get, and what the tests of exports run it on."""

import numpy as np
from torch import Tensor, nn

from lmanet_core import ModelConfig, VideoSegmenter
from lmanet_core.models import BACKBONES, EnlargingDecoder
from lmanet_core.network.size_rule import SizeRule

SIZE = (64, 64)
MEMORY_SIZE = 3
FRAMES = 20


class TinyBackbone(nn.Module):
    """Two convolutions, features of stride 8."""

    feature_channels = 16
    stride = 8
    size_rule = SizeRule(multiple=8)

    def __init__(self, num_classes: int) -> None:
        super().__init__()
        self.encoder = nn.Conv2d(3, 16, 8, stride=8)
        self.decoder = nn.ConvTranspose2d(16, num_classes, 8, stride=8)

    def forward(self, images: Tensor) -> Tensor:
        return self.decoder(self.encoder(images))


class ResizedDecoder(EnlargingDecoder):
    """Classes are decided at stride 8."""

    factor = 8

    def __init__(self, num_classes: int) -> None:
        super().__init__()
        self.classifier = nn.Conv2d(16, num_classes, 1)

    def small_logits(self, features: Tensor) -> Tensor:
        return self.classifier(features)


class TinyResizedBackbone(TinyBackbone):
    """The same with logits that are enlarged."""

    def __init__(self, num_classes: int) -> None:
        super().__init__(num_classes)
        self.decoder = ResizedDecoder(num_classes)


class TinyAlignedBackbone(TinyBackbone):
    """The same, enlarged so that corners stay in their place."""

    def __init__(self, num_classes: int) -> None:
        super().__init__(num_classes)
        enlarge = nn.Upsample(scale_factor=8, mode="bilinear", align_corners=True)
        self.decoder = nn.Sequential(nn.Conv2d(16, num_classes, 1), enlarge)


BACKBONES["tiny"] = TinyBackbone
BACKBONES["tiny_resized"] = TinyResizedBackbone
BACKBONES["tiny_aligned"] = TinyAlignedBackbone
TINY = ModelConfig(
    backbone="tiny", memory_size=MEMORY_SIZE, window_size=5, key_channels=4, value_channels=8
)


def assert_streams_alike(
    expected: VideoSegmenter, exported: VideoSegmenter, clip, least: float = 0.999
) -> None:
    """From an empty memory on; `least` is the share of pixels with the same label."""
    agreeing = 0.0
    for index, image in enumerate(clip):
        theirs, ours = expected.step(image), exported.step(image)
        agreeing += (ours.labels == theirs.labels).mean() / len(clip)
        difference = ours.confidence.astype(int) - theirs.confidence
        assert np.quantile(np.abs(difference), least) <= 1, f"frame {index}"
        assert exported.backend.filled == expected.backend.filled
    assert agreeing >= least
