"""What the node costs besides the network: `python -m lmanet_ros.benchmark --size 1024x512`.

Starts the real node as a process, sends it frames one after the other over the middleware, and
ends it as Ctrl-C does.
"""

from __future__ import annotations

import argparse
import json
import os
import signal
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from statistics import median
from time import monotonic, perf_counter
from typing import Any

import numpy as np
import rclpy
from diagnostic_msgs.msg import DiagnosticArray
from rclpy.node import Node
from sensor_msgs.msg import Image
from std_msgs.msg import Header
from tqdm import tqdm

from lmanet_core.arguments import image_size
from lmanet_ros.image_conversion import from_array

NODE_COMMAND = (sys.executable, "-m", "lmanet_ros.segmentation_node")
NODE_NAME = "/segmentation_node"
# Every frame is waited for, and large ones get lost under sensor data's best effort.
RELIABLE = ("-p", "qos_overrides./image.subscription.reliability:=reliable")
WARM_UP = 20
DEADLINE = 60.0
"""Seconds to wait for any answer."""


def main() -> None:
    """Measure and print, or write, the figures."""
    arguments = _parse_arguments()
    # A network of its own, that nobody else talks into.
    os.environ["ROS_AUTOMATIC_DISCOVERY_RANGE"] = "LOCALHOST"
    os.environ["ROS_DOMAIN_ID"] = str(1 + os.getpid() % 101)
    command = [*NODE_COMMAND, "--ros-args", *RELIABLE]
    if arguments.checkpoint:
        command += ["-p", f"checkpoint:={arguments.checkpoint}"]
    process = subprocess.Popen(command)
    rclpy.init()
    try:
        figures = _measure(process, arguments.size, arguments.frames)
    finally:
        process.kill()
        process.wait()
        rclpy.try_shutdown()
    for name, value in figures.items():
        print(f"{name:18} {value}")
    if arguments.json:
        arguments.json.write_text(json.dumps(figures, indent=2) + "\n")


def _parse_arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="python -m lmanet_ros.benchmark", description=__doc__)
    parser.add_argument("--size", type=image_size, default=(1024, 512), help="WIDTHxHEIGHT")
    parser.add_argument("--frames", type=int, default=100, help="to measure, after some to warm up")
    parser.add_argument("--checkpoint", help="file or name of shipped weights; default: shipped")
    parser.add_argument("--json", type=Path, help="file for the figures")
    return parser.parse_args()


class _Camera:
    """Publishes frames to the node and waits for its labels and diagnostics."""

    def __init__(self, process: subprocess.Popen[bytes]) -> None:
        self._process = process
        self._node = Node("benchmark_camera")
        self._publisher = self._node.create_publisher(Image, "image", 10)
        self._node.create_subscription(Image, f"{NODE_NAME}/labels", self._on_labels, 10)
        self._node.create_subscription(DiagnosticArray, "/diagnostics", self._on_diagnostics, 10)
        self._answers = 0
        self.diagnostics: dict[str, str] = {}
        self.wait_until(lambda: self._publisher.get_subscription_count() > 0)
        self.wait_until(lambda: bool(self.diagnostics))

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
            if self._process.poll() is not None:
                sys.exit("the node has ended, see above")
            if monotonic() > end:
                sys.exit(f"no answer from the node for {DEADLINE:.0f} s")
            rclpy.spin_once(self._node, timeout_sec=0.1)

    def _on_labels(self, labels: Image) -> None:
        self._answers += 1

    def _on_diagnostics(self, message: DiagnosticArray) -> None:
        self.diagnostics = {value.key: value.value for value in message.status[0].values}


def _measure(
    process: subprocess.Popen[bytes], size: tuple[int, int], frames: int
) -> dict[str, Any]:
    width, height = size
    picture = np.random.default_rng(0).integers(0, 256, (height, width, 3), np.uint8)
    frame = from_array(picture, Header(frame_id="camera"))
    camera = _Camera(process)
    for _ in range(WARM_UP):
        camera.round_trip(frame)
    memory = _private_megabytes(process.pid)
    round_trips = [camera.round_trip(frame) for _ in tqdm(range(frames), unit="frame")]
    growth = _private_megabytes(process.pid) - memory
    camera.wait_until(lambda: int(camera.diagnostics["processed"]) == frames + WARM_UP)
    begin = perf_counter()
    process.send_signal(signal.SIGINT)
    process.wait(DEADLINE)
    return {
        "size": f"{width}x{height}",
        "frames": frames,
        "step_ms": float(camera.diagnostics["step_ms_median"]),
        "overhead_ms": float(camera.diagnostics["overhead_ms_median"]),
        "round_trip_ms": round(1e3 * median(round_trips), 2),
        "memory_growth_mb": round(growth, 2),
        "end_seconds": round(perf_counter() - begin, 2),
    }


def _private_megabytes(pid: int) -> float:
    """Memory of a process that is its own, without files and what it shares."""
    (line,) = (
        line
        for line in Path(f"/proc/{pid}/status").read_text().splitlines()
        if line.startswith("RssAnon:")
    )
    return int(line.split()[1]) / 1024


if __name__ == "__main__":
    main()
