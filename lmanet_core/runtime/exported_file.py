"""An exported file, opened as the backend that runs it."""

from __future__ import annotations

from dataclasses import dataclass, replace
from functools import lru_cache
from pathlib import Path
from typing import TYPE_CHECKING

from lmanet_core import kernel
from lmanet_core.checkpoint import checkpoint_fingerprint, fingerprint
from lmanet_core.network.model_config import MAX_MEMORY_SIZE
from lmanet_core.network.size_rule import SizeRule
from lmanet_core.program.extras import needs_extra
from lmanet_core.runtime.backend import PRECISIONS, Backend
from lmanet_core.runtime.backends.cpu_graph import RUNTIMES, CpuGraph, GraphOptions, GraphSource
from lmanet_core.runtime.backends.split_graph import SplitGraphBackend, input_shapes
from lmanet_core.runtime.backends.whole_graph import WholeGraphBackend
from lmanet_core.runtime.engine_file import is_engine, read_engine
from lmanet_core.runtime.graph_info import GraphFileError, GraphInfo, read_onnx_info
from lmanet_core.runtime.network_file import is_network_file, read_network_file

if TYPE_CHECKING:
    from lmanet_core.models import LMANet

_SIZES_KEPT = 4
"""Work sizes for which graphs stay loaded: cameras of different proportions."""


@dataclass(frozen=True)
class FileOptions:
    """What the caller says besides the file; see `lmanet_core.runtime.open_segmenter`."""

    memory_size: int | None
    precision: str
    device: str
    work_size: tuple[int, int] | None
    work_pixels: int | None
    threads: int


def open_exported_file(
    path: Path, backend: str, network: LMANet | str | Path | None, options: FileOptions
) -> Backend:
    """Open a file that `lmanet export` wrote.

    Args:
        path: the file.
        backend: what `lmanet_core.runtime.choose_backend` chose for it.
        network: what it must be an export of; None: of whatever.
        options: options of the stream.

    Raises:
        ValueError: an option is out of range or does not fit the file.
        GraphFileError: the file cannot be used here.
        MissingExtraError: a package is not installed.
    """
    if options.precision not in PRECISIONS:
        raise ValueError(f"precision must be one of {list(PRECISIONS)}, got {options.precision!r}")
    if is_engine(path):
        return _open_engine(path, backend, network, options)
    if options.device not in ("auto", "cpu"):
        raise ValueError(
            f"device must be 'auto' or 'cpu' for this file, got {options.device!r}; for a GPU, "
            "build an engine with: lmanet export CHECKPOINT OUT --format tensorrt"
        )
    runtime = RUNTIMES.find(backend)
    if is_network_file(path):
        info, contents = read_network_file(path)
        info, options = _adapt(info, options)
        _check_fit(path, info, network, options, runtime.chooses_precision)
        return _open_network_file(runtime, path, info, contents, options)
    info = read_onnx_info(path)
    _check_fit(path, info, network, options, runtime.chooses_precision)
    if info.operator == "plugin":
        raise GraphFileError(
            f"{path} holds the operator com.lmanet::LocalAttention, which is TensorRT's "
            "plugin; for other backends export with --operator tiled"
        )
    source = GraphSource(str(path), path.read_bytes())
    graph_options = GraphOptions(info.precision, options.precision, options.threads)
    return WholeGraphBackend(info, runtime(source, graph_options))


def _open_engine(
    path: Path, backend: str, network: LMANet | str | Path | None, options: FileOptions
) -> Backend:
    info, plan = read_engine(path)
    _check_fit(path, info.graph, network, options)
    with needs_extra("torch", f"backend {backend!r}, whose memory PyTorch holds,"):
        from lmanet_core.runtime.pytorch.precision import resolve_device
        from lmanet_core.runtime.pytorch.tensorrt_backend import TensorRtBackend
    device = resolve_device(options.device)
    if options.device == "auto" and device.type != "cuda":
        raise ValueError(
            "model_file must be one for CPUs here, as `lmanet export` writes without --format: "
            f"{path} is for a GPU, and PyTorch sees none"
        )
    return TensorRtBackend(path, info, plan, device)


def _open_network_file(
    runtime: type[CpuGraph],
    path: Path,
    info: GraphInfo,
    contents: dict[str, bytes],
    options: FileOptions,
) -> Backend:
    if info.precision == "int8" and not runtime.takes_int8:
        raise ValueError(
            f"backend must be 'openvino' for {path}, which is int8, got {runtime.name!r}"
        )
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
    if info.operator and not info.memory_size and runtime.joins():
        sources = {"frame": sources["before"]._replace(after=sources["after"])}
        info = replace(info, operator="")

    @lru_cache(_SIZES_KEPT)
    def load(work_size: tuple[int, int]) -> dict[str, CpuGraph]:
        shapes = input_shapes(info.at(work_size))
        asked_for = GraphOptions(info.precision, options.precision, options.threads)
        return {
            stem: runtime(source, asked_for._replace(shapes=shapes[stem]))
            for stem, source in sources.items()
        }

    def load_for(work_size: tuple[int, int]) -> dict[str, CpuGraph]:
        return load(work_size if runtime.fixes_shapes else info.work_size)

    return SplitGraphBackend(info, load_for, options.threads)


def _adapt(info: GraphInfo, options: FileOptions) -> tuple[GraphInfo, FileOptions]:
    """A network file as it is to run, and the options that are left.

    Its graphs know nothing of the memory's size, nor, if their sides are open, of their own.
    """
    if info.operator and options.memory_size is not None:
        if not 0 <= options.memory_size <= MAX_MEMORY_SIZE:
            raise ValueError(
                f"memory_size must be in 0..{MAX_MEMORY_SIZE}, got {options.memory_size}"
            )
        info = replace(info, memory_size=options.memory_size)
    if info.side_multiple == 0 or options.work_pixels == 0:
        return info, options
    if None not in (options.work_size, options.work_pixels):
        raise ValueError("work_pixels is for images without a work_size, got both")
    rule = SizeRule(info.side_multiple)
    if options.work_size is not None:
        if min(options.work_size) < rule.smallest:
            raise ValueError(
                f"work_size must be (width, height), each at least {rule.smallest}, "
                f"got {options.work_size}"
            )
        info = replace(info.at(rule.fit(options.work_size)), side_multiple=0)
    elif options.work_pixels is not None:
        info = info.at(rule.fit(info.work_size, options.work_pixels))
        info = replace(info, work_pixels=options.work_pixels)
    return info, replace(options, work_size=None, work_pixels=None)


def _check_fit(
    path: Path,
    info: GraphInfo,
    network: LMANet | str | Path | None,
    options: FileOptions,
    chooses_precision: bool = False,
) -> None:
    """Whether the file is what the caller's other settings say."""
    if network is not None and info.model != _fingerprint(network):
        raise GraphFileError(
            f"{path} is an export of another network than the checkpoint; export that one "
            f"with: lmanet export CHECKPOINT {path}"
        )
    for name in ("memory_size", "work_size"):
        recorded, asked_for = getattr(info, name), getattr(options, name)
        if asked_for not in (None, recorded):
            raise ValueError(
                f"{name} must be left out or {recorded}, as {path} has it, got {asked_for}"
            )
    if options.work_pixels is not None:
        raise ValueError(
            f"work_size must be left out or a size: {path} does not run at that of the images"
            if options.work_pixels == 0
            else f"work_pixels must be left out: {path} runs at {info.work_size}"
        )
    if options.precision not in ("auto", info.precision) and not chooses_precision:
        raise ValueError(
            f"precision must be 'auto' or '{info.precision}', as {path} has it, "
            f"got {options.precision!r}"
        )


def _fingerprint(network: LMANet | str | Path) -> str:
    if isinstance(network, str | Path):
        return checkpoint_fingerprint(network)
    return fingerprint(network)
