"""From a model to an engine file, by TensorRT or by TensorRT-RTX."""

from __future__ import annotations

import tempfile
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from importlib import import_module
from importlib.util import find_spec
from pathlib import Path
from typing import Any

import torch

from lmanet_core.export.onnx_file import Say, describe_graph, export_onnx
from lmanet_core.models import LMANet
from lmanet_core.output.files import write_bytes
from lmanet_core.runtime.engine_file import ENGINE_RUNTIMES, EngineInfo, read_engine, write_engine
from lmanet_core.runtime.graph_info import GraphFileError

RTX_CHIPS = (86, 89, 120)
"""What TensorRT-RTX builds for on a machine without a GPU."""


@dataclass(frozen=True)
class EngineOptions:
    """What an engine is to be.

    Attributes:
        runtime: one of `ENGINE_RUNTIMES`; None: the first that is installed.
        operator: 'plugin', 'tiled', or None: the plugin where the runtime takes it.
        precision: 'fp32' or 'fp16'.
        work_size: (width, height) at which the network runs.
        memory_size: S; None: the model's own.
        largest_image: (width, height), the most that a camera image may have.
        chips: compute capabilities, such as 87, for TensorRT-RTX; empty: this machine's GPU, or
            `RTX_CHIPS` if it has none. TensorRT builds for this machine's GPU only.
        timing_cache: file in which TensorRT keeps what it measured, read and updated.
    """

    runtime: str | None = None
    operator: str | None = None
    precision: str = "fp16"
    work_size: tuple[int, int] = (1024, 512)
    memory_size: int | None = None
    largest_image: tuple[int, int] = (4096, 2304)
    chips: Sequence[int] = ()
    timing_cache: Path | None = None


def build_engine(
    model: LMANet,
    path: Path,
    options: EngineOptions,
    *,
    rebuild_if_stale: bool = False,
    provenance: Mapping[str, Any] | None = None,
    say: Say = print,
) -> EngineInfo:
    """Build an engine and write it with a record of what it is.

    Args:
        model: the network.
        path: file to write, by convention `*.engine`.
        options: what the engine is to be.
        rebuild_if_stale: leave a file alone that is what would be built.
        provenance: provenance of the checkpoint, as `lmanet_core.load_provenance` gives it.
        say: where decisions go.

    Raises:
        ValueError: an option is out of range, or nothing here can build such an engine.
    """
    runtime = _choose_runtime(options.runtime)
    trt = import_module(runtime)
    info = _describe(model, trt, options, provenance, say)
    if rebuild_if_stale:
        if (reason := _stale(path, info)) is None:
            say(f"{path} is up to date")
            return info
        say(f"{path} is built: {reason}")
    with tempfile.TemporaryDirectory() as folder:
        onnx_path = Path(folder) / "graph.onnx"
        graph = info.graph
        export_onnx(
            model,
            onnx_path,
            operator=graph.operator or "tiled",
            precision=graph.precision,
            work_size=graph.work_size,
            memory_size=graph.memory_size,
            provenance=provenance,
        )
        plan = build_plan(onnx_path, info, options.timing_cache)
    write_engine(path, info, plan)
    return info


def _choose_runtime(asked: str | None) -> str:
    if asked is not None and asked not in ENGINE_RUNTIMES:
        raise ValueError(f"runtime must be one of {list(ENGINE_RUNTIMES)}, got {asked!r}")
    for name in ENGINE_RUNTIMES if asked is None else (asked,):
        if find_spec(name) is not None:
            return name
    raise ValueError(
        f"building engines needs the Python package {asked or ' or '.join(ENGINE_RUNTIMES)}; "
        "it comes with JetPack, or with: pip install tensorrt (or tensorrt-rtx-cu13)"
    )


def _describe(
    model: LMANet,
    trt: Any,
    options: EngineOptions,
    provenance: Mapping[str, Any] | None,
    say: Say,
) -> EngineInfo:
    operator = _choose_operator(trt, options.operator, say)
    graph = describe_graph(
        model, operator, options.precision, options.work_size, options.memory_size, provenance
    )
    gpus = tuple(f"sm_{chip}" for chip in _choose_chips(trt, options.chips, say))
    return EngineInfo(graph, trt.__name__, trt.__version__, gpus, options.largest_image)


def _choose_operator(trt: Any, asked: str | None, say: Say) -> str:
    if _takes_kernels(trt):
        return asked or "plugin"
    reason = f"{trt.__name__} {trt.__version__} takes no plugins of this library"
    if trt.__name__ == "tensorrt" and hasattr(trt, "IPluginV3"):
        if _has_cuda_bindings():
            return asked or "plugin"
        reason = "the plugin needs NVIDIA's cuda-bindings here and where the engine runs"
    if asked != "tiled":
        say(f"{reason}: the engine gets the tiled form, in standard operators")
    return "tiled"


def _takes_kernels(trt: Any) -> bool:
    """Whether there are plugins compiled ahead of time, as from 10.13 on; JetPack 6 has 10.3."""
    return hasattr(trt, "QuickPluginCreationRequest")


def _has_cuda_bindings() -> bool:
    try:
        return find_spec("cuda.bindings") is not None
    except ImportError:
        return False


def _register_plugin(trt: Any, chip: int) -> None:
    """Make the plugin's node known, with a kernel for a chip, 87 for example."""
    if _takes_kernels(trt):
        from lmanet_core.export import tensorrt_plugin

        tensorrt_plugin.compile_for(chip)
    else:
        from lmanet_core.export.plugin_kernel import class_plugin_kernels
        from lmanet_core.runtime.pytorch import tensorrt_plugin_v3

        tensorrt_plugin_v3.register(class_plugin_kernels(chip))


def _choose_chips(trt: Any, asked: Sequence[int], say: Say) -> Sequence[int]:
    own = None
    if torch.cuda.is_available():
        major, minor = torch.cuda.get_device_capability()
        own = 10 * major + minor
    if trt.__name__ == "tensorrt":
        if own is None:
            raise ValueError("TensorRT builds engines on the GPU that they are for; there is none")
        if asked and tuple(asked) != (own,):
            raise ValueError(f"TensorRT builds for this machine's sm_{own}, not for {list(asked)}")
        return (own,)
    if not asked and own is None:
        say(f"there is no GPU here: the engine is for compute capabilities {list(RTX_CHIPS)}")
    chips = tuple(asked) or ((own,) if own else RTX_CHIPS)
    known = [chip for chip in chips if hasattr(trt.ComputeCapability, f"SM{chip}")]
    if len(known) < len(chips):
        raise ValueError(f"{trt.__name__} {trt.__version__} cannot build for all of {list(chips)}")
    return chips


def _stale(path: Path, expected: EngineInfo) -> str | None:
    """Why a file is not what would be built; None if it is."""
    if not path.exists():
        return "there is no such file"
    try:
        found, _ = read_engine(path)
    except GraphFileError as error:
        return str(error)
    if found == expected:
        return None
    names = [
        name
        for record, other in ((found, expected), (found.graph, expected.graph))
        for name in vars(record)
        if name != "graph" and getattr(record, name) != getattr(other, name)
    ]
    return f"the file differs in {', '.join(names)}"


def build_plan(onnx_path: Path, info: EngineInfo, timing_cache: Path | None = None) -> bytes:
    """Have the runtime that `info` names make a plan of an ONNX file.

    Raises:
        ValueError: it does not take the graph, or cannot build for the GPUs.
    """
    trt = import_module(info.runtime)
    logger = trt.Logger(trt.Logger.ERROR)
    builder = trt.Builder(logger)
    network = builder.create_network(_network_flags(trt))
    if info.graph.operator == "plugin":
        _register_plugin(trt, int(info.gpus[0].removeprefix("sm_")))
    parser = trt.OnnxParser(network, logger)
    if not parser.parse(onnx_path.read_bytes()):
        problems = "; ".join(str(parser.get_error(i)) for i in range(parser.num_errors))
        raise ValueError(f"{info.runtime} {info.version} does not take the graph: {problems}")
    config = builder.create_builder_config()
    config.add_optimization_profile(_profile(builder, info))
    config.progress_monitor = progress_monitor(trt)
    if info.runtime == "tensorrt_rtx":
        config.num_compute_capabilities = len(info.gpus)
        for index, gpu in enumerate(info.gpus):
            chip = getattr(trt.ComputeCapability, gpu.replace("sm_", "SM"))
            config.set_compute_capability(chip, index)
    elif timing_cache is not None:
        known = timing_cache.read_bytes() if timing_cache.exists() else b""
        config.set_timing_cache(config.create_timing_cache(known), ignore_mismatch=False)
    plan = builder.build_serialized_network(network, config)
    if plan is None:
        raise ValueError(f"{info.runtime} {info.version} cannot build the engine; see its messages")
    if timing_cache is not None and info.runtime == "tensorrt":
        write_bytes(timing_cache, bytes(config.get_timing_cache().serialize()))
    return bytes(plan)


def _network_flags(trt: Any) -> int:
    """Types are those of the graph: TensorRT 11 and RTX know nothing else and have no flag."""
    flag = getattr(trt.NetworkDefinitionCreationFlag, "STRONGLY_TYPED", None)
    return 0 if flag is None else 1 << int(flag)


def _profile(builder: Any, info: EngineInfo) -> Any:
    width, height = info.graph.work_size
    largest_width, largest_height = info.largest_image
    # The image that needs no resizing is the one to be fast for, if it is in the range.
    usual = (min(height, largest_height), min(width, largest_width), 3)
    profile = builder.create_optimization_profile()
    profile.set_shape("image", (1, 1, 3), usual, (largest_height, largest_width, 3))
    return profile


def progress_monitor(trt: Any) -> Any:
    """Shows in a terminal how far a build is, where tqdm is installed; else None."""
    if find_spec("tqdm") is None:
        return None
    from tqdm import tqdm

    class ProgressBar(trt.IProgressMonitor):
        """Progress of the outermost phase; the inner ones pass too fast to be read."""

        def __init__(self) -> None:
            super().__init__()
            self._phase = ""
            self._bar: Any = None

        def phase_start(self, phase_name: str, parent_phase: str | None, num_steps: int) -> None:
            if not parent_phase:
                self._phase = phase_name
                self._bar = tqdm(total=num_steps, desc=phase_name, leave=False, disable=None)

        def step_complete(self, phase_name: str, step: int) -> bool:
            if phase_name == self._phase:
                self._bar.update()
            return True

        def phase_finish(self, phase_name: str) -> None:
            if phase_name == self._phase:
                self._bar.close()

    return ProgressBar()
