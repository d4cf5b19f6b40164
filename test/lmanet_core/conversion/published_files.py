"""State dicts with exactly the names and shapes of the published files, and random numbers."""

from __future__ import annotations

import torch
from torch import Tensor

Tensors = dict[str, Tensor]


def conv(
    tensors: Tensors, name: str, shape: tuple[int, ...], bias: int = 0, gain: float = 1.0
) -> None:
    """A convolution's weight of the given shape and, if `bias` is not 0, that many biases."""
    fan_in = shape[1] * shape[2] * shape[3]
    tensors[f"{name}.weight"] = torch.randn(shape) * gain * (2 / fan_in) ** 0.5
    if bias:
        tensors[f"{name}.bias"] = 0.1 * torch.randn(bias)


def norm(tensors: Tensors, name: str, channels: int, gain: float = 1.0) -> None:
    tensors[f"{name}.weight"] = gain * (0.8 + 0.4 * torch.rand(channels))
    tensors[f"{name}.bias"] = 0.1 * torch.randn(channels)
    tensors[f"{name}.running_mean"] = 0.1 * torch.randn(channels)
    tensors[f"{name}.running_var"] = 0.8 + 0.4 * torch.rand(channels)
    tensors[f"{name}.num_batches_tracked"] = torch.tensor(1000)


def erfnet(outputs: int = 20) -> Tensors:
    """`erfnet_pretrained.pth`, without its prefix."""
    tensors: Tensors = {}
    downsampler(tensors, "encoder.initial_block", 3, 16)
    downsampler(tensors, "encoder.layers.0", 16, 64)
    for index in range(1, 6):
        non_bottleneck(tensors, f"encoder.layers.{index}", 64)
    downsampler(tensors, "encoder.layers.6", 64, 128)
    for index in range(7, 15):
        non_bottleneck(tensors, f"encoder.layers.{index}", 128)
    conv(tensors, "encoder.output_conv", (outputs, 128, 1, 1), bias=outputs)
    for first, before, after in ((0, 128, 64), (3, 64, 16)):
        conv(tensors, f"decoder.layers.{first}.conv", (before, after, 3, 3), bias=after)
        norm(tensors, f"decoder.layers.{first}.bn", after)
        non_bottleneck(tensors, f"decoder.layers.{first + 1}", after)
        non_bottleneck(tensors, f"decoder.layers.{first + 2}", after)
    conv(tensors, "decoder.output_conv", (16, outputs, 2, 2), bias=outputs)
    return tensors


def downsampler(tensors: Tensors, name: str, before: int, after: int) -> None:
    conv(tensors, f"{name}.conv", (after - before, before, 3, 3), bias=after - before)
    norm(tensors, f"{name}.bn", after)


def non_bottleneck(tensors: Tensors, name: str, channels: int) -> None:
    for number in (1, 2):
        conv(tensors, f"{name}.conv3x1_{number}", (channels, channels, 3, 1), bias=channels)
        conv(tensors, f"{name}.conv1x3_{number}", (channels, channels, 1, 3), bias=channels)
        norm(tensors, f"{name}.bn{number}", channels, gain=0.3)


def lmanet_erfnet() -> Tensors:
    """`lmanet_erf_best.pth`, without its prefix."""
    tensors = erfnet()
    del tensors["encoder.output_conv.weight"], tensors["encoder.output_conv.bias"]
    for head in ("kv_M_r4", "kv_Q_r4"):
        conv(tensors, f"{head}.Key", (16, 128, 3, 3), bias=16, gain=0.3)
        conv(tensors, f"{head}.Value", (64, 128, 3, 3), bias=64)
    fusion = "memory_fusion"
    norm(tensors, f"{fusion}.bn1", 64)
    norm(tensors, f"{fusion}.bn2", 64)
    for number, channels in ((1, 64), (2, 64), (3, 128), (4, 128)):
        conv(tensors, f"{fusion}.conv_layer_{number}", (128, channels, 3, 3), bias=128)
    norm(tensors, f"{fusion}.bn", 128)
    return tensors


def lmanet_erfnet_concatenation() -> Tensors:
    """The same with the authors' option `--fusion-strategy concat`."""
    fusion = "memory_fusion."
    return {
        name: tensor
        for name, tensor in lmanet_erfnet().items()
        if not name.startswith((f"{fusion}conv_layer", f"{fusion}bn."))
    }


def resnet(tensors: Tensors, prefix: str, blocks: tuple[int, ...]) -> None:
    for index, (before, after) in ((0, (3, 64)), (3, (64, 64)), (6, (64, 128))):
        conv(tensors, f"{prefix}layer0.{index}", (after, before, 3, 3))
        norm(tensors, f"{prefix}layer0.{index + 1}", after)
    before = 128
    for stage, count in enumerate(blocks, start=1):
        channels = 32 * 2**stage
        for block in range(count):
            name = f"{prefix}layer{stage}.{block}"
            conv(tensors, f"{name}.conv1", (channels, before, 1, 1))
            conv(tensors, f"{name}.conv2", (channels, channels, 3, 3))
            conv(tensors, f"{name}.conv3", (4 * channels, channels, 1, 1))
            norm(tensors, f"{name}.bn1", channels)
            norm(tensors, f"{name}.bn2", channels)
            norm(tensors, f"{name}.bn3", 4 * channels, gain=0.2)
            if block == 0:
                conv(tensors, f"{name}.downsample.0", (4 * channels, before, 1, 1))
                norm(tensors, f"{name}.downsample.1", 4 * channels)
            before = 4 * channels


def pyramid(tensors: Tensors) -> None:
    for index in range(4):
        conv(tensors, f"ppm.features.{index}.1", (512, 2048, 1, 1))
        norm(tensors, f"ppm.features.{index}.2", 512)


def classifier(tensors: Tensors, name: str, before: int, channels: int, outputs: int) -> None:
    conv(tensors, f"{name}.0", (channels, before, 3, 3))
    norm(tensors, f"{name}.1", channels)
    conv(tensors, f"{name}.4", (outputs, channels, 1, 1), bias=outputs)


def semseg_pspnet50(outputs: int = 19) -> Tensors:
    """A training's file of PSPNet-50 from hszhao/semseg, without its prefix."""
    tensors: Tensors = {}
    resnet(tensors, "", (3, 4, 6, 3))
    pyramid(tensors)
    classifier(tensors, "cls", 4096, 512, outputs)
    classifier(tensors, "aux", 1024, 256, outputs)
    return tensors


def lmanet_pspnet101() -> Tensors:
    """`lmanet_psp101_best.pth`, without its prefix."""
    tensors: Tensors = {}
    resnet(tensors, "encoder.", (3, 4, 23, 3))
    for head in ("kv_M_r4", "kv_Q_r4"):
        conv(tensors, f"{head}.Key", (128, 2048, 3, 3), bias=128, gain=0.1)
    fusion = "memory_fusion"
    norm(tensors, f"{fusion}.bn0", 256)
    for number, shape in enumerate([(256, 2048, 1, 1)] * 2 + [(2048, 256, 1, 1)] * 2, start=1):
        conv(tensors, f"{fusion}.conv_layer_{number}", shape, bias=shape[0])
    norm(tensors, f"{fusion}.bn", 2048)
    pyramid(tensors)
    classifier(tensors, "decoder.cls", 4096, 512, 19)
    return tensors
