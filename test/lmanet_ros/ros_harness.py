"""A ROS client in the test process and the node in a process of its own."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import threading
import time
from array import array
from collections import defaultdict
from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import numpy as np
import rclpy
from builtin_interfaces.msg import Time
from diagnostic_msgs.msg import DiagnosticArray
from rclpy.executors import SingleThreadedExecutor
from rclpy.qos import QoSProfile
from rclpy.task import Future
from sensor_msgs.msg import CompressedImage, Image
from std_srvs.srv import Trigger

# Every pytest process is a ROS network of its own, and none of them leaves the machine. Domains up
# to 101 keep clear of the ports that Linux hands out to others.
os.environ["ROS_DOMAIN_ID"] = str(1 + os.getpid() % 101)
os.environ["ROS_AUTOMATIC_DISCOVERY_RANGE"] = "LOCALHOST"

DEADLINE = 60.0
"""Seconds to wait for anything; far more than it takes, for machines under load."""

NODE_COMMAND = (sys.executable, "-m", "lmanet_ros.segmentation_node")
NODE_NAME = "/segmentation_node"
OUTPUTS = ("labels", "confidence", "color", "overlay")


class NodeProcess:
    """A started node, whose combined output is collected line by line."""

    def __init__(self, command: Sequence[str | Path], cwd: Path | None = None) -> None:
        self._process = subprocess.Popen(
            command,
            cwd=cwd,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
        )
        self.lines: list[str] = []
        self._reader = threading.Thread(target=self._read, daemon=True)
        self._reader.start()

    @property
    def pid(self) -> int:
        return self._process.pid

    @property
    def output(self) -> str:
        return "".join(self.lines)

    @property
    def running(self) -> bool:
        return self._process.poll() is None

    def wait_for_output(self, text: str) -> None:
        wait_until(lambda: text in self.output or not self.running, f"'{text}' in the output")
        assert text in self.output, f"the node ended before it wrote '{text}':\n{self.output}"

    def signal(self, number: signal.Signals = signal.SIGINT) -> None:
        self._process.send_signal(number)

    def wait(self) -> int:
        """Wait for the end; the exit status."""
        status = self._process.wait(DEADLINE)
        self._reader.join(DEADLINE)
        return status

    def end(self) -> None:
        """End it, with force if need be."""
        self.signal()
        try:
            self._process.wait(10)
        except subprocess.TimeoutExpired:
            self._process.kill()
        self.wait()

    def _read(self) -> None:
        assert self._process.stdout is not None
        for line in self._process.stdout:
            self.lines.append(line)


class Client:
    """Sends images to the node and collects what it publishes."""

    def __init__(
        self, outputs: Sequence[str] = ("labels",), node_name: str = NODE_NAME, topic: str = "image"
    ) -> None:
        self.node = rclpy.create_node(f"client_of{node_name.replace('/', '_')}")
        self._executor = SingleThreadedExecutor()
        self._executor.add_node(self.node)
        self.node_name = node_name
        self.received: dict[str, list[Image]] = defaultdict(list)
        self.diagnostics: dict[str, str] = {}
        self._diagnostics_stamp = 0.0
        reliable = QoSProfile(depth=10)
        self._publishers = {
            Image: self.node.create_publisher(Image, topic, reliable),
            CompressedImage: self.node.create_publisher(
                CompressedImage, f"{topic}/compressed", reliable
            ),
        }
        for name in outputs:
            self.node.create_subscription(
                Image, f"{node_name}/{name}", self.received[name].append, reliable
            )
        self.node.create_subscription(
            DiagnosticArray, "/diagnostics", self._on_diagnostics, reliable
        )
        self._reset = self.node.create_client(Trigger, f"{node_name}/reset_memory")
        self._outputs = tuple(outputs)

    def connect(self, process: NodeProcess) -> None:
        """Wait until both sides have found each other."""
        process.wait_for_output("segmenting /")
        self.wait_until(
            lambda: (
                any(p.get_subscription_count() for p in self._publishers.values())
                and self.node.count_publishers("/diagnostics") > 0
                and all(
                    self.node.count_publishers(f"{self.node_name}/{name}") for name in self._outputs
                )
                and bool(self.diagnostics)
            ),
            f"the node to be found; it says:\n{process.output}",
        )

    def send(self, message: Image | CompressedImage) -> None:
        self._publishers[type(message)].publish(message)

    def play(self, messages: Iterable[Image], rate: float) -> None:
        """Send images as a camera with `rate` frames per second does, whatever comes back."""
        due = time.monotonic()
        for message in messages:
            self.send(message)
            due += 1 / rate
            self.wait_until(lambda due=due: time.monotonic() >= due, "the next frame to be due")

    def ask(self, message: Image | CompressedImage) -> dict[str, Image]:
        """Send an image and wait for all outputs that are subscribed to."""
        before = {name: len(self.received[name]) for name in self._outputs}
        self.send(message)
        self.wait_until(
            lambda: all(len(self.received[name]) > before[name] for name in self._outputs),
            f"an answer in {self._outputs}",
        )
        return {name: self.received[name][-1] for name in self._outputs}

    def counts(self) -> dict[str, int]:
        """The whole numbers in diagnostics that are made from now on."""
        now = time.time()
        self.wait_until(lambda: self._diagnostics_stamp >= now, "diagnostics")
        return {name: int(text) for name, text in self.diagnostics.items() if text.isdigit()}

    def wait_for_count(self, name: str, value: int) -> None:
        self.wait_until(
            lambda: int(self.diagnostics.get(name, -1)) >= value, f"{name} to become {value}"
        )

    def reset_memory(self) -> str:
        self.wait_until(self._reset.service_is_ready, "the service reset_memory")
        response = self.result(self._reset.call_async(Trigger.Request()))
        assert response.success
        return str(response.message)

    def result(self, future: Future) -> Any:
        """What a service call that was begun on `node` answers."""
        self.wait_until(future.done, "the answer of a service")
        return future.result()

    def wait_until(self, condition: Callable[[], bool], what: str) -> None:
        wait_until(condition, what, lambda: self._executor.spin_once(timeout_sec=0.05))

    def close(self) -> None:
        self._executor.shutdown()
        self.node.destroy_node()

    def _on_diagnostics(self, message: DiagnosticArray) -> None:
        for status in message.status:
            if status.name.startswith(self.node_name):
                self.diagnostics = {value.key: value.value for value in status.values}
                self._diagnostics_stamp = seconds(message.header.stamp)


def wait_until(
    condition: Callable[[], bool], what: str, pause: Callable[[], None] = lambda: time.sleep(0.02)
) -> None:
    end = time.monotonic() + DEADLINE
    while not condition():
        assert time.monotonic() < end, f"waited {DEADLINE:.0f} s in vain for {what}"
        pause()


@contextmanager
def running_node(
    checkpoint: Path,
    *arguments: str,
) -> Iterator[NodeProcess]:
    """Run the node with `arguments` behind --ros-args."""
    process = NodeProcess(
        [*NODE_COMMAND, "--ros-args", "-p", f"checkpoint:={checkpoint}", *arguments]
    )
    try:
        yield process
    finally:
        process.end()


@contextmanager
def connected(process: NodeProcess, *outputs: str, **options: Any) -> Iterator[Client]:
    """A client that has found the node."""
    client = Client(outputs or ("labels",), **options)
    try:
        client.connect(process)
        yield client
    finally:
        client.close()


def image_message(
    picture: np.ndarray,
    encoding: str = "rgb8",
    *,
    stamp: float = 1.0,
    frame_id: str = "camera",
    padding: int = 0,
) -> Image:
    """An image message of an array of rows; `padding` bytes follow each row."""
    rows = np.ascontiguousarray(picture).view(np.uint8).reshape(picture.shape[0], -1)
    rows = np.pad(rows, ((0, 0), (0, padding)), constant_values=77)
    message = Image(encoding=encoding, height=rows.shape[0], width=picture.shape[1])
    message.step = rows.shape[1]
    message.data = array("B", rows.tobytes())
    set_header(message, stamp, frame_id)
    return message


def set_header(message: Image | CompressedImage, stamp: float, frame_id: str = "camera") -> None:
    nanoseconds = round(stamp * 1e9)
    message.header.stamp.sec, message.header.stamp.nanosec = divmod(nanoseconds, 1_000_000_000)
    message.header.frame_id = frame_id


def seconds(stamp: Time) -> float:
    return float(stamp.sec + 1e-9 * stamp.nanosec)


def pixels(message: Image) -> np.ndarray:
    """(H, W) or (H, W, 3) of a mono8 or rgb8 message."""
    shape: tuple[int, ...] = (message.height, message.width)
    return np.frombuffer(message.data, np.uint8).reshape(
        shape if message.encoding == "mono8" else (*shape, 3)
    )


def street(width: int = 64, height: int = 32, seed: int = 0) -> np.ndarray:
    """Any picture with edges: (H, W, 3) uint8."""
    coarse = np.random.default_rng(seed).integers(0, 256, (height // 8, width // 8, 3), np.uint8)
    return np.kron(coarse, np.ones((8, 8, 1), np.uint8))
