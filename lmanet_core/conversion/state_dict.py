"""Reading of PyTorch's pickled checkpoints, without running what is in them."""

from __future__ import annotations

import pickle
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import torch
from torch import Tensor

from lmanet_core.checkpoint import CheckpointError

PREFIX = "module."
"""What data-parallel training puts before every name."""


def read_state_dict(path: str | Path) -> dict[str, Tensor]:
    """The tensors of a `.pth` file by name, on the CPU, without the prefix `module.`.

    Of a bundle, such as training programs write to resume from, it is the entry `state_dict`.

    Raises:
        CheckpointError: there is no such file, it holds more than tensors and plain values, which
            is never unpickled, or it is not a state dict.
    """
    try:
        content = torch.load(path, map_location="cpu", weights_only=True)
    except pickle.UnpicklingError:
        raise CheckpointError(
            f"{path} holds more than tensors and plain values, and unpickling that can run code. "
            "Save its state dict alone, where you trust the file: "
            "torch.save(torch.load(path, weights_only=False)['state_dict'], 'clean.pth')"
        ) from None
    except Exception as error:
        # What the unpickler does with the bytes of another format is anybody's guess.
        raise CheckpointError(f"{path} is not a readable PyTorch checkpoint: {error}") from None
    if isinstance(content, Mapping) and isinstance(content.get("state_dict"), Mapping):
        content = content["state_dict"]
    if not _is_state_dict(content):
        raise CheckpointError(
            f"{path}: expected a state dict, names with their tensors, or a bundle that has one "
            f"as its entry 'state_dict'; got {_describe(content)}"
        )
    return {name.removeprefix(PREFIX): tensor for name, tensor in content.items()}


def _is_state_dict(content: Any) -> bool:
    return (
        isinstance(content, Mapping)
        and len(content) > 0
        and all(isinstance(name, str) for name in content)
        and all(isinstance(tensor, Tensor) for tensor in content.values())
    )


def _describe(content: Any) -> str:
    if isinstance(content, Mapping):
        return f"a dictionary with {[str(name) for name in content][:5]}"
    return f"a {type(content).__name__}"
