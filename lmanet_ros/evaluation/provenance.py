"""What an evaluation was made with: figures are worth something beside these only."""

from __future__ import annotations

import os
import platform
import shlex
import sys
from datetime import datetime, timezone
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path

from lmanet_core.checkpoint import CheckpointError, checkpoint_hash
from lmanet_core.program.machine import gpu_names, processor_name
from lmanet_core.runtime.backends.cpu_graph import RUNTIMES

PACKAGES = ("lmanet_ros", "torch", *RUNTIMES)


def provenance(network: str, node_facts: dict[str, str]) -> dict[str, str]:
    """Date, machine, software, network and command, by name.

    Args:
        network: that the node runs, a file or the name of shipped weights.
        node_facts: what the node says of itself in its diagnostics.
    """
    return {
        "date": datetime.now(timezone.utc).isoformat(timespec="seconds"),
        "command": command_line(),
        "machine": _machine(),
        "software": software(),
        "network": node_facts.get("network", network),
        "model_file": node_facts.get("model_file", "not told"),
        "model_hash": node_facts.get("model_hash") or _hash(network),
        "backend": node_facts.get("backend", "not told"),
        "memory_size": node_facts.get("memory_size", "not told"),
        "work_size": node_facts.get("work_size", "not told"),
    }


def software() -> str:
    """What runs networks, and its versions."""
    return ", ".join(f"{package} {_version(package)}" for package in PACKAGES)


def command_line() -> str:
    """What this process was called with."""
    return shlex.join([Path(sys.argv[0]).name, *sys.argv[1:]])


def _machine() -> str:
    processors = f"{os.cpu_count()} x {processor_name()}"
    return ", ".join([platform.node(), processors, *gpu_names()])


def _version(package: str) -> str:
    try:
        return version(package)
    except PackageNotFoundError:
        return "(not installed)"


def _hash(network: str) -> str:
    try:
        return checkpoint_hash(network)
    except CheckpointError:
        return "not told"
