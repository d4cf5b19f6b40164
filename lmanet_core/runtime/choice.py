"""Which backend runs a network on this machine, and why."""

from __future__ import annotations

import math
from dataclasses import dataclass, replace
from functools import lru_cache
from importlib.util import find_spec
from pathlib import Path
from typing import TYPE_CHECKING

from lmanet_core import kernel
from lmanet_core.checkpoint import (
    checkpoint_fingerprint,
    find_checkpoint,
    fingerprint,
    load,
    load_work_size,
)
from lmanet_core.network.model_config import MAX_MEMORY_SIZE
from lmanet_core.network.size_rule import SizeRule, check_pixels
from lmanet_core.program.extras import needs_extra
from lmanet_core.runtime.backend import Backend
from lmanet_core.runtime.backends.cpu_graph import RUNTIMES, CpuGraph, GraphSource, Shapes
from lmanet_core.runtime.backends.split_graph import SplitGraphBackend, input_shapes
from lmanet_core.runtime.backends.whole_graph import WholeGraphBackend
from lmanet_core.runtime.engine_file import is_engine, read_engine
from lmanet_core.runtime.graph_info import GraphFileError, GraphInfo, read_onnx_info
from lmanet_core.runtime.network_file import is_network_file, read_network_file
from lmanet_core.runtime.segmenter import VideoSegmenter
from lmanet_core.runtime.shipped import find_shipped_export
from lmanet_core.runtime.threads import default_threads

if TYPE_CHECKING:
    from lmanet_core.models import LMANet

BACKENDS = ("auto", "torch", "openvino", "onnxruntime", "tensorrt", "tensorrt_rtx")
"""Names that `open_segmenter` accepts; of those for CPUs, the faster one first."""
PRECISIONS = ("auto", "fp32", "bf16", "fp16")
"""Words for what a network computes in."""

_OF_ENGINES = ("tensorrt", "tensorrt_rtx")
_SIZES_KEPT = 4
"""Work sizes for which graphs stay loaded: cameras of different proportions."""


@dataclass(frozen=True)
class Choice:
    """A backend and the reason for it, in the words of a log line."""

    backend: str
    reason: str
    file: Path | None = None
    """What runs: an exported file or a checkpoint; None: a model that is in no file."""


@dataclass(frozen=True)
class _Wishes:
    """What the caller says besides the file; see `open_segmenter`."""

    memory_size: int | None
    precision: str
    device: str
    work_size: tuple[int, int] | None
    work_pixels: int | None
    threads: int


def open_segmenter(
    network: LMANet | str | Path | None = None,
    *,
    engine: str | Path = "",
    backend: str = "auto",
    memory_size: int | None = None,
    precision: str = "auto",
    device: str = "auto",
    work_size: tuple[int, int] | None = None,
    output_size: tuple[int, int] | None = None,
    work_pixels: int | None = None,
    threads: int = 0,
) -> tuple[VideoSegmenter, Choice]:
    """Open a stream on the best backend for it. With a file for CPUs, nothing imports PyTorch.

    Args:
        network: a model, or a checkpoint as `lmanet_core.load` takes it; None: what `engine` holds
            or, without one, the shipped default. Where both are given, the file must be an export
            of the network.
        engine: file that `lmanet export` wrote; empty: the network itself runs, in PyTorch, or, on
            a machine without a GPU, the export that is shipped beside the default weights.
        backend: one of `BACKENDS`.
        memory_size, precision, device, work_size: as `VideoSegmenter` takes them. What is fixed in
            a file must be left out or be the same: of network files precision and device, the size
            only if they were exported for one; of others all.
        output_size: as `VideoSegmenter` takes it.
        work_pixels: as `VideoSegmenter` takes it; 0: as many as the image has, which files do not
            offer; None: as many as the checkpoint or the file records, else as the image has.
        threads: on the CPU; 0: one for each core, in PyTorch its own choice.

    Raises:
        ValueError: an argument is out of range or does not fit the others; the message begins with
            its name.
        CheckpointError: the checkpoint cannot be used.
        GraphFileError: the file cannot be used here.
        MissingExtraError: a package is not installed.
    """
    check_pixels("work_size", work_size)
    check_pixels("output_size", output_size)
    path = Path(engine) if str(engine) else None
    model, name = None, None
    if network is None or isinstance(network, str | Path):
        name = network
    else:
        model = network
    shipped = None
    if path is None and model is None and work_pixels != 0:
        shipped = find_shipped_export(name, backend=backend, device=device, precision=precision)
    choice = choose_backend(backend, path or (shipped and shipped.file))
    if shipped is not None:
        path, network, choice = shipped.file, None, Choice(choice.backend, shipped.reason)
    if path is not None:
        threads = threads or default_threads()
        wishes = _Wishes(memory_size, precision, device, work_size, work_pixels, threads)
        opened = _open_file(path, choice.backend, network, wishes)
        return VideoSegmenter(opened, output_size=output_size), replace(choice, file=path)
    if model is None:
        model = load(name)
        choice = replace(choice, file=find_checkpoint(name))
        known = load_work_size(name) if work_size is None and work_pixels is None else None
        work_pixels = math.prod(known) if known else work_pixels
    if threads:
        import torch

        torch.set_num_threads(threads)
    options = (memory_size, precision, device, work_size, output_size)
    return VideoSegmenter(model, *options, work_pixels=work_pixels or None), choice


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
    return _choose_for_cpu(backend, engine)


def _choose_for_engine(backend: str, engine: Path) -> Choice:
    runtime = read_engine(engine)[0].runtime
    if backend not in ("auto", runtime):
        raise ValueError(f"backend must be '{runtime}' for {engine}, got {backend!r}")
    if find_spec(runtime) is None:
        name = f"engine {engine}" if backend == "auto" else f"backend {backend!r}"
        raise ValueError(f"{name} needs the Python package {runtime}, not found here")
    return Choice(runtime, f"{engine.name} is built for it")


def _choose_for_cpu(backend: str, engine: Path) -> Choice:
    if backend in _OF_ENGINES:
        raise ValueError(
            f"backend {backend!r} takes engines; make one with: lmanet export CHECKPOINT "
            f"{engine.with_suffix('.engine')} --format tensorrt"
        )
    installed = [name for name in RUNTIMES if find_spec(name) is not None]
    if backend == "auto" and not installed:
        raise ValueError(
            f"backend 'auto' found none of {list(RUNTIMES)} to run {engine}; "
            "install one with: pip install openvino"
        )
    if backend == "auto":
        return Choice(installed[0], f"of those that take {engine.name}, the fastest installed")
    if backend not in installed:
        raise ValueError(f"backend {backend!r} is not installed; try: pip install {backend}")
    return Choice(backend, "asked for")


def _open_file(
    path: Path, backend: str, network: LMANet | str | Path | None, wishes: _Wishes
) -> Backend:
    if wishes.precision not in PRECISIONS:
        raise ValueError(f"precision must be one of {list(PRECISIONS)}, got {wishes.precision!r}")
    if backend in _OF_ENGINES:
        return _open_engine(path, backend, network, wishes)
    _check_cpu(wishes.device)
    if is_network_file(path):
        info, contents = read_network_file(path)
        info, wishes = _adapt(info, wishes)
        _check_fit(backend, path, info, network, wishes)
        return _open_network(backend, path, info, contents, wishes)
    info = read_onnx_info(path)
    _check_fit(backend, path, info, network, wishes)
    if info.operator == "plugin":
        raise GraphFileError(
            f"{path} holds the operator com.lmanet::LocalAttention, which is TensorRT's "
            "plugin; for other backends export with --operator tiled"
        )
    source = GraphSource(str(path), path.read_bytes())
    return WholeGraphBackend(info, _load_graph(backend, source, info, wishes))


def _open_engine(
    path: Path, backend: str, network: LMANet | str | Path | None, wishes: _Wishes
) -> Backend:
    info, plan = read_engine(path)
    _check_fit(backend, path, info.graph, network, wishes)
    with needs_extra("torch", f"backend {backend!r}, whose memory PyTorch holds,"):
        from lmanet_core.runtime.pytorch.precision import resolve_device
        from lmanet_core.runtime.pytorch.tensorrt_backend import TensorRtBackend
    device = resolve_device(wishes.device)
    if wishes.device == "auto" and device.type != "cuda":
        raise ValueError(
            "engine must be a file for CPUs here, as `lmanet export` writes without --format: "
            f"{path} is for a GPU, and PyTorch sees none"
        )
    return TensorRtBackend(path, info, plan, device)


def _open_network(
    backend: str, path: Path, info: GraphInfo, contents: dict[str, bytes], wishes: _Wishes
) -> Backend:
    if info.precision == "int8" and backend != "openvino":
        raise ValueError(f"backend must be 'openvino' for {path}, which is int8, got {backend!r}")
    if not kernel.is_available():
        raise GraphFileError(
            f"{path} needs the C++ kernel, which was not built when the package was installed; "
            "install it where there is a C++ compiler, or export with --format onnx"
        )
    sources = {}
    for name, content in contents.items():
        stem, _, suffix = name.partition(".")
        if suffix != "bin":
            sources[stem] = GraphSource(f"{path}: {name}", content, contents.get(f"{stem}.bin"))
    if info.operator and not info.memory_size and _can_join(backend):
        sources = {"frame": sources["before"]._replace(after=sources["after"])}
        info = replace(info, operator="")

    @lru_cache(_SIZES_KEPT)
    def load(work_size: tuple[int, int]) -> dict[str, CpuGraph]:
        shapes = input_shapes(info.at(work_size))
        return {
            stem: _load_graph(backend, source, info, wishes, shapes[stem])
            for stem, source in sources.items()
        }

    def load_for(work_size: tuple[int, int]) -> dict[str, CpuGraph]:
        # ONNX Runtime takes open sides as they come.
        return load(work_size if backend == "openvino" else info.work_size)

    return SplitGraphBackend(info, load_for, wishes.threads)


def _can_join(backend: str) -> bool:
    """Whether two graphs can become one for frames on their own, which is faster."""
    return backend == "openvino" or find_spec("onnx") is not None


def _load_graph(
    backend: str,
    source: GraphSource,
    info: GraphInfo,
    wishes: _Wishes,
    shapes: Shapes | None = None,
) -> CpuGraph:
    if backend == "openvino":
        from lmanet_core.runtime.backends.openvino_graph import OpenVinoGraph

        return OpenVinoGraph(
            source,
            info.precision,
            wishes.precision,
            wishes.threads,
            shapes,
            narrow_ports=shapes is not None,
        )
    from lmanet_core.runtime.backends.onnxruntime_graph import OnnxRuntimeGraph

    return OnnxRuntimeGraph(source, info.precision, wishes.threads)


def _adapt(info: GraphInfo, wishes: _Wishes) -> tuple[GraphInfo, _Wishes]:
    """A network file as it is to run, and the wishes that are left.

    Its graphs know nothing of the memory's size, nor, if their sides are open, of their own.
    """
    if info.operator and wishes.memory_size is not None:
        if not 0 <= wishes.memory_size <= MAX_MEMORY_SIZE:
            raise ValueError(
                f"memory_size must be in 0..{MAX_MEMORY_SIZE}, got {wishes.memory_size}"
            )
        info = replace(info, memory_size=wishes.memory_size)
    if info.side_multiple == 0 or wishes.work_pixels == 0:
        return info, wishes
    if None not in (wishes.work_size, wishes.work_pixels):
        raise ValueError("work_pixels is for images without a work_size, got both")
    rule = SizeRule(info.side_multiple)
    if wishes.work_size is not None:
        if min(wishes.work_size) < rule.smallest:
            raise ValueError(
                f"work_size must be (width, height), each at least {rule.smallest}, "
                f"got {wishes.work_size}"
            )
        info = replace(info.at(rule.fit(wishes.work_size)), side_multiple=0)
    elif wishes.work_pixels is not None:
        info = info.at(rule.fit(info.work_size, wishes.work_pixels))
        info = replace(info, work_pixels=wishes.work_pixels)
    return info, replace(wishes, work_size=None, work_pixels=None)


def _check_cpu(device: str) -> None:
    if device not in ("auto", "cpu"):
        raise ValueError(
            f"device must be 'auto' or 'cpu' for this file, got {device!r}; for a GPU, build an "
            "engine with: lmanet export CHECKPOINT OUT --format tensorrt"
        )


def _check_fit(
    backend: str,
    path: Path,
    info: GraphInfo,
    network: LMANet | str | Path | None,
    wishes: _Wishes,
) -> None:
    """Whether the file is what the caller's other settings say."""
    if network is not None and info.model != _fingerprint(network):
        raise GraphFileError(
            f"{path} is an export of another network than the checkpoint; export that one "
            f"with: lmanet export CHECKPOINT {path}"
        )
    if wishes.memory_size not in (None, info.memory_size):
        raise ValueError(
            f"memory_size must be left out or {info.memory_size}, as {path} has it, "
            f"got {wishes.memory_size}"
        )
    if wishes.work_size not in (None, info.work_size):
        raise ValueError(
            f"work_size must be left out or {info.work_size}, as {path} has it, "
            f"got {wishes.work_size}"
        )
    if wishes.work_pixels is not None:
        raise ValueError(
            f"work_size must be left out or a size: {path} does not run at that of the images"
            if wishes.work_pixels == 0
            else f"work_pixels must be left out: {path} runs at {info.work_size}"
        )
    # OpenVINO computes in a precision of its choice, whatever the file's.
    if wishes.precision not in ("auto", info.precision) and backend != "openvino":
        raise ValueError(
            f"precision must be 'auto' or '{info.precision}', as {path} has it, "
            f"got {wishes.precision!r}"
        )


def _fingerprint(network: LMANet | str | Path) -> str:
    if isinstance(network, str | Path):
        return checkpoint_fingerprint(network)
    return fingerprint(network)
