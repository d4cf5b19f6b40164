"""SegFormer of Xie et al. (NeurIPS 2021), as `transformers` has it; needs that package."""

from __future__ import annotations

from torch import Tensor, nn

from lmanet_core.models.enlarging_decoder import EnlargingDecoder
from lmanet_core.models.normalization import ImageNetNormalization
from lmanet_core.network.size_rule import SizeRule
from lmanet_core.program.extras import needs_extra

with needs_extra("segformer", "backbone 'segformer_b0'"):
    from transformers import SegformerConfig, SegformerForSemanticSegmentation

STRIDE = 4


class SegFormerEncoder(nn.Module):
    """All of the network but its classifier.

    (B, 3, H, W), RGB in 0..1 -> (B, C, H / 4, W / 4), the four stages fused, not negative.
    """

    def __init__(self, network: SegformerForSemanticSegmentation) -> None:
        super().__init__()
        self.normalization = ImageNetNormalization()
        self.stages = network.segformer
        self.head = network.decode_head
        # What the head ends with is the decoder's.
        self.head.classifier = nn.Identity()

    def forward(self, images: Tensor) -> Tensor:
        stages = self.stages(self.normalization(images), output_hidden_states=True)
        return self.head(stages.hidden_states)


class SegFormerDecoder(EnlargingDecoder):
    """(B, C, H / 4, W / 4) -> (B, num_classes, H, W) logits: classifier and bilinear upsampling."""

    factor = STRIDE

    def __init__(self, classifier: nn.Module) -> None:
        super().__init__()
        self.classifier = classifier

    def small_logits(self, features: Tensor) -> Tensor:
        return self.classifier(features)


class SegFormer(nn.Module):
    """SegFormer-B0, or what `config` says, as a `Backbone` with features of stride 4.

    Image sides must be multiples of 32. Weights are random: nothing is downloaded.

    Args:
        num_classes: outputs of the decoder.
        config: architecture; its number of labels does not matter. None: B0, 3.7 M parameters.
    """

    stride = STRIDE
    size_rule = SizeRule(multiple=32)

    def __init__(self, num_classes: int, config: SegformerConfig | None = None) -> None:
        super().__init__()
        config = SegformerConfig() if config is None else config
        network = SegformerForSemanticSegmentation(config)
        self.feature_channels: int = config.decoder_hidden_size
        self.decoder = SegFormerDecoder(nn.Conv2d(self.feature_channels, num_classes, 1))
        self.encoder = SegFormerEncoder(network)
