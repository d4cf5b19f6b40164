"""A trained network with other settings, or another memory, than it was trained with."""

from __future__ import annotations

import copy
from collections.abc import Mapping
from dataclasses import replace

import torch
from torch import Tensor, nn

from lmanet_core.models import LMANet, build_model
from lmanet_core.models.lmanet import PROBE_SIZE


def with_window_size(model: LMANet, window_size: int | None) -> LMANet:
    """The network with another attention window; no weight depends on its size.

    Args:
        model: stays as it is.
        window_size: side of the window, odd; None attends to all positions, with the scale that
            belongs to it.

    Raises:
        ValueError: the size is not possible, or the network has no memory.
    """
    if model.memory is None:
        raise ValueError("this is a single-frame network: it has no attention window to change")
    changed = build_model(replace(model.config, window_size=window_size))
    changed.load_state_dict(model.state_dict())
    return changed.train(model.training)


def with_memory_of(network: LMANet, other: LMANet) -> LMANet:
    """A network's encoder, decoder and classes, and another one's memory.

    It fits where one was tuned from the other: the memory works on the encoder's features, and a
    fusion that averages them hands on what the decoder knows. See docs/lab/camvid.md.

    Args:
        network: stays as it is, whether or not it has a memory of its own.
        other: stays as it is.

    Raises:
        ValueError: the other has no memory, or another backbone.
    """
    if other.memory is None:
        raise ValueError("the one whose memory is wanted is a single-frame network: it has none")
    if network.config.backbone != other.config.backbone:
        raise ValueError(
            f"a memory belongs to the features of a backbone: the network has "
            f"'{network.config.backbone}', the memory is of '{other.config.backbone}'"
        )
    joined = build_model(replace(other.config, classes=network.config.classes))
    joined.encoder.load_state_dict(network.encoder.state_dict())
    joined.decoder.load_state_dict(network.decoder.state_dict())
    assert joined.memory is not None
    joined.memory.load_state_dict(other.memory.state_dict())
    return joined.train(network.training)


def interpolate(before: LMANet, after: LMANet, share: float) -> LMANet:
    """Encoder and decoder on the straight way from those of a network to what they became.

    What was learned for bad days is so had for less of what is lost on good ones.

    Args:
        before: stays as it is; the memory, if there is one, is that of this one.
        after: the same network after more training; stays as it is.
        share: 0..1, of the way.

    Raises:
        ValueError: they differ in backbone or classes.

    Source: Wortsman et al., "Robust fine-tuning of zero-shot models", CVPR 2022.
    """
    one, other = before.config, after.config
    if (one.backbone, one.classes) != (other.backbone, other.classes):
        raise ValueError(
            f"there is no way between networks of two kinds: '{one.backbone}' with "
            f"{len(one.classes)} classes and '{other.backbone}' with {len(other.classes)}"
        )
    mixed = build_model(one)
    mixed.load_state_dict(before.state_dict())
    for name in ("encoder", "decoder"):
        state, became = getattr(before, name).state_dict(), getattr(after, name).state_dict()
        getattr(mixed, name).load_state_dict(
            {
                key: torch.lerp(value, became[key], share) if value.is_floating_point() else value
                for key, value in state.items()
            }
        )
    return mixed.train(before.training)


@torch.no_grad()
def with_raised_logits(model: LMANet, raised: Mapping[str, float]) -> LMANet:
    """The network with other logits for some classes: it finds them more often, or less.

    Args:
        model: stays as it is.
        raised: class -> what is added to its logit everywhere.

    Raises:
        ValueError: the network has no such class, or its decoder does not end in a layer with a
            bias for each class.
    """
    names = model.config.classes.names
    if unknown := [name for name in raised if name not in names]:
        raise ValueError(f"the network has no class {unknown[0]!r}; it has {', '.join(names)}")
    changed = copy.deepcopy(model)
    amounts = torch.tensor([raised.get(name, 0.0) for name in names])
    if (bias := _bias_of_classes(changed.decoder, len(names))) is not None:
        bias += amounts
        width, height = model.size_rule.fit(PROBE_SIZE)
        features = model.encoder(torch.rand(1, 3, height, width))
        difference = changed.decoder(features) - model.decoder(features)
        if torch.allclose(difference, amounts[:, None, None].expand_as(difference), atol=1e-3):
            return changed
    raise ValueError(
        "the logits of this network cannot be raised: expected a decoder that ends in a "
        f"convolution with a bias for each of {len(names)} classes"
    )


@torch.no_grad()
def with_closed_gates(model: LMANet, amount: float) -> LMANet:
    """The network with gates that let less of the memory in.

    Args:
        model: stays as it is.
        amount: what the gates' logits are lowered by; negative: they let more in.

    Raises:
        ValueError: the network has no memory, or one without such gates.
    """
    if model.memory is None:
        raise ValueError("this is a single-frame network: it has no memory whose gates could close")
    changed = copy.deepcopy(model)
    assert changed.memory is not None
    bias = changed.memory.fusion.memory_gate_bias()
    if bias is None:
        raise ValueError(f"the fusion '{model.config.fusion}' has no gates that could close")
    bias -= amount
    return changed


def _bias_of_classes(decoder: nn.Module, classes: int) -> Tensor | None:
    """The bias of the last layer that may be the classifier."""
    layers = [m for m in decoder.modules() if isinstance(m, nn.Conv2d | nn.ConvTranspose2d)]
    biases = [layer.bias for layer in layers if layer.bias is not None]
    return next((bias for bias in reversed(biases) if len(bias) == classes), None)
