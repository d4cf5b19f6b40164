"""A trained network with settings other than those it was trained with."""

from __future__ import annotations

from dataclasses import replace

from lmanet_core.models import LMANet, build_model


def with_window_size(model: LMANet, window_size: int | None) -> LMANet:
    """The same weights with another attention window; no weight depends on its size.

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
