"""The networks of the paper as plain equations over the published tensors.

Written from the description of the networks; shares no code with the library.
"""

from __future__ import annotations

import torch
import torch.nn.functional as F  # noqa: N812
from torch import Tensor

Tensors = dict[str, Tensor]
ERFNET_DILATIONS = (2, 4, 8, 16) * 2


def conv(t: Tensors, name: str, x: Tensor, **options) -> Tensor:
    return F.conv2d(x, t[f"{name}.weight"], t.get(f"{name}.bias"), **options)


def norm(t: Tensors, name: str, x: Tensor, eps: float) -> Tensor:
    mean, var = t[f"{name}.running_mean"], t[f"{name}.running_var"]
    scaled = (x - mean[:, None, None]) / (var[:, None, None] + eps).sqrt()
    return scaled * t[f"{name}.weight"][:, None, None] + t[f"{name}.bias"][:, None, None]


def local_read(query: Tensor, keys: list[Tensor], values: list[Tensor], window: int) -> Tensor:
    """Softmax over frames and displacements together; zero padding counts; no scale."""
    batch, _, height, width = query.shape
    half = window // 2
    scores, candidates = [], []
    for key, value in zip(keys, values, strict=True):
        key = F.pad(key, (half, half, half, half))
        value = F.pad(value, (half, half, half, half))
        for dy in range(window):
            for dx in range(window):
                scores.append((query * key[:, :, dy : dy + height, dx : dx + width]).sum(1))
                candidates.append(value[:, :, dy : dy + height, dx : dx + width])
    weights = torch.stack(scores).softmax(0)
    read = torch.zeros(batch, values[0].shape[1], height, width)
    for weight, candidate in zip(weights, candidates, strict=True):
        read += weight[:, None] * candidate
    return read


class PublishedERFNet:
    """LMANet with ERFNet; 20 outputs, of which the last is 'ignore'."""

    eps = 1e-3

    def __init__(self, tensors: Tensors) -> None:
        self.t = tensors

    def encode(self, images: Tensor) -> Tensor:
        x = self.down("encoder.initial_block", images)
        x = self.down("encoder.layers.0", x)
        for index in range(1, 6):
            x = self.residual(f"encoder.layers.{index}", x, 1)
        x = self.down("encoder.layers.6", x)
        for index, dilation in enumerate(ERFNET_DILATIONS, start=7):
            x = self.residual(f"encoder.layers.{index}", x, dilation)
        return x

    def decode(self, x: Tensor) -> Tensor:
        for first in (0, 3):
            name = f"decoder.layers.{first}"
            weight, bias = self.t[f"{name}.conv.weight"], self.t[f"{name}.conv.bias"]
            x = F.conv_transpose2d(x, weight, bias, stride=2, padding=1, output_padding=1)
            x = norm(self.t, f"{name}.bn", x, self.eps).relu()
            for index in (first + 1, first + 2):
                x = self.residual(f"decoder.layers.{index}", x, 1)
        name = "decoder.output_conv"
        logits = F.conv_transpose2d(x, self.t[f"{name}.weight"], self.t[f"{name}.bias"], stride=2)
        return logits[:, :19]

    def down(self, name: str, x: Tensor) -> Tensor:
        both = [conv(self.t, f"{name}.conv", x, stride=2, padding=1), F.max_pool2d(x, 2)]
        return norm(self.t, f"{name}.bn", torch.cat(both, 1), self.eps).relu()

    def residual(self, name: str, x: Tensor, dilation: int) -> Tensor:
        y = x
        for number, d in ((1, 1), (2, dilation)):
            column = {"padding": (d, 0), "dilation": (d, 1)}
            row = {"padding": (0, d), "dilation": (1, d)}
            y = conv(self.t, f"{name}.conv3x1_{number}", y, **column).relu()
            y = conv(self.t, f"{name}.conv1x3_{number}", y, **row)
            y = norm(self.t, f"{name}.bn{number}", y, self.eps)
            y = y.relu() if number == 1 else y
        return (y + x).relu()

    def key(self, head: str, features: Tensor) -> Tensor:
        return conv(self.t, f"{head}.Key", features, padding=1)

    def value(self, head: str, features: Tensor) -> Tensor:
        return conv(self.t, f"{head}.Value", features, padding=1)

    def fuse(self, query: Tensor, memory: Tensor) -> Tensor:
        f = "memory_fusion"
        q = norm(self.t, f"{f}.bn1", query, self.eps).relu()
        m = norm(self.t, f"{f}.bn2", memory, self.eps).relu()
        both = torch.cat([q, m], 1)
        q_gate = conv(self.t, f"{f}.conv_layer_3", both, padding=1).sigmoid()
        m_gate = conv(self.t, f"{f}.conv_layer_4", both, padding=1).sigmoid()
        fused = q_gate * conv(self.t, f"{f}.conv_layer_1", q, padding=1)
        fused = fused + m_gate * conv(self.t, f"{f}.conv_layer_2", m, padding=1)
        return norm(self.t, f"{f}.bn", fused, self.eps).relu()

    def segment(self, features: list[Tensor], window: int) -> Tensor:
        """Logits of the last frame from the features of all, the earlier ones in memory."""
        *past, current = features
        if not past:
            return self.decode(current)
        keys = [self.key("kv_M_r4", frame) for frame in past]
        values = [self.value("kv_M_r4", frame) for frame in past]
        read = local_read(self.key("kv_Q_r4", current), keys, values, window)
        return self.decode(self.fuse(self.value("kv_Q_r4", current), read))


class PublishedPSPNet(PublishedERFNet):
    """LMANet with PSPNet-101; values are the features themselves."""

    bn_eps = 1e-5

    def encode(self, images: Tensor) -> Tensor:
        mean, std = (0.485, 0.456, 0.406), (0.229, 0.224, 0.225)
        x = (images - torch.tensor(mean)[:, None, None]) / torch.tensor(std)[:, None, None]
        for index, stride in ((0, 2), (3, 1), (6, 1)):
            x = conv(self.t, f"encoder.layer0.{index}", x, stride=stride, padding=1)
            x = norm(self.t, f"encoder.layer0.{index + 1}", x, self.bn_eps).relu()
        x = F.max_pool2d(x, 3, stride=2, padding=1)
        for stage, (count, stride, dilation) in enumerate(
            ((3, 1, 1), (4, 2, 1), (23, 1, 2), (3, 1, 4)), start=1
        ):
            for block in range(count):
                x = self.block(f"encoder.layer{stage}.{block}", x, stride, dilation, block == 0)
                stride = 1
        return x

    def block(self, name: str, x: Tensor, stride: int, dilation: int, first: bool) -> Tensor:
        middle = {"stride": stride, "padding": dilation, "dilation": dilation}
        y = norm(self.t, f"{name}.bn1", conv(self.t, f"{name}.conv1", x), self.bn_eps).relu()
        y = conv(self.t, f"{name}.conv2", y, **middle)
        y = norm(self.t, f"{name}.bn2", y, self.bn_eps).relu()
        y = norm(self.t, f"{name}.bn3", conv(self.t, f"{name}.conv3", y), self.bn_eps)
        if first:
            x = conv(self.t, f"{name}.downsample.0", x, stride=stride)
            x = norm(self.t, f"{name}.downsample.1", x, self.bn_eps)
        return (y + x).relu()

    def decode(self, x: Tensor) -> Tensor:
        height, width = x.shape[-2:]
        parts = [x]
        for index, bins in enumerate((1, 2, 3, 6)):
            pooled = conv(self.t, f"ppm.features.{index}.1", F.adaptive_avg_pool2d(x, bins))
            pooled = norm(self.t, f"ppm.features.{index}.2", pooled, self.bn_eps).relu()
            size = (height, width)
            parts.append(F.interpolate(pooled, size, mode="bilinear", align_corners=True))
        y = conv(self.t, "decoder.cls.0", torch.cat(parts, 1), padding=1)
        y = norm(self.t, "decoder.cls.1", y, self.bn_eps).relu()
        y = conv(self.t, "decoder.cls.4", y)
        size = (8 * (height - 1) + 1, 8 * (width - 1) + 1)
        return F.interpolate(y, size, mode="bilinear", align_corners=True)

    def value(self, head: str, features: Tensor) -> Tensor:
        return features

    def fuse(self, query: Tensor, memory: Tensor) -> Tensor:
        f = "memory_fusion"
        down = conv(self.t, f"{f}.conv_layer_1", query) + conv(self.t, f"{f}.conv_layer_1", memory)
        narrow = norm(self.t, f"{f}.bn0", down, self.eps).relu()
        fused = conv(self.t, f"{f}.conv_layer_3", narrow).sigmoid() * query
        fused = fused + conv(self.t, f"{f}.conv_layer_4", narrow).sigmoid() * memory
        return norm(self.t, f"{f}.bn", fused, self.eps).relu()
