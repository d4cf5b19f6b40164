"""`lmanet doctor`: what this machine has, what will therefore run, and why.

lmanet doctor --time
"""

from __future__ import annotations

import argparse
import os
import platform
import statistics
import time
from collections.abc import Callable, Iterator
from importlib.metadata import PackageNotFoundError, version
from importlib.util import find_spec
from math import inf
from pathlib import Path
from typing import NamedTuple

import numpy as np

from lmanet_core.program.machine import processor_field, processor_name

HELP = "show what this machine has, what will run here, and why; begin a bug report with it"
EXTRA = "export"


class Finding(NamedTuple):
    """One line of the page."""

    subject: str
    state: str
    advice: str = ""
    """What to do where something is missing or does not fit; empty where nothing is."""


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Declare the verb's options."""
    parser.add_argument(
        "--time",
        action="store_true",
        help="also measure how many images a second to expect; takes two seconds",
    )


def run(arguments: argparse.Namespace) -> None:
    """Print the page.

    Raises:
        ValueError: no frame can be segmented here.
    """
    for title, findings in SECTIONS.items():
        print(title)
        for finding in findings():
            print(f"  {finding.subject:18} {finding.state}")
            if finding.advice:
                print(f"  {'':18} -> {finding.advice}")
    print(f"a frame was segmented: {_segment_a_frame()}")
    if arguments.time:
        for width, height in _TIMED_SIZES:
            milliseconds = _time_a_frame((width, height))
            rate = f"{1e3 / milliseconds:.1f} images a second, {milliseconds:.0f} ms each"
            print(f"expected at {width}x{height}: {rate}, with memory")


_TIMED_SIZES = ((832, 416), (1024, 512))
"""(width, height): the one that the shipped network runs at, and the paper's."""
_TIMED_SECONDS = 1.0
"""Seconds for each size."""
_FEWEST_TIMED = 3
"""Frames, however long they take."""


def _time_a_frame(size: tuple[int, int]) -> float:
    """Median milliseconds of the shipped network's step with a full memory."""
    from lmanet_core.runtime import open_segmenter

    segmenter = open_segmenter(work_size=size)
    image = np.random.default_rng(0).integers(0, 256, (*size[::-1], 3), dtype=np.uint8)
    times: list[float] = []
    begin = inf
    while len(times) < _FEWEST_TIMED or time.perf_counter() - begin < _TIMED_SECONDS:
        start = time.perf_counter()
        is_warm = segmenter.backend.filled == segmenter.backend.memory_size
        segmenter.step(image)
        if is_warm:
            begin = min(begin, start)
            times.append(1e3 * (time.perf_counter() - start))
    return statistics.median(times)


def _machine() -> Iterator[Finding]:
    from lmanet_core import kernel

    yield Finding("Python", f"{platform.python_version()}, {platform.platform()}")
    yield Finding("processor", f"{processor_name()}, {os.cpu_count()} threads")
    yield Finding("instructions", " ".join(_instruction_sets()) or "not told by this system")
    if kernel.is_available():
        yield Finding("C++ kernel", f"built, variant '{kernel.best_instruction_set()}'")
    else:
        yield Finding(
            "C++ kernel",
            "not there, or it cannot be loaded",
            "apt install g++, then build the package anew: colcon build, or pip install .",
        )


def _pytorch() -> Iterator[Finding]:
    if not _is_there("torch"):
        yield Finding(
            "PyTorch",
            "not there: exported files run, and the shipped network in that form",
            "for checkpoints and for a GPU: pip install '.[torch]' in this repository's folder",
        )
        return
    import torch

    from lmanet_core.ops.implementation_choice import choose_classification, choose_implementation
    from lmanet_core.runtime.pytorch.precision import resolve_device, resolve_precision

    built_for = f"CUDA {torch.version.cuda}" if torch.version.cuda else "CPUs only"
    yield Finding("PyTorch", f"{torch.__version__}, built for {built_for}")
    yield _package("Triton", "triton", "" if torch.version.cuda is None else "pip install triton")
    yield _gpu()
    device = resolve_device("auto")
    dtype = resolve_precision("auto", device)
    yield Finding("device 'auto'", f"{device} in {str(dtype).removeprefix('torch.')}")
    attention, labels = choose_implementation(device, dtype), choose_classification(device, dtype)
    yield Finding("local attention", attention.name, attention.reason)
    yield Finding("labels", labels.name, labels.reason)


def _gpu() -> Finding:
    import torch

    if torch.cuda.is_available():
        major, minor = torch.cuda.get_device_capability()
        name = torch.cuda.get_device_name()
        built = torch.cuda.get_arch_list()
        state = f"{name}, compute capability {major}.{minor}"
        # AMD's chips have names, not numbers.
        if torch.version.hip or is_built_for(10 * major + minor, built):
            return Finding("GPU", state)
        advice = f"this PyTorch has code for {' '.join(built)} only; install one that fits the GPU"
        return Finding("GPU", state, advice)
    if Path("/proc/driver/nvidia/version").exists():
        return Finding(
            "GPU",
            "there is an NVIDIA driver, but PyTorch sees no device",
            "install a CUDA build of PyTorch that fits the driver; see nvidia-smi",
        )
    return Finding("GPU", "none that PyTorch sees")


def is_built_for(compute_capability: int, built: list[str]) -> bool:
    """Whether a chip, 89 for example, runs what was built for others.

    Code for sm_86 runs on sm_89, of the same generation, but sm_90a is for itself; text for
    compute_80 runs on all after it.
    """
    for kind, number in (name.split("_", 1) for name in built):
        chip = int(number.rstrip("af"))
        generation = chip // 10 == compute_capability // 10 and not number.endswith("a")
        later = chip <= compute_capability and (generation or kind == "compute")
        if chip == compute_capability or later:
            return True
    return False


def _exported_files() -> Iterator[Finding]:
    from lmanet_core.runtime.backends.cpu_graph import RUNTIMES

    for name in RUNTIMES.names():
        yield _package(name, name, f"pip install {name}")
    yield _package("TensorRT", "tensorrt", "", "for engines on NVIDIA GPUs; JetPack brings it")
    yield _package("TensorRT-RTX", "tensorrt_rtx", "", "for engines on RTX GPUs")


def _ros() -> Iterator[Finding]:
    yield _package("rclpy", "rclpy", "source a ROS 2 installation, or: pip install '.[ros]'")
    yield _rmw()
    if find_spec("cv_bridge"):
        yield _package("cv_bridge", "cv_bridge", "")
    else:
        yield _package(
            "cv_bridge",
            "rosbags.image",
            "apt install ros-$ROS_DISTRO-cv-bridge, or: pip install rosbags-image",
            substitute="rosbags-image in its place",
        )
    yield _package("vision_msgs", "vision_msgs", "", "without it there is no ~/label_info")


def _rmw() -> Finding:
    chosen = os.environ.get("RMW_IMPLEMENTATION")
    if chosen:
        return Finding("RMW", f"{chosen}, from RMW_IMPLEMENTATION")
    return Finding("RMW", "the default of the ROS 2 release; RMW_IMPLEMENTATION is not set")


SECTIONS: dict[str, Callable[[], Iterator[Finding]]] = {
    "this machine": _machine,
    "checkpoints run in PyTorch": _pytorch,
    "exported files run in": _exported_files,
    "the node": _ros,
}


def _package(
    subject: str, module: str, advice: str, otherwise: str = "", substitute: str = ""
) -> Finding:
    """A Python package by its module, found without importing it."""
    if not _is_there(module):
        return Finding(subject, "not there" + (f"; {otherwise}" if otherwise else ""), advice)
    return Finding(subject, substitute or _version(module))


def _is_there(module: str) -> bool:
    try:
        return find_spec(module) is not None
    except ImportError:
        return False


def _version(module: str) -> str:
    for name in (module, f"ros-jazzy-{module}", f"{module}-cu13", f"{module}-cu12"):
        try:
            return version(name)
        except PackageNotFoundError:
            continue
    return "there, of unknown version"


def _instruction_sets() -> list[str]:
    """Instruction sets that matter here, as Linux names them."""
    flags = set((processor_field("flags") or processor_field("Features")).split())
    known = ("avx2", "avx512f", "avx512_bf16", "avx512_vnni", "amx_bf16", "amx_int8", "asimd")
    return [name for name in known if name in flags]


def _segment_a_frame() -> str:
    """What the shipped network runs in."""
    try:
        from lmanet_core.runtime import open_segmenter

        segmenter = open_segmenter()
        for _ in range(2):
            segmenter.step(np.zeros((32, 64, 3), np.uint8))
    # The page is for machines on which anything may be broken.
    except Exception as error:
        raise ValueError(
            f"no frame can be segmented here: {type(error).__name__}: {error}"
        ) from None
    return f"the shipped network runs here in {segmenter.backend.name}, because {segmenter.reason}"
