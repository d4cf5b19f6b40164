"""Shipped weights, exported: what runs them where no GPU does."""

from __future__ import annotations

from importlib.util import find_spec
from pathlib import Path

from lmanet_core import kernel
from lmanet_core.checkpoint import DEFAULT_WEIGHTS, WEIGHTS_FOLDER

REASON = "it runs shipped weights faster than PyTorch does without a GPU"
_GPU_DEVICES = ("nvidia*", "nvhost*", "nvmap", "kfd")
"""In /dev: NVIDIA's on PCs and on Jetsons, AMD's."""


def find_shipped_export(
    name: str | None, *, backend: str, device: str, precision: str
) -> Path | None:
    """The exported file that is to run in place of shipped weights; None: PyTorch is to run them.

    Args:
        name: of the weights; None: the default.
        backend, device, precision: as `open_segmenter` takes them.
    """
    path = WEIGHTS_FOLDER / f"{name or DEFAULT_WEIGHTS}.lmanet"
    runtimes = [r for r in ("openvino", "onnxruntime") if backend in ("auto", r) and find_spec(r)]
    fits = device in ("auto", "cpu") and precision in ("auto", "fp32")
    if not (fits and runtimes and kernel.is_available() and path.is_file()):
        return None
    # An answer of PyTorch's own would take as long as all else at the start.
    has_gpu = device == "auto" and any(any(Path("/dev").glob(p)) for p in _GPU_DEVICES)
    return None if has_gpu and backend == "auto" and find_spec("torch") else path
