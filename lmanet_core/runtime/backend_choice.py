"""Which backend runs a network on this machine, and why."""

from __future__ import annotations

from importlib.util import find_spec
from pathlib import Path
from typing import NamedTuple

from lmanet_core.runtime.backends.cpu_graph import RUNTIMES
from lmanet_core.runtime.engine_file import ENGINE_RUNTIMES, is_engine, read_engine
from lmanet_core.runtime.graph_info import GraphFileError


class Choice(NamedTuple):
    """A backend and the reason for it, in the words of a log line."""

    backend: str
    reason: str


def backend_names() -> tuple[str, ...]:
    """Names that `open_segmenter` accepts as `backend`; the faster one on CPUs comes first.

    Example:
        >>> backend_names()
        ('auto', 'torch', 'openvino', 'onnxruntime', 'tensorrt', 'tensorrt_rtx')
    """
    return ("auto", "torch", *RUNTIMES.names(), *ENGINE_RUNTIMES)


def choose_backend(backend: str, model_file: Path | None) -> Choice:
    """Decide by the file and by what is installed.

    Raises:
        ValueError: the word is unknown, or no such backend is here or takes the file.
        GraphFileError: there is no such file.
    """
    if backend not in (names := backend_names()):
        raise ValueError(f"backend must be one of {list(names)}, got {backend!r}")
    if model_file is None:
        if backend not in ("auto", "torch"):
            raise ValueError(
                f"model_file must name a file for the backend {backend!r}; make one with: "
                "lmanet export CHECKPOINT OUT"
            )
        return Choice("torch", "there is no exported file")
    if backend == "torch":
        raise ValueError(
            f"backend 'torch' runs checkpoints; leave model_file empty, got {model_file}"
        )
    if not model_file.is_file():
        raise GraphFileError(
            f"{model_file} is no file; make it with: lmanet export CHECKPOINT {model_file}"
        )
    if is_engine(model_file):
        return _choose_for_engine(backend, model_file)
    return _choose_for_cpu(backend, model_file)


def _choose_for_engine(backend: str, engine: Path) -> Choice:
    runtime = read_engine(engine)[0].runtime
    if backend not in ("auto", runtime):
        raise ValueError(f"backend must be '{runtime}' for {engine}, got {backend!r}")
    if find_spec(runtime) is None:
        name = f"model_file {engine}" if backend == "auto" else f"backend {backend!r}"
        raise ValueError(f"{name} needs the Python package {runtime}, not found here")
    return Choice(runtime, f"{engine.name} is built for it")


def _choose_for_cpu(backend: str, model_file: Path) -> Choice:
    if backend in ENGINE_RUNTIMES:
        raise ValueError(
            f"backend {backend!r} takes engines; make one with: lmanet export CHECKPOINT "
            f"{model_file.with_suffix('.engine')} --format tensorrt"
        )
    runtimes = RUNTIMES.names()
    installed = [name for name in runtimes if find_spec(name) is not None]
    if backend == "auto" and not installed:
        raise ValueError(
            f"backend 'auto' found none of {list(runtimes)} to run {model_file}; "
            "install one with: pip install openvino"
        )
    if backend == "auto":
        return Choice(installed[0], f"of those that take {model_file.name}, the fastest installed")
    if backend not in installed:
        raise ValueError(f"backend {backend!r} is not installed; try: pip install {backend}")
    return Choice(backend, "asked for")
