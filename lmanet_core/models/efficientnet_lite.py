"""EfficientNet-Lite with a top-down path to stride 8: Lite0 for small machines, Lite2 for larger.

The encoder's stages are those of Tan and Le (ICML 2019) in the form made for edge devices: ReLU6,
no squeeze-and-excitation. The top-down path is that of a feature pyramid (Lin et al., CVPR 2017).
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from torch import Tensor, nn
from torch.nn import functional

from lmanet_core.models.enlarging_decoder import EnlargingDecoder
from lmanet_core.network.size_rule import SizeRule

BATCH_NORM_EPS = 1e-3
CHANNELS = 96
STRIDE = 8
STEM_CHANNELS = 32
FINE_CHANNELS = 48
CLASSIFIER_STRIDE = 4
MEAN, DEVIATION = 127 / 255, 128 / 255
"""Mean and deviation of the images that the ImageNet weights were trained on, equal in all
channels."""


@dataclass(frozen=True)
class StageShape:
    """Some blocks in a row; the first one has the stride."""

    blocks: int
    kernel_size: int
    stride: int
    expansion: int
    channels: int


def _stages(blocks: Sequence[int], channels: Sequence[int]) -> tuple[StageShape, ...]:
    """What all of the family share, source: Tan and Le, table 1; and what makes them differ."""
    kernel_sizes, strides, expansions = (3, 3, 5, 3, 5, 5, 3), (1, 2, 2, 2, 1, 2, 1), (1, *[6] * 6)
    columns = zip(blocks, kernel_sizes, strides, expansions, channels, strict=True)
    return tuple(StageShape(*column) for column in columns)


LITE0 = _stages(blocks=(1, 2, 2, 3, 3, 4, 1), channels=(16, 24, 40, 80, 112, 192, 320))
LITE2 = _stages(blocks=(1, 3, 3, 4, 4, 5, 1), channels=(16, 24, 48, 88, 120, 208, 352))
"""1.1 times as wide and 1.2 times as deep. In the Lite form the first and the last stage are as
deep, and the stem is as wide, as in Lite0."""
AT_STRIDE_4, AT_STRIDE_8, AT_STRIDE_16, AT_STRIDE_32 = 1, 2, 4, 6
"""The last stage of each resolution, an index into the stages."""


def _conv_bn(
    in_channels: int, out_channels: int, kernel_size: int, stride: int = 1, groups: int = 1
) -> list[nn.Module]:
    padding = kernel_size // 2
    return [
        nn.Conv2d(
            in_channels, out_channels, kernel_size, stride, padding, groups=groups, bias=False
        ),
        nn.BatchNorm2d(out_channels, eps=BATCH_NORM_EPS),
    ]


def _separable(in_channels: int, out_channels: int, kernel_size: int) -> nn.Sequential:
    """A depthwise convolution and one across channels, with a ReLU6 after each."""
    return nn.Sequential(
        *_conv_bn(in_channels, in_channels, kernel_size, groups=in_channels),
        nn.ReLU6(inplace=True),
        *_conv_bn(in_channels, out_channels, 1),
        nn.ReLU6(inplace=True),
    )


class InvertedResidual(nn.Module):
    """Expand, filter each channel by itself, project; with a shortcut where shapes allow it.

    Source: Sandler et al., MobileNetV2, CVPR 2018, section 3.3.
    """

    def __init__(self, in_channels: int, shape: StageShape, stride: int) -> None:
        super().__init__()
        hidden = in_channels * shape.expansion
        layers: list[nn.Module] = []
        if shape.expansion > 1:
            layers += [*_conv_bn(in_channels, hidden, 1), nn.ReLU6(inplace=True)]
        layers += _conv_bn(hidden, hidden, shape.kernel_size, stride, groups=hidden)
        layers += [nn.ReLU6(inplace=True), *_conv_bn(hidden, shape.channels, 1)]
        self.layers = nn.Sequential(*layers)
        self.has_shortcut = stride == 1 and in_channels == shape.channels

    def forward(self, features: Tensor) -> Tensor:
        out = self.layers(features)
        return out + features if self.has_shortcut else out


class EfficientNetLite(nn.Module):
    """The stages without the classifier of ImageNet.

    (B, 3, H, W), RGB in 0..1, sides multiples of 32 -> the features at strides 4, 8, 16 and 32,
    of Lite0 with 24, 40, 112 and 320 channels.
    """

    def __init__(self, shapes: Sequence[StageShape] = LITE0) -> None:
        super().__init__()
        self.stem = nn.Sequential(
            *_conv_bn(3, STEM_CHANNELS, 3, stride=2),
            nn.ReLU6(inplace=True),
        )
        self.stages = nn.ModuleList()
        channels = STEM_CHANNELS
        for shape in shapes:
            blocks = []
            for number in range(shape.blocks):
                stride = shape.stride if number == 0 else 1
                blocks.append(InvertedResidual(channels, shape, stride))
                channels = shape.channels
            self.stages.append(nn.Sequential(*blocks))

    def forward(self, images: Tensor) -> tuple[Tensor, Tensor, Tensor, Tensor]:
        features = self.stem((images - MEAN) / DEVIATION)
        outputs = []
        for stage in self.stages:
            features = stage(features)
            outputs.append(features)
        return (
            outputs[AT_STRIDE_4],
            outputs[AT_STRIDE_8],
            outputs[AT_STRIDE_16],
            outputs[AT_STRIDE_32],
        )


class EfficientNetLiteEncoder(nn.Module):
    """(B, 3, H, W), RGB in 0..1 -> (B, 96, H/8, W/8), not negative.

    What the stage at stride 4 saw comes in with its 2x2 neighbours side by side: the decoder draws
    thin things from it at a resolution finer than the features have.
    """

    def __init__(self, shapes: Sequence[StageShape] = LITE0) -> None:
        super().__init__()
        self.stages = EfficientNetLite(shapes)
        fine, middle, coarse, coarsest = (
            shapes[index].channels
            for index in (AT_STRIDE_4, AT_STRIDE_8, AT_STRIDE_16, AT_STRIDE_32)
        )
        self.from_stride_4 = nn.Sequential(nn.PixelUnshuffle(2), *_conv_bn(4 * fine, CHANNELS, 1))
        self.from_stride_8 = nn.Sequential(*_conv_bn(middle, CHANNELS, 1))
        self.from_stride_16 = nn.Sequential(*_conv_bn(coarse, CHANNELS, 1))
        self.from_stride_32 = nn.Sequential(
            *_conv_bn(coarsest, CHANNELS, 1), nn.ReLU6(inplace=True)
        )
        # What the whole image is like, for every place.
        self.scene = nn.Sequential(
            nn.AdaptiveAvgPool2d(1), nn.Conv2d(coarsest, CHANNELS, 1), nn.ReLU6(inplace=True)
        )
        self.refine_32 = _separable(CHANNELS, CHANNELS, 5)
        self.refine_16 = _separable(CHANNELS, CHANNELS, 5)
        self.refine_8 = _separable(CHANNELS, CHANNELS, 5)

    def forward(self, images: Tensor) -> Tensor:
        fine, middle, coarse, coarsest = self.stages(images)
        features = self.refine_32(self.from_stride_32(coarsest) + self.scene(coarsest))
        features = self.refine_16(_twice_as_large(features) + self.from_stride_16(coarse))
        features = _twice_as_large(features) + self.from_stride_8(middle)
        return self.refine_8(features + self.from_stride_4(fine))


def _twice_as_large(features: Tensor) -> Tensor:
    return functional.interpolate(features, scale_factor=2, mode="bilinear", align_corners=False)


class EfficientNetLiteDecoder(EnlargingDecoder):
    """(B, 96, H/8, W/8) -> (B, num_classes, H, W) logits, decided at stride 4."""

    factor = CLASSIFIER_STRIDE

    def __init__(self, num_classes: int) -> None:
        super().__init__()
        ratio = STRIDE // CLASSIFIER_STRIDE
        self.layers = nn.Sequential(
            *_conv_bn(CHANNELS, CHANNELS, 3),
            nn.ReLU6(inplace=True),
            *_conv_bn(CHANNELS, ratio**2 * FINE_CHANNELS, 1),
            nn.PixelShuffle(ratio),
            nn.ReLU6(inplace=True),
            *_conv_bn(FINE_CHANNELS, FINE_CHANNELS, 3, groups=FINE_CHANNELS),
            nn.ReLU6(inplace=True),
        )
        self.classifier = nn.Conv2d(FINE_CHANNELS, num_classes, 1)

    def small_logits(self, features: Tensor) -> Tensor:
        return self.classifier(self.layers(features))


class EfficientNetLiteSegmenter(nn.Module):
    """EfficientNet-Lite as a `Backbone`: features of stride 8; Lite0 has 3.2 M
    parameters, Lite2 4.6 M.

    Image sides must be multiples of 32, the images RGB in 0..1.
    """

    feature_channels = CHANNELS
    stride = STRIDE
    size_rule = SizeRule(multiple=32)

    def __init__(self, num_classes: int, shapes: Sequence[StageShape] = LITE0) -> None:
        super().__init__()
        self.encoder = EfficientNetLiteEncoder(shapes)
        self.decoder = EfficientNetLiteDecoder(num_classes)
