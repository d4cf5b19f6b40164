"""A trained network with other settings, or another memory, than it was trained with."""

from __future__ import annotations

from dataclasses import replace

import torch

from lmanet_core.models import LMANet, build_model


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
