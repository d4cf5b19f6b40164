"""A ROS client that plays camera, depth camera and segmentation to the semantic cloud node."""

from __future__ import annotations

import sys
import time
from array import array
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from typing import Any

import numpy as np
import rclpy
from diagnostic_msgs.msg import DiagnosticArray, DiagnosticStatus
from rclpy.executors import SingleThreadedExecutor
from rclpy.qos import DurabilityPolicy, QoSProfile
from ros_harness import (
    REPORT_OFTEN,
    NodeProcess,
    SpinningClient,
    seconds,
    set_header,
    wait_until,
)
from sensor_msgs.msg import CameraInfo, Image, PointCloud2, PointField
from std_msgs.msg import String

from lmanet_core import CITYSCAPES, ClassTable
from lmanet_core.cloud.camera_model import CameraModel
from lmanet_core.cloud.points import POINT
from lmanet_ros.messages.camera_info import camera_info
from lmanet_ros.messages.class_json import to_json

COMMAND = (sys.executable, "-m", "lmanet_ros.semantic_cloud_node")
NODE_NAME = "/semantic_cloud_node"
OUTPUTS = ("points", "obstacles", "ground")
SIZE = (16, 12)
CAMERA = CameraModel(SIZE, (20.0, 20.0), (7.5, 5.5))
ROAD, CAR = CITYSCAPES.names.index("road"), CITYSCAPES.names.index("car")
LATCHED = QoSProfile(depth=1, durability=DurabilityPolicy.TRANSIENT_LOCAL)


def picture(values: np.ndarray, encoding: str, stamp: float, frame_id: str = "camera") -> Image:
    """An image message of (H, W) values."""
    message = Image(encoding=encoding, height=values.shape[0], width=values.shape[1])
    message.step = values.strides[0]
    message.data = array("B", values.tobytes())
    set_header(message, stamp, frame_id)
    return message


def labels_of(values: np.ndarray, stamp: float, frame_id: str = "camera") -> Image:
    return picture(values.astype(np.uint8), "mono8", stamp, frame_id)


def depth_of(metres: np.ndarray, stamp: float, frame_id: str = "camera") -> Image:
    return picture(np.float32(metres), "32FC1", stamp, frame_id)


def cloud_of(xyz: np.ndarray, stamp: float, frame_id: str = "lidar", names="xyz") -> PointCloud2:
    """A lidar's message with a field of intensity before its coordinates."""
    points = np.zeros((len(xyz), 5), np.float32)
    points[:, 1:4] = xyz
    message = PointCloud2(height=1, width=len(xyz), point_step=20, row_step=20 * len(xyz))
    message.fields = [
        PointField(name=name, offset=4 * place, datatype=PointField.FLOAT32, count=1)
        for place, name in enumerate(("intensity", *names))
    ]
    message.data = array("B", points.tobytes())
    set_header(message, stamp, frame_id)
    return message


def points_in(message: PointCloud2) -> np.ndarray:
    """(H, W) of `POINT`, or (N,)."""
    points = np.frombuffer(message.data, POINT)
    return points.reshape(message.height, message.width) if message.height > 1 else points


class CloudClient(SpinningClient):
    """Publishes what the node needs and collects what it says.

    Args:
        outputs: to subscribe to.
        classes: that are published, latched; None: none are.
        calibrated: whether a `camera_info` is sent with each frame.
        prefix: namespace of the node.
    """

    def __init__(
        self,
        outputs: tuple[str, ...] = OUTPUTS,
        classes: ClassTable | None = CITYSCAPES,
        calibrated: bool = True,
        prefix: str = "",
    ) -> None:
        self.node_name = prefix + NODE_NAME
        self.node = rclpy.create_node(f"cloud_client{prefix.replace('/', '_')}")
        self._executor = SingleThreadedExecutor()
        self._executor.add_node(self.node)
        types = {"labels": Image, "confidence": Image, "depth": Image, "cloud": PointCloud2}
        self._publishers = {
            name: self.node.create_publisher(kind, name, 10) for name, kind in types.items()
        }
        self._info = self.node.create_publisher(CameraInfo, "camera_info", 10)
        self._classes = self.node.create_publisher(String, "classes", LATCHED)
        if classes:
            self._classes.publish(String(data=to_json(classes)))
        self.calibrated = calibrated
        self.table = classes or CITYSCAPES
        self.received: dict[str, list[PointCloud2]] = {name: [] for name in OUTPUTS}
        self._subscriptions = {}
        for name in outputs:
            self.subscribe(name)
        self.status = DiagnosticStatus()
        self.reports = 0
        self.node.create_subscription(DiagnosticArray, "/diagnostics", self._on_diagnostics, 10)

    def subscribe(self, name: str) -> None:
        self._subscriptions[name] = self.node.create_subscription(
            PointCloud2, f"{self.node_name}/{name}", self.received[name].append, 10
        )

    def unsubscribe(self, name: str) -> None:
        self.node.destroy_subscription(self._subscriptions.pop(name))

    def connect(self, *topics: str) -> None:
        """Wait until both sides have found each other, on labels and on these topics."""
        self.wait_until(
            lambda: (
                all(
                    self._publishers[topic].get_subscription_count()
                    for topic in ("labels", *topics)
                )
                and self._info.get_subscription_count() > 0
                and self._classes.get_subscription_count() > 0
                and all(
                    self.node.count_publishers(f"{NODE_NAME}/{name}")
                    for name in self._subscriptions
                )
                and self.reports > 0
            ),
            "the node to be found",
        )

    def send(self, **messages: Any) -> None:
        """Publish a message, or several, of each topic: ranges before labels, and before each of
        them a calibration.
        """
        for name, some in messages.items():
            for message in some if isinstance(some, list) else [some]:
                if self.calibrated and name in ("depth", "cloud"):
                    self.send_info(CAMERA, message)
                self._publishers[name].publish(message)

    def send_info(self, camera: CameraModel, of: Any) -> None:
        self._info.publish(camera_info(camera, of.header))

    def send_no_calibration(self, of: Any) -> None:
        self._info.publish(CameraInfo(header=of.header, width=SIZE[0], height=SIZE[1]))

    def send_classes(self, text: str) -> None:
        self._classes.publish(String(data=text))

    def ask(self, at: float, **messages: Any) -> dict[str, PointCloud2]:
        """Send messages and wait for an answer on all topics that are subscribed to.

        They are sent again now and then: classes may come after them, and topics that are known
        may not be connected yet. So there may be more than one answer, also after this.

        Args:
            at: stamp of what is answered, another one than in all questions before.
            **messages: by topic.
        """
        names = list(self._subscriptions)

        def answers(name: str) -> list[PointCloud2]:
            clouds = self.received[name]
            return [cloud for cloud in clouds if abs(seconds(cloud.header.stamp) - at) < 1e-6]

        self.keep_sending(
            lambda number: messages, lambda: all(map(answers, names)), f"an answer in {names}"
        )
        return {name: answers(name)[-1] for name in names}

    def keep_sending(
        self,
        frame: Callable[[int], Mapping[str, Any]],
        condition: Callable[[], object],
        what: str,
        period: float = 0.3,
    ) -> None:
        """Send frames, by their number, until a condition holds."""
        due, number = 0.0, 0

        def send_and_spin() -> None:
            nonlocal due, number
            if time.monotonic() > due:
                self.send(**frame(number))
                due, number = time.monotonic() + period, number + 1
            self.spin()

        try:
            wait_until(lambda: bool(condition()), what, send_and_spin)
        except AssertionError as error:
            raise AssertionError(f"{error}; the node says {self.status}") from None

    def values(self) -> dict[str, str]:
        """Figures of diagnostics that are made from now on."""
        reports = self.reports
        self.wait_until(lambda: self.reports > reports + 1, "the next diagnostics")
        return {value.key: value.value for value in self.status.values}

    def count(self, name: str) -> int:
        return int(self.values().get(name, 0))

    def wait_for_problem(self, frame: Callable[[int], Mapping[str, Any]], *words: str) -> str:
        """Send frames until the node reports an error with these words; what it says."""
        self.keep_sending(
            frame,
            lambda: (
                self.status.level == DiagnosticStatus.ERROR
                and all(word in self.status.message for word in words)
            ),
            f"{words} in the diagnostics",
        )
        return str(self.status.message)

    def _on_diagnostics(self, message: DiagnosticArray) -> None:
        for status in message.status:
            if status.name == f"{self.node_name}: semantic cloud":
                self.status = status
                self.reports += 1


@contextmanager
def running_cloud_node(
    *arguments: str, environment: Mapping[str, str] | None = None, **parameters: object
) -> Iterator[NodeProcess]:
    options = [part for n, value in parameters.items() for part in ("-p", f"{n}:={value}")]
    process = NodeProcess(
        [*COMMAND, "--ros-args", *REPORT_OFTEN, *options, *arguments], environment=environment
    )
    try:
        yield process
    finally:
        process.end()


def now() -> float:
    return round(time.time(), 3)
