"""Which backend runs a network on this machine, and why."""

from __future__ import annotations

from dataclasses import dataclass
from importlib.util import find_spec
from pathlib import Path

from lmanet_core.models import LMANet
from lmanet_core.runtime.backend import Backend
from lmanet_core.runtime.engine_file import EngineInfo, is_engine, read_engine
from lmanet_core.runtime.graph_info import GraphFileError, GraphInfo, fingerprint, read_onnx_info
from lmanet_core.runtime.precision import PRECISIONS, resolve_device
from lmanet_core.runtime.segmenter import VideoSegmenter

BACKENDS = ("auto", "torch", "openvino", "onnxruntime", "tensorrt", "tensorrt_rtx")
"""Names that `open_segmenter` accepts; of those that take ONNX files, the faster one first."""

_OF_ONNX = ("openvino", "onnxruntime")
_OF_ENGINES = ("tensorrt", "tensorrt_rtx")


@dataclass(frozen=True)
class Choice:
    """A backend and the reason for it, in the words of a log line."""

    backend: str
    reason: str


def open_segmenter(
    model: LMANet,
    *,
    engine: str | Path = "",
    backend: str = "auto",
    memory_size: int | None = None,
    precision: str = "auto",
    device: str = "auto",
    work_size: tuple[int, int] | None = None,
    output_size: tuple[int, int] | None = None,
) -> tuple[VideoSegmenter, Choice]:
    """Open a stream on the best backend for it.

    Args:
        model: the network; a file must be an export of it.
        engine: file that `lmanet export` wrote; empty: the model itself runs, in PyTorch.
        backend: one of `BACKENDS`.
        memory_size, precision, device, work_size: as `VideoSegmenter` takes them; a file has its
            own, so that they must be left out or be the same.
        output_size: as `VideoSegmenter` takes it.

    Raises:
        ValueError: an argument is out of range or does not fit the others; the message begins with
            its name.
        GraphFileError: the file cannot be used here.
    """
    path = Path(engine) if str(engine) else None
    choice = choose_backend(backend, path)
    network: LMANet | Backend = model
    if path is not None:
        network = _open_file(path, choice.backend, model, memory_size, precision, device, work_size)
    options = (memory_size, precision, device, work_size, output_size)
    return VideoSegmenter(network, *options), choice


def choose_backend(backend: str, engine: Path | None) -> Choice:
    """Decide by the file and by what is installed.

    Raises:
        ValueError: the word is unknown, or no such backend is here or takes the file.
        GraphFileError: there is no such file.
    """
    if backend not in BACKENDS:
        raise ValueError(f"backend must be one of {list(BACKENDS)}, got {backend!r}")
    if engine is None:
        if backend not in ("auto", "torch"):
            raise ValueError(
                f"engine must name a file for the backend {backend!r}; make one with: "
                "lmanet export CHECKPOINT OUT"
            )
        return Choice("torch", "there is no exported file")
    if backend == "torch":
        raise ValueError(f"backend 'torch' runs checkpoints; leave engine empty, got {engine}")
    if not engine.is_file():
        raise GraphFileError(
            f"{engine} is no file; make it with: lmanet export CHECKPOINT {engine}"
        )
    if is_engine(engine):
        return _choose_for_engine(backend, engine)
    return _choose_for_onnx(backend, engine)


def _choose_for_engine(backend: str, engine: Path) -> Choice:
    runtime = read_engine(engine)[0].runtime
    if backend not in ("auto", runtime):
        raise ValueError(f"backend must be '{runtime}' for {engine}, got {backend!r}")
    if find_spec(runtime) is None:
        raise ValueError(f"backend {runtime!r} needs the Python package {runtime}, not found here")
    return Choice(runtime, f"{engine.name} is built for it")


def _choose_for_onnx(backend: str, engine: Path) -> Choice:
    if backend in _OF_ENGINES:
        raise ValueError(
            f"backend {backend!r} takes engines; make one with: lmanet export CHECKPOINT "
            f"{engine.with_suffix('.engine')} --format tensorrt"
        )
    installed = [name for name in _OF_ONNX if find_spec(name) is not None]
    if backend == "auto" and not installed:
        raise ValueError(
            f"backend 'auto' found none of {list(_OF_ONNX)} to run {engine}; "
            "install one with: pip install openvino"
        )
    if backend == "auto":
        return Choice(installed[0], f"of those that take {engine.name}, the fastest installed")
    if backend not in installed:
        raise ValueError(f"backend {backend!r} is not installed; try: pip install {backend}")
    return Choice(backend, "asked for")


def _open_file(
    path: Path,
    backend: str,
    model: LMANet,
    memory_size: int | None,
    precision: str,
    device: str,
    work_size: tuple[int, int] | None,
) -> Backend:
    if precision not in PRECISIONS:
        raise ValueError(f"precision must be one of {list(PRECISIONS)}, got {precision!r}")
    if backend in _OF_ENGINES:
        info, plan = read_engine(path)
        _check_fit(backend, path, info.graph, model, memory_size, work_size, precision)
        return _open_engine(path, info, plan, device)
    graph = read_onnx_info(path)
    _check_fit(backend, path, graph, model, memory_size, work_size, precision)
    return _open_onnx(backend, path, graph, precision, device)


def _open_onnx(backend: str, path: Path, info: GraphInfo, precision: str, device: str) -> Backend:
    if resolve_device(device).type != "cpu" and device != "auto":
        raise ValueError(
            f"device must be 'auto' or 'cpu' for ONNX files, got {device!r}; for a GPU, build an "
            "engine with: lmanet export CHECKPOINT OUT --format tensorrt"
        )
    if info.operator == "plugin":
        raise GraphFileError(
            f"{path} holds the operator com.lmanet::LocalAttention, which is TensorRT's "
            "plugin; for other backends export with --operator tiled"
        )
    if backend == "openvino":
        from lmanet_core.runtime.backends.openvino_backend import OpenVinoBackend

        return OpenVinoBackend(path, info, precision)
    from lmanet_core.runtime.backends.onnxruntime_backend import OnnxRuntimeBackend

    return OnnxRuntimeBackend(path, info)


def _open_engine(path: Path, info: EngineInfo, plan: bytes, device: str) -> Backend:
    from lmanet_core.runtime.backends.tensorrt_backend import TensorRtBackend

    return TensorRtBackend(path, info, plan, resolve_device(device))


def _check_fit(
    backend: str,
    path: Path,
    info: GraphInfo,
    model: LMANet,
    memory_size: int | None,
    work_size: tuple[int, int] | None,
    precision: str,
) -> None:
    """Whether the file is what the caller's other settings say."""
    if info.model != fingerprint(model):
        raise GraphFileError(
            f"{path} is an export of another network than the checkpoint; export that one "
            f"with: lmanet export CHECKPOINT {path}"
        )
    if memory_size not in (None, info.memory_size):
        raise ValueError(
            f"memory_size must be left out or {info.memory_size}, as {path} has it, "
            f"got {memory_size}"
        )
    if work_size not in (None, info.work_size):
        raise ValueError(
            f"work_size must be left out or {info.work_size}, as {path} has it, got {work_size}"
        )
    # OpenVINO computes in a precision of its choice, whatever the file's.
    if precision not in ("auto", info.precision) and backend != "openvino":
        raise ValueError(
            f"precision must be 'auto' or '{info.precision}', as {path} has it, got {precision!r}"
        )
