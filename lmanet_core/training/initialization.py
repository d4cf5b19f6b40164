"""What a stage starts from."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import torch
from lightning.pytorch.utilities import rank_zero_only
from torch import nn

from lmanet_core.checkpoint import load
from lmanet_core.models import LMANet, LocalMemory, build_model
from lmanet_core.models.fusion import GatedFusion
from lmanet_core.network.classes import ClassTable
from lmanet_core.network.model_config import ModelConfig
from lmanet_core.training.imagenet import load_imagenet_weights
from lmanet_core.training.training_config import TrainingError

IMAGENET = "imagenet"
"""Name that stands for published weights of the encoder in place of a checkpoint; all else is
random."""

StartMemory = Callable[[LocalMemory, nn.Module], None]
"""Gives a new memory its weights, with an encoder that has its own."""


@torch.no_grad()
def share_initialization(memory: LocalMemory) -> None:
    """Give the memory's side the weights of the query's.

    Equal keys make attention start as similarity, and equal values let what is read and what is
    seen add up, instead of one being noise to the other until both are learned.
    """
    layers = [memory.heads]
    if isinstance(memory.fusion, GatedFusion):
        layers.append(memory.fusion.expand)
    for layer in layers:
        for parameter in layer.parameters():
            query, of_memory = parameter.chunk(2)
            of_memory.copy_(query)


def initial_model(
    config: ModelConfig,
    frames: int,
    weights: Path | str | None,
    start_memory: StartMemory = lambda memory, encoder: share_initialization(memory),
    start: str | None = None,
) -> LMANet:
    """The network of a stage on clips of `frames` frames, with those of the weights that fit it.

    What is not in the weights stays random: the output layer when the class tables differ, which is
    said. A memory that is not in them, or of random weights, is left to `start_memory`. A stage on
    single frames has no memory modules.

    Args:
        start: how a memory that the weights do not have is to start, to say where they have it;
            None: nothing was asked for.

    Raises:
        TrainingError: the weights are of another backbone.
        CheckpointError: they cannot be read.
    """
    model = build_model(config if frames > 1 else replace(config, memory_size=0))
    if weights is None or weights == IMAGENET:
        if weights == IMAGENET:
            load_imagenet_weights(config.backbone, model.encoder)
        if model.memory is not None:
            start_memory(model.memory, model.encoder)
        return model
    before = load(weights)
    if before.config.backbone != config.backbone:
        raise TrainingError(
            f"{weights} has the backbone '{before.config.backbone}', expected '{config.backbone}'"
        )
    model.encoder.load_state_dict(before.encoder.state_dict())
    _load_decoder(model, before, weights)
    if model.memory is not None:
        if before.memory is not None and _same_shapes(model.memory, before.memory):
            model.memory.load_state_dict(before.memory.state_dict())
            if start is not None:
                rank_zero_only(print)(
                    f"{weights} has the memory, which goes on from there: start '{start}' is not "
                    "needed"
                )
        else:
            start_memory(model.memory, model.encoder)
    return model


def _load_decoder(model: LMANet, before: LMANet, weights: Path | str) -> None:
    tensors = before.decoder.state_dict()
    if before.config.classes.names != model.config.classes.names:
        of_classes = _tensors_of_classes(model.config)
        tensors = {name: tensor for name, tensor in tensors.items() if name not in of_classes}
        rank_zero_only(print)(
            f"{weights} has other classes: the output layer ({', '.join(sorted(of_classes))}) "
            "starts from random weights"
        )
    model.decoder.load_state_dict(model.decoder.state_dict() | tensors)


def _tensors_of_classes(config: ModelConfig) -> set[str]:
    """Names of the decoder's tensors that have an entry for each class."""

    def shapes(classes: int) -> dict[str, torch.Size]:
        table = ClassTable(("",) * classes, ((0, 0, 0),) * classes)
        with torch.device("meta"):
            decoder = build_model(replace(config, classes=table, memory_size=0)).decoder
        return {name: tensor.shape for name, tensor in decoder.state_dict().items()}

    one, two = shapes(1), shapes(2)
    return {name for name, shape in one.items() if two[name] != shape}


def _same_shapes(one: nn.Module, other: nn.Module) -> bool:
    shapes, others = (
        {name: tensor.shape for name, tensor in module.state_dict().items()}
        for module in (one, other)
    )
    return shapes == others
