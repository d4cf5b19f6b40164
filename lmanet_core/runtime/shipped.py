"""The shipped default, exported: what runs it where no GPU does."""

from __future__ import annotations

from importlib.util import find_spec
from pathlib import Path
from typing import NamedTuple

from lmanet_core import kernel
from lmanet_core.checkpoint import DEFAULT_WEIGHTS, WEIGHTS_FOLDER, shipped_weights
from lmanet_core.runtime.backends.cpu_graph import RUNTIMES

_GPU_DEVICES = ("nvidia*", "nvhost*", "nvmap", "dxg", "kfd")
"""Devices in /dev of a GPU: NVIDIA's on PCs, on Jetsons and under Windows, and AMD's. Asking
PyTorch would take as long as the rest of the start."""


class ShippedExport(NamedTuple):
    """An exported file that is to run in place of shipped weights, and why."""

    file: Path
    reason: str


def find_shipped_export(
    name: str | Path | None, *, backend: str, device: str, precision: str
) -> ShippedExport | None:
    """The export of shipped weights, if there is one that is to run in their place.

    Args:
        name: of the weights, or a file; None: the default.
        backend, device, precision: as `open_segmenter` takes them.
    """
    weights = str(name or DEFAULT_WEIGHTS)
    file = WEIGHTS_FOLDER / f"{weights}.lmanet"
    runtimes = [r for r in RUNTIMES.names() if backend in ("auto", r) and find_spec(r)]
    # As `load` does: a file goes before shipped weights of that name.
    if Path(weights).is_file() or weights not in shipped_weights():
        return None
    if not (runtimes and kernel.is_available() and file.is_file()):
        return None
    if backend != "auto":
        return ShippedExport(file, "asked for")
    if device not in ("auto", "cpu") or precision not in ("auto", "fp32"):
        return None
    if not find_spec("torch"):
        return ShippedExport(file, "PyTorch is not installed")
    if device == "auto" and _has_gpu():
        return None
    return ShippedExport(file, "without a GPU it is faster than PyTorch")


def _has_gpu() -> bool:
    # PyTorch's own answer takes as long as all else at the start, so that it comes second.
    if not any(any(Path("/dev").glob(pattern)) for pattern in _GPU_DEVICES):
        return False
    import torch

    return torch.cuda.is_available()
