"""Round trips of frames through the running node: what it costs besides the network."""

from __future__ import annotations

import argparse
from collections.abc import Iterator
from contextlib import closing, contextmanager
from pathlib import Path
from statistics import median
from tempfile import TemporaryDirectory
from time import perf_counter
from typing import Any

import numpy as np
from rclpy.serialization import serialize_message
from sensor_msgs.msg import Image
from std_msgs.msg import Header
from tqdm import tqdm

from lmanet_ros.evaluation.node_client import NodeClient
from lmanet_ros.messages.image_conversion import from_array
from lmanet_ros.processes import NodeProcess, own_network, started

NODE = "segmentation_node"
OTHER = "/other"
"""Namespace of the node of another checkout."""
WARM_UP = 20


def measure(arguments: argparse.Namespace) -> dict[str, Any]:
    """Figures of the node, or of two that take turns, by the options of the verb.

    Raises:
        ProcessError: the node does not run.
    """
    with TemporaryDirectory() as logs, own_network(), _running(arguments, Path(logs)) as node:
        if not arguments.against:
            return _measure(node, arguments.size, arguments.frames)
        with _running(arguments, Path(logs), arguments.against) as other:
            return _compare(node, other, arguments.size, arguments.frames)


class _Node:
    """A running node and its client."""

    def __init__(self, process: NodeProcess, client: NodeClient, size: tuple[int, int]) -> None:
        self.process, self.client = process, client
        client.connect(_frame(size))

    def round_trip(self, frame: Image) -> float:
        """Seconds from sending a frame to receiving its labels."""
        data = serialize_message(frame)
        begin = perf_counter()
        self.client.wait_for_answer(self.client.send(data, number=0))
        return perf_counter() - begin


@contextmanager
def _running(
    arguments: argparse.Namespace, log_folder: Path, checkout: Path | None = None
) -> Iterator[_Node]:
    """This version's node, or the one of another checkout."""
    namespace = OTHER if checkout else ""
    parameters: dict[str, object] = {
        # Every frame is waited for, and large ones get lost under sensor data's best effort.
        f"qos_overrides.{namespace}/image.subscription.reliability": "reliable",
        "work_size": list(arguments.size),
    }
    if arguments.checkpoint:
        parameters["checkpoint"] = arguments.checkpoint
    options: dict[str, Any] = {"namespace": namespace, "checkout": checkout}
    with (
        started(NODE, parameters, log_folder, **options) as process,
        closing(NodeClient(Image, ("labels",), lambda *answer: None, process, namespace)) as client,
    ):
        yield _Node(process, client, arguments.size)


def _frame(size: tuple[int, int]) -> Image:
    width, height = size
    picture = np.random.default_rng(0).integers(0, 256, (height, width, 3), np.uint8)
    return from_array(picture, Header(frame_id="camera"))


def _measure(node: _Node, size: tuple[int, int], frames: int) -> dict[str, Any]:
    frame = _frame(size)
    for _ in range(WARM_UP):
        node.round_trip(frame)
    memory = _private_megabytes(node.process.pid)
    round_trips = [node.round_trip(frame) for _ in tqdm(range(frames), unit="frame")]
    growth = _private_megabytes(node.process.pid) - memory
    node.client.wait_until_idle()
    begin = perf_counter()
    node.process.end()
    return {
        "size": f"{size[0]}x{size[1]}",
        "frames": frames,
        "step_ms": float(node.client.facts["step_ms_median"]),
        "overhead_ms": float(node.client.facts["overhead_ms_median"]),
        "round_trip_ms": round(1e3 * median(round_trips), 2),
        "memory_growth_mb": round(growth, 2),
        "end_seconds": round(perf_counter() - begin, 2),
    }


def _compare(node: _Node, other: _Node, size: tuple[int, int], frames: int) -> dict[str, Any]:
    """Round trips of two nodes that take turns."""
    frame = _frame(size)
    round_trips: dict[_Node, list[float]] = {node: [], other: []}
    for number in tqdm(range(WARM_UP + frames), unit="frame"):
        # Whoever comes first finds the caches as the other left them.
        for each in (node, other) if number % 2 else (other, node):
            round_trips[each].append(each.round_trip(frame))
    figures: dict[str, Any] = {"size": f"{size[0]}x{size[1]}", "frames": frames}
    for percent in (50, 95):
        this, that = (
            1e3 * float(np.percentile(times[WARM_UP:], percent)) for times in round_trips.values()
        )
        figures[f"round_trip_ms_p{percent}"] = round(this, 2)
        figures[f"other_ms_p{percent}"] = round(that, 2)
        figures[f"added_ms_p{percent}"] = round(this - that, 2)
    return figures


def _private_megabytes(pid: int) -> float:
    """Memory of a process that is its own, without files and what it shares."""
    (line,) = (
        line
        for line in Path(f"/proc/{pid}/status").read_text().splitlines()
        if line.startswith("RssAnon:")
    )
    return int(line.split()[1]) / 1024
