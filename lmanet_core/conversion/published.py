"""The published networks: how to recognise them and what their tensors are called.

The names are those of the authors' implementations: LMANet (Paul et al., IROS 2021), ERFNet (Romera
et al., T-ITS 2018) and PSPNet (Zhao et al., CVPR 2017, the repository semseg).
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace

Sources = Mapping[str, tuple[str, ...]]
"""Beginning of names here -> beginnings of the published names, whose tensors are put one after the
other along the first dimension. The first entry that fits a name counts."""


@dataclass(frozen=True)
class PublishedNetwork:
    """One family of published files.

    Attributes:
        title: for people.
        signature: names that all files of the family have and no file of an earlier family.
        settings: of `ModelConfig`, without the classes.
        sources: where the tensors come from.
        unused: beginnings of names that the published network never uses to segment.
        output: beginning of the names, here, of the layer that makes the logits.
        transposed_output: whether that layer's weight has its outputs in the second dimension.
    """

    title: str
    signature: tuple[str, ...]
    settings: Mapping[str, object]
    sources: Sources
    unused: tuple[str, ...]
    output: str
    transposed_output: bool


ERFNET_SOURCES: Sources = {"encoder.": ("encoder.",), "decoder.": ("decoder.",)}
ERFNET_UNUSED = ("encoder.output_conv.",)
"""Classifier of the encoder alone, from the first stage of ERFNet's training."""

GATED_MEMORY_SOURCES: Sources = {
    "memory.heads.": ("kv_Q_r4.Key.", "kv_Q_r4.Value.", "kv_M_r4.Key.", "kv_M_r4.Value."),
    "memory.fusion.bn.": ("memory_fusion.bn1.", "memory_fusion.bn2."),
    "memory.fusion.expand.": ("memory_fusion.conv_layer_1.", "memory_fusion.conv_layer_2."),
    "memory.fusion.gate.": ("memory_fusion.conv_layer_3.", "memory_fusion.conv_layer_4."),
    "memory.fusion.out_bn.": ("memory_fusion.bn.",),
}

BOTTLENECK_MEMORY_SOURCES: Sources = {
    "memory.heads.": ("kv_Q_r4.Key.", "kv_M_r4.Key."),
    "memory.fusion.down.": ("memory_fusion.conv_layer_1.",),
    "memory.fusion.bn.": ("memory_fusion.bn0.",),
    "memory.fusion.gate.": ("memory_fusion.conv_layer_3.", "memory_fusion.conv_layer_4."),
    "memory.fusion.out_bn.": ("memory_fusion.bn.",),
}
BOTTLENECK_MEMORY_UNUSED = ("memory_fusion.conv_layer_2.",)
"""Meant for the read values, which go through the query's convolution instead."""

PSPNET_LMA_SETTINGS = {
    "memory_size": 3,
    "key_channels": 128,
    "value_channels": None,
    "fusion": "bottleneck",
}

CONCATENATION_MEMORY_SOURCES: Sources = {
    name: GATED_MEMORY_SOURCES[name] for name in ("memory.heads.", "memory.fusion.bn.")
}

LMANET_ERFNET = PublishedNetwork(
    title="LMANet with ERFNet",
    signature=("kv_M_r4.Value.weight", "memory_fusion.bn.weight"),
    settings={"backbone": "erfnet"},
    sources={**ERFNET_SOURCES, **GATED_MEMORY_SOURCES},
    unused=ERFNET_UNUSED,
    output="decoder.output_conv.",
    transposed_output=True,
)
LMANET_ERFNET_CONCATENATION = replace(
    LMANET_ERFNET,
    title="LMANet with ERFNet, fusion by concatenation",
    signature=("kv_M_r4.Value.weight", "memory_fusion.bn1.weight"),
    settings={"backbone": "erfnet", "fusion": "concatenation"},
    sources={**ERFNET_SOURCES, **CONCATENATION_MEMORY_SOURCES},
)
LMANET_PSPNET101 = PublishedNetwork(
    title="LMANet with PSPNet-101",
    signature=("kv_M_r4.Key.weight", "encoder.layer3.22.conv1.weight"),
    settings={"backbone": "pspnet101", **PSPNET_LMA_SETTINGS},
    sources={
        "encoder.stem.": ("encoder.layer0.",),
        "encoder.": ("encoder.",),
        "decoder.pyramid.branches.": ("ppm.features.",),
        "decoder.classifier.": ("decoder.cls.",),
        **BOTTLENECK_MEMORY_SOURCES,
    },
    unused=BOTTLENECK_MEMORY_UNUSED,
    output="decoder.classifier.4.",
    transposed_output=False,
)
ERFNET = replace(
    LMANET_ERFNET,
    title="ERFNet",
    signature=("encoder.initial_block.conv.weight",),
    settings={"backbone": "erfnet", "memory_size": 0},
    sources=ERFNET_SOURCES,
)


def _semseg_pspnet(layers: int, signature: str) -> PublishedNetwork:
    return PublishedNetwork(
        title=f"PSPNet-{layers} of semseg",
        signature=(signature,),
        settings={"backbone": f"pspnet{layers}", "memory_size": 0},
        sources={
            "encoder.stem.": ("layer0.",),
            "encoder.": ("",),
            "decoder.pyramid.branches.": ("ppm.features.",),
            "decoder.classifier.": ("cls.",),
        },
        # Classifier of the auxiliary loss, for training alone.
        unused=("aux.",),
        output="decoder.classifier.4.",
        transposed_output=False,
    )


PUBLISHED_NETWORKS = (
    LMANET_ERFNET,
    LMANET_ERFNET_CONCATENATION,
    LMANET_PSPNET101,
    ERFNET,
    _semseg_pspnet(101, "layer3.22.conv1.weight"),
    _semseg_pspnet(50, "layer3.5.conv1.weight"),
)
"""The first whose signature fits a file is what it is."""
