"""ERFNet, the efficient single-frame network of Romera et al. (T-ITS 2018)."""

from __future__ import annotations

import torch
from torch import Tensor, nn
from torch.nn import functional

from lmanet_core.network.size_rule import SizeRule

BATCH_NORM_EPS = 1e-3


class Downsampler(nn.Module):
    """Halve the resolution: a strided convolution beside a max pooling, concatenated."""

    def __init__(self, in_channels: int, out_channels: int) -> None:
        super().__init__()
        self.conv = nn.Conv2d(in_channels, out_channels - in_channels, 3, stride=2, padding=1)
        self.pool = nn.MaxPool2d(2, stride=2)
        self.bn = nn.BatchNorm2d(out_channels, eps=BATCH_NORM_EPS)

    def forward(self, features: Tensor) -> Tensor:
        both = torch.cat([self.conv(features), self.pool(features)], dim=1)
        return functional.relu(self.bn(both), inplace=True)


class NonBottleneck1d(nn.Module):
    """Residual block of two factorised 3x3 convolutions, the second one dilated."""

    def __init__(self, channels: int, dropout: float, dilation: int) -> None:
        super().__init__()
        d = dilation
        self.conv3x1_1 = nn.Conv2d(channels, channels, (3, 1), padding=(1, 0))
        self.conv1x3_1 = nn.Conv2d(channels, channels, (1, 3), padding=(0, 1))
        self.bn1 = nn.BatchNorm2d(channels, eps=BATCH_NORM_EPS)
        self.conv3x1_2 = nn.Conv2d(channels, channels, (3, 1), padding=(d, 0), dilation=(d, 1))
        self.conv1x3_2 = nn.Conv2d(channels, channels, (1, 3), padding=(0, d), dilation=(1, d))
        self.bn2 = nn.BatchNorm2d(channels, eps=BATCH_NORM_EPS)
        self.dropout = nn.Dropout2d(dropout)

    def forward(self, features: Tensor) -> Tensor:
        # In place: for layers as light as these, memory traffic is a good part of the time.
        out = functional.relu(self.conv3x1_1(features), inplace=True)
        out = functional.relu(self.bn1(self.conv1x3_1(out)), inplace=True)
        out = functional.relu(self.conv3x1_2(out), inplace=True)
        out = self.dropout(self.bn2(self.conv1x3_2(out)))
        return functional.relu(out + features, inplace=True)


class Upsampler(nn.Module):
    """Double the resolution by a transposed convolution."""

    def __init__(self, in_channels: int, out_channels: int) -> None:
        super().__init__()
        self.conv = nn.ConvTranspose2d(
            in_channels, out_channels, 3, stride=2, padding=1, output_padding=1
        )
        self.bn = nn.BatchNorm2d(out_channels, eps=BATCH_NORM_EPS)

    def forward(self, features: Tensor) -> Tensor:
        return functional.relu(self.bn(self.conv(features)), inplace=True)


class ERFNetEncoder(nn.Module):
    """(B, 3, H, W) image, RGB in 0..1 -> (B, 128, H/8, W/8)."""

    def __init__(self) -> None:
        super().__init__()
        self.initial_block = Downsampler(3, 16)
        blocks: list[nn.Module] = [Downsampler(16, 64)]
        blocks += [NonBottleneck1d(64, 0.03, 1) for _ in range(5)]
        blocks += [Downsampler(64, 128)]
        blocks += [NonBottleneck1d(128, 0.3, dilation) for dilation in (2, 4, 8, 16) * 2]
        self.layers = nn.Sequential(*blocks)

    def forward(self, images: Tensor) -> Tensor:
        return self.layers(self.initial_block(images))


class ERFNetDecoder(nn.Module):
    """(B, 128, H/8, W/8) features -> (B, num_classes, H, W) logits."""

    def __init__(self, num_classes: int) -> None:
        super().__init__()
        self.layers = nn.Sequential(
            Upsampler(128, 64),
            NonBottleneck1d(64, 0.0, 1),
            NonBottleneck1d(64, 0.0, 1),
            Upsampler(64, 16),
            NonBottleneck1d(16, 0.0, 1),
            NonBottleneck1d(16, 0.0, 1),
        )
        self.output_conv = nn.ConvTranspose2d(16, num_classes, 2, stride=2)

    def forward(self, features: Tensor) -> Tensor:
        return self.output_conv(self.layers(features))


class ERFNet(nn.Module):
    """ERFNet as a `Backbone`: 2.1 M parameters, features of stride 8.

    Input sides must be multiples of 8, the images RGB in 0..1 without mean or deviation.
    """

    feature_channels = 128
    stride = 8
    size_rule = SizeRule(multiple=8)

    def __init__(self, num_classes: int) -> None:
        super().__init__()
        self.encoder = ERFNetEncoder()
        self.decoder = ERFNetDecoder(num_classes)
