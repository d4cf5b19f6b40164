"""Reading of PyTorch's pickled checkpoints, without running what is in them."""

from __future__ import annotations

import pickle
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import torch
from torch import Tensor

from lmanet_core.checkpoint import CheckpointError

ZIP_MARK, PICKLE_MARK = b"PK", b"\x80"
"""What files of `torch.save` begin with, since PyTorch 1.6 and before."""
MODULE_MARK = b"torch.nn.modules"
"""Where a model is pickled, the classes of its layers are named."""
PREFIX = "module."
"""What data-parallel training puts before every name."""


def read_state_dict(path: str | Path) -> dict[str, Tensor]:
    """The tensors of a `.pth` file by name, on the CPU, without the prefix `module.`.

    Of a bundle, such as training programs write to resume from, it is the entry `state_dict`.

    Raises:
        CheckpointError: there is no such file, it holds more than tensors and plain values, which
            is never unpickled, or it is not a state dict.
    """
    _check_is_checkpoint(Path(path))
    try:
        content = torch.load(path, map_location="cpu", weights_only=True)
    except pickle.UnpicklingError as error:
        if "Unsupported global" not in str(error):
            raise CheckpointError(f"{path} is damaged or was not written by PyTorch") from None
        whole = MODULE_MARK in Path(path).read_bytes()
        loaded = "torch.load(path, weights_only=False)"
        state_dict = f"{loaded}.state_dict()" if whole else f"{loaded}['state_dict']"
        raise CheckpointError(
            f"{path} holds {'a whole model' if whole else 'more than tensors and plain values'}, "
            "and unpickling that can run code. Save its state dict alone, where you trust the "
            f"file: torch.save({state_dict}, 'clean.pth')"
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


def _check_is_checkpoint(path: Path) -> None:
    """Refuse what a download leaves in the place of a checkpoint."""
    try:
        with path.open("rb") as file:
            begin = file.read(512)
    except OSError as error:
        raise CheckpointError(f"{path} cannot be read: {error.strerror}") from None
    if not begin:
        raise CheckpointError(f"{path} is empty: download it again")
    if begin.lstrip().lower().startswith((b"<!doctype", b"<html", b"<?xml")):
        raise CheckpointError(
            f"{path} is a web page, not a checkpoint: the server answered the download with it, as "
            "some do to ask for confirmation or a login. Download the file with a browser"
        )
    if begin.startswith(b"version https://git-lfs"):
        raise CheckpointError(f"{path} is a pointer of Git LFS: fetch the file with `git lfs pull`")
    if not begin.startswith((ZIP_MARK, PICKLE_MARK)):
        raise CheckpointError(f"{path} is not a PyTorch checkpoint: it begins with {begin[:16]!r}")


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
