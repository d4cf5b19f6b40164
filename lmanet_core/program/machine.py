"""What Linux tells of the machine that a program runs on."""

from __future__ import annotations

import platform
from pathlib import Path

PROCESSORS = Path("/proc/cpuinfo")
GPUS = sorted(Path("/proc/driver/nvidia/gpus").glob("*/information"))


def processor_name() -> str:
    """The processor's model, or that of the board; where neither is told the architecture."""
    return processor_field("model name") or processor_field("Model") or platform.machine()


def processor_field(name: str) -> str:
    """What Linux tells of the first processor under a name, such as 'flags'; empty: nothing."""
    return _field(PROCESSORS, name)


def gpu_names() -> list[str]:
    """Models of the NVIDIA GPUs, as their driver tells them."""
    return [model for file in GPUS if (model := _field(file, "Model"))]


def _field(file: Path, name: str) -> str:
    lines = file.read_text().splitlines() if file.is_file() else []
    fields = (line.partition(":") for line in lines)
    return next((value.strip() for field, _, value in fields if field.strip() == name), "")
