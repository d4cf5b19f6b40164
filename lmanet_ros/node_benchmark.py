"""What the node costs besides the network: `python -m lmanet_ros.node_benchmark --size 1024x512`.

Starts the real node as a process, sends it frames one after the other over the middleware, and
ends it as Ctrl-C does. With `--against FOLDER` the node of another checkout gets every frame, too,
in turns with this one, so that both are measured in the same conditions.
"""

from __future__ import annotations

import argparse
import os
import signal
import subprocess
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from statistics import median
from time import monotonic, perf_counter
from typing import Any

from lmanet_core.program.run_program import program_needs, require_writable, run_program

with program_needs("benchmark", "ros"):
    import numpy as np
    import rclpy
    from diagnostic_msgs.msg import DiagnosticArray
    from rclpy.node import Node
    from sensor_msgs.msg import Image
    from std_msgs.msg import Header
    from tqdm import tqdm

    from lmanet_core.output.files import write_json
    from lmanet_core.program.arguments import image_size
    from lmanet_ros.messages.image_conversion import from_array
    from lmanet_ros.processes import ProcessError, as_yaml, own_network, start

NODE_COMMAND = (sys.executable, "-m", "lmanet_ros.segmentation_node")
# Every frame is waited for, and large ones get lost under sensor data's best effort.
RELIABLE = "qos_overrides.{topic}.subscription.reliability:=reliable"
WARM_UP = 20
DEADLINE = 60.0
"""Seconds to wait for any answer."""


def main() -> int:
    """Measure and print, or write, the figures; the exit status."""
    arguments = _parse_arguments()
    return run_program("benchmark", lambda: _run(arguments), (ProcessError, ValueError, OSError))


def _run(arguments: argparse.Namespace) -> None:
    if arguments.json:
        require_writable(arguments.json, folder=False)
    with own_network():
        network = (arguments.checkpoint, arguments.size)
        with _running_node(*network) as node:
            if arguments.against:
                with _running_node(*network, arguments.against) as other:
                    figures = _compare(node, other, arguments.size, arguments.frames)
            else:
                figures = _measure(node, arguments.size, arguments.frames)
    for name, value in figures.items():
        print(f"{name:20} {value}")
    if arguments.json:
        write_json(arguments.json, figures)


def _parse_arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(
        prog="python -m lmanet_ros.node_benchmark", description=__doc__
    )
    parser.add_argument("--size", type=image_size, default=(1024, 512), help="WIDTHxHEIGHT")
    parser.add_argument("--frames", type=int, default=100, help="to measure, after some to warm up")
    parser.add_argument("--checkpoint", help="file or name of shipped weights; default: shipped")
    parser.add_argument("--against", type=Path, help="folder with another version of this project")
    parser.add_argument("--json", type=Path, help="file for the figures")
    return parser.parse_args()


class _Node:
    """A running node, sent frames by this process, which waits for labels and diagnostics."""

    def __init__(self, process: subprocess.Popen[bytes], namespace: str) -> None:
        self.process = process
        self._name = f"{namespace}/segmentation_node"
        self._node = Node("benchmark_camera", namespace=namespace or None)
        self._publisher = self._node.create_publisher(Image, "image", 10)
        self._node.create_subscription(Image, f"{self._name}/labels", self._on_labels, 10)
        self._node.create_subscription(DiagnosticArray, "/diagnostics", self._on_diagnostics, 10)
        self._answers = 0
        self.diagnostics: dict[str, str] = {}
        self.wait_until(lambda: self._publisher.get_subscription_count() > 0)
        self.wait_until(lambda: "received" in self.diagnostics)

    def round_trip(self, frame: Image) -> float:
        """Seconds from sending a frame to receiving its labels."""
        begin, before = perf_counter(), self._answers
        self._publisher.publish(frame)
        self.wait_until(lambda: self._answers > before)
        return perf_counter() - begin

    def wait_until(self, condition: Callable[[], bool]) -> None:
        """Handle what comes in until a condition holds."""
        end = monotonic() + DEADLINE
        while not condition():
            if self.process.poll() is not None:
                sys.exit("the node has ended, see above")
            if monotonic() > end:
                sys.exit(f"no answer from the node for {DEADLINE:.0f} s")
            rclpy.spin_once(self._node, timeout_sec=0.1)

    def _on_labels(self, labels: Image) -> None:
        self._answers += 1

    def _on_diagnostics(self, message: DiagnosticArray) -> None:
        for status in message.status:
            if status.name == f"{self._name}: segmentation":
                self.diagnostics = {value.key: value.value for value in status.values}


@contextmanager
def _running_node(
    checkpoint: str | None, size: tuple[int, int], folder: Path | None = None
) -> Iterator[_Node]:
    """This version's node, or the one of another version in `folder`."""
    namespace = "/other" if folder else ""
    parameters = [RELIABLE.format(topic=f"{namespace}/image")]
    parameters.append(f"work_size:=[{size[0]}, {size[1]}]")
    if checkpoint:
        parameters.append(f"checkpoint:={as_yaml(checkpoint)}")
    command = [*NODE_COMMAND, "--ros-args", *(p for text in parameters for p in ("-p", text))]
    if folder:
        command += ["-r", f"__ns:={namespace}"]
    environment = {"PYTHONPATH": str(folder)} if folder else {}
    process = start(command, cwd=folder, env={**os.environ, **environment})
    try:
        yield _Node(process, namespace)
    finally:
        process.kill()
        process.wait()


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
    node.wait_until(lambda: int(node.diagnostics["processed"]) == frames + WARM_UP)
    begin = perf_counter()
    node.process.send_signal(signal.SIGINT)
    node.process.wait(DEADLINE)
    return {
        "size": f"{size[0]}x{size[1]}",
        "frames": frames,
        "step_ms": float(node.diagnostics["step_ms_median"]),
        "overhead_ms": float(node.diagnostics["overhead_ms_median"]),
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


if __name__ == "__main__":
    sys.exit(main())
