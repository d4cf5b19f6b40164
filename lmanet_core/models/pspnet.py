"""PSPNet, the pyramid scene parsing network of Zhao et al. (CVPR 2017), on a dilated ResNet."""

from __future__ import annotations

import torch
from torch import Tensor, nn
from torch.nn import functional

from lmanet_core.models.enlarging_decoder import EnlargingDecoder
from lmanet_core.models.normalization import ImageNetNormalization
from lmanet_core.network.size_rule import SizeRule

BLOCKS = {50: (3, 4, 6, 3), 101: (3, 4, 23, 3)}
"""Residual blocks per stage: number of layers -> layer1 to layer4."""
BINS = (1, 2, 3, 6)
CHANNELS = 2048
STRIDE = 8
CLASSIFIER_CHANNELS = 512
DROPOUT = 0.1


def _conv_bn_relu(
    in_channels: int, out_channels: int, kernel_size: int, stride: int = 1
) -> list[nn.Module]:
    padding = kernel_size // 2
    return [
        nn.Conv2d(in_channels, out_channels, kernel_size, stride, padding, bias=False),
        nn.BatchNorm2d(out_channels),
        nn.ReLU(inplace=True),
    ]


class Bottleneck(nn.Module):
    """Residual block 1x1, 3x3, 1x1 whose output has four times `channels`.

    (B, in_channels, H, W) -> (B, 4 * channels, ceil(H / stride), ceil(W / stride)).

    Source: He et al., CVPR 2016, figure 5; dilation as in Yu et al., CVPR 2017.
    """

    expansion = 4

    def __init__(self, in_channels: int, channels: int, stride: int, dilation: int) -> None:
        super().__init__()
        out_channels = self.expansion * channels
        self.conv1 = nn.Conv2d(in_channels, channels, 1, bias=False)
        self.bn1 = nn.BatchNorm2d(channels)
        self.conv2 = nn.Conv2d(
            channels, channels, 3, stride, padding=dilation, dilation=dilation, bias=False
        )
        self.bn2 = nn.BatchNorm2d(channels)
        self.conv3 = nn.Conv2d(channels, out_channels, 1, bias=False)
        self.bn3 = nn.BatchNorm2d(out_channels)
        self.downsample: nn.Module | None = None
        if stride != 1 or in_channels != out_channels:
            self.downsample = nn.Sequential(
                nn.Conv2d(in_channels, out_channels, 1, stride, bias=False),
                nn.BatchNorm2d(out_channels),
            )

    def forward(self, features: Tensor) -> Tensor:
        out = functional.relu(self.bn1(self.conv1(features)), inplace=True)
        out = functional.relu(self.bn2(self.conv2(out)), inplace=True)
        out = self.bn3(self.conv3(out))
        shortcut = features if self.downsample is None else self.downsample(features)
        return functional.relu(out + shortcut, inplace=True)


class DilatedResNet(nn.Module):
    """ResNet with a stem of three convolutions; dilation keeps the last two stages at stride 8.

    (B, 3, H, W), RGB in 0..1 -> (B, 2048, ceil(H / 8), ceil(W / 8)), not negative.

    Args:
        layers: 50 or 101.
    """

    def __init__(self, layers: int) -> None:
        super().__init__()
        self.normalization = ImageNetNormalization()
        self.stem = nn.Sequential(
            *_conv_bn_relu(3, 64, 3, stride=2),
            *_conv_bn_relu(64, 64, 3),
            *_conv_bn_relu(64, 128, 3),
            nn.MaxPool2d(3, stride=2, padding=1),
        )
        blocks = BLOCKS[layers]
        self.layer1 = _stage(128, 64, blocks[0], stride=1, dilation=1)
        self.layer2 = _stage(256, 128, blocks[1], stride=2, dilation=1)
        self.layer3 = _stage(512, 256, blocks[2], stride=1, dilation=2)
        self.layer4 = _stage(1024, 512, blocks[3], stride=1, dilation=4)

    def forward(self, images: Tensor) -> Tensor:
        features = self.layer1(self.stem(self.normalization(images)))
        return self.layer4(self.layer3(self.layer2(features)))


def _stage(
    in_channels: int, channels: int, blocks: int, stride: int, dilation: int
) -> nn.Sequential:
    later = (
        Bottleneck(Bottleneck.expansion * channels, channels, 1, dilation)
        for _ in range(blocks - 1)
    )
    return nn.Sequential(Bottleneck(in_channels, channels, stride, dilation), *later)


class PyramidPooling(nn.Module):
    """Means over 1, 2x2, 3x3 and 6x6 regions beside the features themselves.

    (B, C, H, W) -> (B, 2 C, H, W).

    Source: Zhao et al., CVPR 2017, section 3.2.
    """

    def __init__(self, channels: int) -> None:
        super().__init__()
        self.branches = nn.ModuleList(
            nn.Sequential(
                nn.AdaptiveAvgPool2d(bins), *_conv_bn_relu(channels, channels // len(BINS), 1)
            )
            for bins in BINS
        )

    def forward(self, features: Tensor) -> Tensor:
        size = features.shape[-2:]
        pooled = [
            functional.interpolate(branch(features), size, mode="bilinear", align_corners=True)
            for branch in self.branches
        ]
        return torch.cat([features, *pooled], dim=1)


class PSPDecoder(EnlargingDecoder):
    """Pyramid pooling, classifier and upsampling with aligned corners.

    (B, 2048, h, w) -> (B, num_classes, 8 (h - 1) + 1, 8 (w - 1) + 1) logits.
    """

    factor = STRIDE
    corners_aligned = True

    def __init__(self, num_classes: int) -> None:
        super().__init__()
        self.pyramid = PyramidPooling(CHANNELS)
        self.classifier = nn.Sequential(
            *_conv_bn_relu(2 * CHANNELS, CLASSIFIER_CHANNELS, 3),
            nn.Dropout2d(DROPOUT),
            nn.Conv2d(CLASSIFIER_CHANNELS, num_classes, 1),
        )

    def small_logits(self, features: Tensor) -> Tensor:
        return self.classifier(self.pyramid(features))


class PSPNet(nn.Module):
    """PSPNet as a `Backbone`; the pyramid pooling belongs to the decoder, so it follows the fusion.

    Image sides must be 8 k + 1, so that the corners of image and features are aligned.

    Args:
        num_classes: outputs of the decoder.
        layers: 50 or 101; 47 or 66 M parameters.
    """

    feature_channels = CHANNELS
    stride = STRIDE
    size_rule = SizeRule(multiple=STRIDE, offset=1)

    def __init__(self, num_classes: int, layers: int) -> None:
        super().__init__()
        self.encoder = DilatedResNet(layers)
        self.decoder = PSPDecoder(num_classes)
