"""A ROS client in the test process and the node in a process of its own."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import threading
import time
from array import array
from collections import defaultdict
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from contextlib import ExitStack, contextmanager
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
import rclpy
from builtin_interfaces.msg import Time
from diagnostic_msgs.msg import DiagnosticArray, DiagnosticStatus
from lifecycle_msgs.msg import Transition
from lifecycle_msgs.srv import ChangeState, GetState
from rcl_interfaces.msg import SetParametersResult
from rcl_interfaces.srv import SetParameters
from rclpy.client import Client as ServiceClient
from rclpy.executors import SingleThreadedExecutor
from rclpy.parameter import Parameter
from rclpy.qos import DurabilityPolicy, QoSProfile
from rclpy.task import Future
from sensor_msgs.msg import CompressedImage, Image
from std_msgs.msg import String
from std_srvs.srv import Trigger

from lmanet_core import ClassTable, VideoSegmenter
from lmanet_ros.evaluation.node_client import ENDS
from lmanet_ros.messages.node_outputs import PICTURES
from lmanet_ros.processes import own_domain
from lmanet_ros.ros_releases import stay_on_this_machine

# Every pytest process is a ROS network of its own, as are the demos and evaluations that it starts,
# and none of them leaves the machine.
_DOMAIN = ExitStack()
os.environ["ROS_DOMAIN_ID"] = str(_DOMAIN.enter_context(own_domain()))
stay_on_this_machine()

DEADLINE = 180.0
"""Seconds to wait for anything; far more than it takes, for machines under load."""

PROMPT = 60.0
"""Seconds for what takes at most two on a quiet machine and would last for ever if it hung."""

NODE_COMMAND = (sys.executable, "-m", "lmanet_ros.segmentation_node")
NODE_NAME = "/segmentation_node"
REPORT_OFTEN = ("-p", "diagnostics_rate:=20.0")
"""Diagnostics are what tests wait for again and again."""
NO_SPEED = tuple(
    part
    for name in ("warn_latency", "error_latency", "silence_timeout")
    for part in ("-p", f"{name}:=0.0")
)
"""How fast a node and a test are depends on what else the machine does; tests of that say what
they expect."""
OUTPUTS = PICTURES
RELIABLE = QoSProfile(depth=1000)
"""Nothing is lost, however late a busy machine lets somebody read."""
LATCHED = QoSProfile(depth=1, durability=DurabilityPolicy.TRANSIENT_LOCAL)


class NodeProcess:
    """A started node, whose combined output is collected line by line."""

    def __init__(
        self,
        command: Sequence[str | Path],
        cwd: Path | None = None,
        environment: Mapping[str, str] | None = None,
    ) -> None:
        self._process = subprocess.Popen(
            command,
            cwd=cwd,
            env={**os.environ, **(environment or {})},
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
        """End it, with force if need be: others are not told that such a node is gone."""
        self.signal()
        try:
            self._process.wait(PROMPT)
        except subprocess.TimeoutExpired:
            self._process.kill()
        self.wait()

    def _read(self) -> None:
        assert self._process.stdout is not None
        for line in self._process.stdout:
            self.lines.append(line)


class SpinningClient:
    """A node of a test, which is spun while the test waits."""

    node: rclpy.node.Node
    _executor: SingleThreadedExecutor

    def wait_until(self, condition: Callable[[], bool], what: str) -> None:
        wait_until(condition, what, self.spin)

    def spin(self) -> None:
        """Take in what has come, or wait for something for a moment."""
        self._executor.spin_once(timeout_sec=0.05)

    def close(self) -> None:
        self._executor.shutdown()
        self.node.destroy_node()


class Client(SpinningClient):
    """Sends images to the node and collects what it publishes.

    Args:
        outputs: names of the outputs to subscribe to.
        node_name: full name of the node.
        topic: that it listens to.
        camera: what the node calls the camera, if it has several.
        qos: of what is sent.
    """

    def __init__(
        self,
        outputs: Sequence[str] = ("labels",),
        node_name: str = NODE_NAME,
        topic: str = "image",
        camera: str = "",
        qos: QoSProfile = RELIABLE,
    ) -> None:
        self.node = rclpy.create_node(f"client_of{node_name.replace('/', '_')}")
        self._executor = SingleThreadedExecutor()
        self._executor.add_node(self.node)
        self.node_name = node_name
        self.prefix = f"{node_name}/{camera}" if camera else node_name
        self.received: dict[str, list[Image]] = defaultdict(list)
        self.receipts: dict[str, list[float]] = defaultdict(list)
        """When that was, in seconds of the system's clock."""
        self.status = DiagnosticStatus()
        """What the node last said about the camera."""
        self.said: set[str] = set()
        """Messages of all statuses until now."""
        self.diagnostics: dict[str, str] = {}
        self.reports = 0
        """How often it said something."""
        self._status_prefix = f"{node_name}: "
        self._status_name = f"{self._status_prefix}{camera or 'segmentation'}"
        self._diagnostics_stamp = 0.0
        self._publishers = {
            Image: self.node.create_publisher(Image, topic, qos),
            CompressedImage: self.node.create_publisher(
                CompressedImage, f"{topic}/compressed", qos
            ),
        }
        for name in outputs:
            self.node.create_subscription(
                Image, f"{self.prefix}/{name}", partial(self._on_output, name), RELIABLE
            )
        self.node.create_subscription(
            DiagnosticArray, "/diagnostics", self._on_diagnostics, RELIABLE
        )
        self._services: dict[str, ServiceClient] = {}
        self._outputs = tuple(outputs)

    def connect(self, process: NodeProcess) -> None:
        """Wait until both sides have found each other."""
        process.wait_for_output("segmenting /")
        self.wait_until(
            lambda: (
                self.subscription_count() > 0
                and self.node.count_publishers("/diagnostics") > 0
                and all(map(self.publisher_count, self._outputs))
                and bool(self.diagnostics)
            ),
            f"the node to be found; it says:\n{process.output}",
        )

    def listen(self, message_type: type, topic: str, callback: Callable[..., object]) -> None:
        """Subscribe, and wait until the node knows: what it publishes from now on will come."""
        self.node.create_subscription(message_type, topic, callback, RELIABLE)
        self._wait_until_known(topic)

    def send(self, message: Image | CompressedImage) -> None:
        self._publishers[type(message)].publish(message)

    def send_bytes(self, data: bytes) -> None:
        """Send an image as it goes over the wire, or something that is none."""
        self._publishers[Image].publish(data)

    def play(self, messages: Iterable[Image], rate: float) -> None:
        """Send images as a camera with `rate` frames per second does, whatever comes back.

        Where this process is late it goes on later: a camera does not make up for it by a burst.
        """
        due = time.monotonic()
        for message in messages:
            self.send(message)
            due = max(due + 1 / rate, time.monotonic())
            self.wait_until(lambda due=due: time.monotonic() >= due, "the next frame to be due")

    @contextmanager
    def playing(self, message: Image, rate: float) -> Iterator[None]:
        """Send an image again and again, stamped now, while the context lasts."""
        ended = threading.Event()

        def play() -> None:
            while not ended.wait(1 / rate):
                set_header(message, time.time())
                self.send(message)

        thread = threading.Thread(target=play)
        thread.start()
        try:
            yield
        finally:
            ended.set()
            thread.join()

    def ask(self, message: Image | CompressedImage) -> dict[str, Image]:
        """Send an image and wait for all outputs of it that are subscribed to."""
        before = {name: len(self.received[name]) for name in self._outputs}
        self.send(message)

        def is_answered(name: str) -> bool:
            # One that was sent before may be answered meanwhile.
            answers = self.received[name]
            return len(answers) > before[name] and answers[-1].header == message.header

        self.wait_until(
            lambda: all(map(is_answered, self._outputs)), f"an answer in {self._outputs}"
        )
        return {name: self.received[name][-1] for name in self._outputs}

    def fresh_status(self) -> DiagnosticStatus:
        """Diagnostics that are made from now on."""
        now = time.time()
        self.wait_until(lambda: self._diagnostics_stamp >= now, "diagnostics")
        # Those may have been begun before.
        reports = self.reports
        self.wait_until(lambda: self.reports > reports, "the next diagnostics")
        return self.status

    def counts(self, *, settled: bool = True) -> dict[str, int]:
        """The whole numbers in diagnostics that are made from now on.

        Args:
            settled: whether to wait until they say what became of every frame that was received: an
                answer may be here before it is counted there.
        """
        self.fresh_status()

        def numbers() -> dict[str, int]:
            return {name: int(text) for name, text in self.diagnostics.items() if text.isdigit()}

        def is_settled() -> bool:
            counts = numbers()
            ends = sum(counts.get(end, 0) for end in ENDS if end != "lost")
            return counts.get("received", 0) == ends

        if settled:
            self.wait_until(is_settled, "the node to be done with every frame")
        return numbers()

    def wait_for_count(self, name: str, value: int) -> None:
        self.wait_until(
            lambda: int(self.diagnostics.get(name, -1)) >= value, f"{name} to become {value}"
        )

    def reset_memory(self) -> str:
        response = self.call(Trigger, "reset_memory", Trigger.Request())
        assert response.success
        return str(response.message)

    def set_parameters(self, **values: object) -> list[SetParametersResult]:
        """Ask the node to change parameters; what it says to each."""
        messages = [
            Parameter(name, value=value).to_parameter_msg() for name, value in values.items()
        ]
        request = SetParameters.Request(parameters=messages)
        return list(self.call(SetParameters, "set_parameters", request).results)

    def change_state(self, transition: str) -> bool:
        """Ask for a transition by its name; whether it succeeded."""
        request = ChangeState.Request(transition=Transition(label=transition))
        return bool(self.call(ChangeState, "change_state", request).success)

    def state(self) -> str:
        """Name of the state that the node is in."""
        return str(self.call(GetState, "get_state", GetState.Request()).current_state.label)

    def class_table(self) -> ClassTable:
        """As somebody who joins late gets it."""
        received: list[str] = []
        subscription = self.node.create_subscription(
            String, f"{self.node_name}/classes", lambda m: received.append(m.data), LATCHED
        )
        self.wait_until(lambda: bool(received), "the class table")
        self.node.destroy_subscription(subscription)
        entries = json.loads(received[-1])["classes"]
        assert [entry["label"] for entry in entries] == list(range(len(entries)))
        return ClassTable(
            tuple(entry["name"] for entry in entries),
            tuple(tuple(bytes.fromhex(entry["color"][1:])) for entry in entries),
        )

    def publisher_count(self, output: str) -> int:
        """How many nodes publish an output."""
        return int(self.node.count_publishers(f"{self.prefix}/{output}"))

    def subscription_count(self) -> int:
        """How many nodes listen to the camera."""
        return max(p.get_subscription_count() for p in self._publishers.values())

    def call(self, service_type: type, name: str, request: object) -> Any:
        """Call a service of the node and wait for the answer."""
        if name not in self._services:
            topic = f"{self.node_name}/{name}"
            self._services[name] = self.node.create_client(service_type, topic)
            self.wait_until(self._services[name].service_is_ready, f"the service {name}")
            # A node that does not know who has asked has nobody to answer.
            self._wait_until_known(topic)
        service = self._services[name]
        self.wait_until(service.service_is_ready, f"the service {name}")
        return self.result(service.call_async(request))

    def result(self, future: Future) -> Any:
        """What a service call that was begun on `node` answers."""
        self.wait_until(future.done, "the answer of a service")
        return future.result()

    def _wait_until_known(self, what: str) -> None:
        """Wait until the node knows what has been subscribed to here, for answers of services, too.

        Subscriptions become known in the order in which they are made: when one hears the node,
        those before it are known.
        """
        names: list[str] = []
        later = self.node.create_subscription(
            DiagnosticArray,
            "/diagnostics",
            lambda message: names.extend(status.name for status in message.status),
            RELIABLE,
        )
        self.wait_until(
            lambda: any(name.startswith(self._status_prefix) for name in names),
            f"the node to know of {what}",
        )
        self.node.destroy_subscription(later)

    def _on_output(self, name: str, message: Image) -> None:
        self.received[name].append(message)
        self.receipts[name].append(time.time())

    def _on_diagnostics(self, message: DiagnosticArray) -> None:
        for status in message.status:
            if status.name == self._status_name:
                self.status = status
                self.said.add(status.message)
                self.reports += 1
                self.diagnostics = {value.key: value.value for value in status.values}
                self._diagnostics_stamp = seconds(message.header.stamp)


def wait_until(
    condition: Callable[[], bool],
    what: str,
    pause: Callable[[], object] = lambda: time.sleep(0.02),
    deadline: float = DEADLINE,
) -> None:
    end = time.monotonic() + deadline
    while not condition():
        assert time.monotonic() < end, f"waited {deadline:.0f} s in vain for {what}"
        pause()


@contextmanager
def promptly() -> Iterator[None]:
    """Assert that what is done in here does not hang."""
    begin = time.monotonic()
    yield
    assert time.monotonic() - begin < PROMPT


@contextmanager
def running_node(
    checkpoint: Path,
    *arguments: str,
    environment: Mapping[str, str] | None = None,
) -> Iterator[NodeProcess]:
    """Run the node, which reports often, with `arguments` behind --ros-args."""
    always = (*REPORT_OFTEN, *NO_SPEED, "-p", f"checkpoint:={checkpoint}")
    process = NodeProcess(
        [*NODE_COMMAND, "--ros-args", *always, *arguments], environment=environment
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


def answers_like(client: Client, segmenter: VideoSegmenter) -> None:
    """Whether the node labels three frames as a segmenter of the same network does."""
    for index in range(3):
        picture = street(80, 40, seed=index)
        answer = client.ask(image_message(picture, stamp=1 + index / 15))
        labels, expected = pixels(answer["labels"]), segmenter.step(picture).labels
        assert labels.shape == (40, 80)
        # Another process may round differently where two classes are equally likely.
        assert np.mean(labels == expected) > 0.97
    assert client.counts()["memory_filled"] == 2


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


def resident_megabytes(pid: int) -> float:
    """Memory of a process that is its own, without files and what it shares."""
    status = Path(f"/proc/{pid}/status").read_text()
    (line,) = (line for line in status.splitlines() if line.startswith("RssAnon:"))
    return int(line.split()[1]) / 1024


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
