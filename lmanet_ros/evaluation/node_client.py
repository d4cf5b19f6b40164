"""The ROS side of an evaluation: images to the segmentation node, its answers back."""

from __future__ import annotations

import time
from collections import defaultdict
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, field, fields
from difflib import get_close_matches
from functools import partial
from typing import Any

from diagnostic_msgs.msg import DiagnosticArray
from rcl_interfaces.msg import ParameterValue
from rcl_interfaces.srv import GetParameters
from rclpy.executors import SingleThreadedExecutor
from rclpy.node import Node
from rclpy.qos import QoSProfile
from rclpy.serialization import serialize_message
from rclpy.task import Future
from sensor_msgs.msg import CompressedImage, Image
from std_msgs.msg import Header, String

from lmanet_core import ClassTable
from lmanet_core.checkpoint import DEFAULT_WEIGHTS
from lmanet_core.runtime.network_classes import network_classes
from lmanet_ros.bags.message import header_stamp
from lmanet_ros.messages.class_json import from_json
from lmanet_ros.messages.frame_counts import frame_counts
from lmanet_ros.node.publishing.class_topics import LATCHED
from lmanet_ros.node.segmentation_parameters import NodeParameters
from lmanet_ros.processes import NodeProcess, ProcessError, uninterrupted
from lmanet_ros.ros_releases import with_message_info

NODE_NAME = "segmentation_node"
IMAGE_TOPICS = {Image: "image", CompressedImage: "image/compressed"}
ENDS = ("processed", "dropped", "skipped", "refused", "failed", "lost")
"""What can become of a frame, by the node's account."""
QUEUE_DEPTH = 50
START_TIMEOUT = 300.0
"""Seconds for a node of ours to load its network; it is known to live."""
CONNECTION_TIMEOUT = 60.0
"""Seconds for a node to be found."""
ANSWER_TIMEOUT = 120.0
"""Seconds to wait for the answer to a frame."""
CLASSES_TIMEOUT = 5.0
"""Seconds for a node that has answered a frame to publish a class table, if it ever does."""
LATE_ANSWER = 3.0
"""Seconds that an answer may be behind the node's own report of it."""
QUESTION_PERIOD = 5.0
"""Seconds until a service that has not answered is asked again."""
WARM_UP_PERIOD = 2.0
WARM_UP_FRAME_ID = "warm_up"


@dataclass
class SentFrame:
    """A frame on its way through the node."""

    number: int
    """Number of the frame in its recording."""
    sent: int
    """`time.time_ns` when it was published."""
    missing: set[str] = field(default_factory=set)
    """Outputs that have not been received yet."""
    latency: float | None = None
    """Seconds from publishing to the arrival of its labels."""

    @property
    def is_complete(self) -> bool:
        """Whether all outputs have been received."""
        return not self.missing


class NodeClient:
    """Sends serialized images to `segmentation_node` and receives what it says about them.

    Names are relative: client and node are to be in the same namespace, and the image topic of
    both can be remapped.

    Args:
        image_type: Image or CompressedImage.
        outputs: outputs of the node, to subscribe to; 'labels' among them.
        on_output: called with the frame, the name of the output and the serialized message.
        process: the node's, if it is ours: its end is noticed.
        namespace: namespace of the client and the node; empty: that of this process.
    """

    def __init__(
        self,
        image_type: Any,
        outputs: Sequence[str],
        on_output: Callable[[SentFrame, str, bytes], None],
        process: NodeProcess | None,
        namespace: str = "",
    ) -> None:
        self._node = Node("bag_evaluation", namespace=namespace or None)
        self._executor = SingleThreadedExecutor()
        self._executor.add_node(self._node)
        self._outputs = tuple(outputs)
        self._on_output = on_output
        self._process = process
        self._under_way: dict[int, list[SentFrame]] = defaultdict(list)
        self.facts: dict[str, str] = {}
        """What the node says of itself in its diagnostics."""
        self._counts: dict[str, int] = {}
        self._counts_before: dict[str, int] = {}
        self._reports = 0
        self._says = ""
        self._classes = ""
        self._received = 0
        self._sent = 0
        qos = QoSProfile(depth=QUEUE_DEPTH)
        self._images = self._node.create_publisher(image_type, IMAGE_TOPICS[image_type], qos)
        for name in self._outputs:
            self._node.create_subscription(
                Image,
                f"{NODE_NAME}/{name}",
                with_message_info(partial(self._receive, name)),
                qos,
                raw=True,
            )
        self._node.create_subscription(String, f"{NODE_NAME}/classes", self._on_classes, LATCHED)
        self._get_parameters = self._node.create_client(
            GetParameters, f"{NODE_NAME}/get_parameters"
        )
        node_name = self._node.resolve_topic_name(NODE_NAME, only_expand=True)
        self._status_prefix = f"{node_name}: "
        self._node.create_subscription(
            DiagnosticArray, "/diagnostics", self._on_diagnostics, QUEUE_DEPTH
        )

    @property
    def counts(self) -> dict[str, int]:
        """What became of the frames since the warm-up, by the node's last account."""
        return {name: n - self._counts_before.get(name, 0) for name, n in self._counts.items()}

    def connect(self, first_image: Any) -> None:
        """Find the node and have it answer a frame, so that all that it does lazily is done.

        Afterwards its memory is empty for whatever comes next: the frame has a frame_id of its own.

        Args:
            first_image: a message that the node can use.

        Raises:
            ProcessError: the node does not answer.
        """
        self._wait_for_subscription()
        before = self._counts.get("processed", 0)
        first_image.header = Header(frame_id=WARM_UP_FRAME_ID)
        data = serialize_message(first_image)
        sent: list[SentFrame] = []
        for _ in range(round(ANSWER_TIMEOUT / WARM_UP_PERIOD)):
            # Until both sides have found each other, an answer may not find its way.
            sent.append(self.send(data, number=-1))
            if self.listen(lambda: any(frame.is_complete for frame in sent), WARM_UP_PERIOD):
                break
        else:
            raise self._silence(f"{NODE_NAME} has not answered for {ANSWER_TIMEOUT:.0f} s")
        # A report that is under way may be of before the answer; the one after it is not.
        self.receive_waiting()
        reports = self._reports

        def accounts_for_all() -> bool:
            has_answered = self._counts.get("processed", 0) > before
            return self._reports > reports + 1 and has_answered and self._is_idle()

        if not self.listen(accounts_for_all, ANSWER_TIMEOUT):
            raise self._silence(f"{NODE_NAME} does not account for its frames on /diagnostics")
        self._counts_before = self._counts
        self._under_way.clear()
        self._sent = 0

    def check_parameters(self, names: Iterable[str]) -> None:
        """Check that the node knows parameters: what it does not know has no effect.

        Raises:
            ProcessError: it does not, or does not say.
        """
        for name in names:
            self._parameter(name)

    def check_rate(self) -> None:
        """Check that the node does not skip frames to keep to a rate.

        Raises:
            ProcessError: it does, or does not say.
        """
        max_rate = self._parameter("max_rate").double_value
        if max_rate > 0:
            raise ProcessError(
                f"{NODE_NAME} has max_rate = {max_rate:g} and skips what comes faster, but without "
                "loss a frame comes when the one before is answered: set it to 0, or play with "
                "--live"
            )

    def network(self) -> tuple[str, ClassTable]:
        """What the node says it runs, a file or the name of shipped weights, and its classes.

        Raises:
            ProcessError: it does not say, or what it says is no class table.
        """
        names = filter(None, map(self._text, ("model_file", "engine", "checkpoint")))
        name = next(names, DEFAULT_WEIGHTS)
        # Latched: what was published before comes now, on a busy machine later.
        is_published = self._node.count_publishers(f"{NODE_NAME}/classes") > 0
        timeout = CONNECTION_TIMEOUT if is_published else CLASSES_TIMEOUT
        if self.listen(lambda: bool(self._classes), timeout):
            try:
                return name, from_json(self._classes)
            except ValueError as error:
                raise ProcessError(f"{NODE_NAME}/classes: {error}") from None
        try:
            return name, network_classes(name)
        except ValueError as error:
            raise ProcessError(
                f"{NODE_NAME} does not publish its classes, and of its network they cannot be "
                f"read: {error}"
            ) from None

    def send(self, data: bytes, number: int) -> SentFrame:
        """Publish a serialized image."""
        frame = SentFrame(number, time.time_ns(), set(self._outputs))
        self._under_way[header_stamp(data)].append(frame)
        self._sent += 1
        self._images.publish(data)
        return frame

    def wait_for_answer(self, frame: SentFrame) -> None:
        """Listen until all outputs of a frame have come, or it is known that they will not.

        Raises:
            ProcessError: nothing is to be heard of it.
        """

        def is_settled() -> bool:
            return frame.is_complete or self.all_accounted_for()

        if not self.listen(is_settled, ANSWER_TIMEOUT):
            raise self._silence(f"no answer to frame {frame.number} in {ANSWER_TIMEOUT:.0f} s")
        self._listen_for(frame, LATE_ANSWER)

    def wait_until_idle(self) -> None:
        """Listen until the node has done all that it will do."""
        reports = self._reports

        def is_done() -> bool:
            # A node that is too busy to take a frame from the middleware never knows of it.
            return self.all_accounted_for() or (self._reports > reports + 1 and self._is_idle())

        self.listen(is_done, ANSWER_TIMEOUT)

    def listen(self, condition: Callable[[], bool], timeout: float) -> bool:
        """Receive until a condition holds; False if it does not within `timeout` seconds.

        Raises:
            ProcessError: the node has died meanwhile.
        """
        end = time.monotonic() + timeout
        while not condition():
            left = end - time.monotonic()
            if left <= 0:
                return False
            if self._process and not self._process.is_running():
                raise ProcessError(f"{NODE_NAME} has ended")
            self._executor.spin_once(timeout_sec=min(left, 0.1))
        return True

    def receive_waiting(self) -> None:
        """Receive what has come, as much as a queue holds at most, and wait for nothing."""
        for _ in range(QUEUE_DEPTH):
            before = self._received
            # One call handles one message, and with no time to wait that after the last of a round
            # handles none, whatever has come meanwhile.
            self._executor.spin_once(timeout_sec=0)
            self._executor.spin_once(timeout_sec=0)
            if self._received == before:
                return

    def all_accounted_for(self) -> bool:
        """Whether the node has said what became of every frame since the warm-up."""
        return sum(self.counts.get(end, 0) for end in ENDS) >= self._sent

    def close(self) -> None:
        self._executor.shutdown()
        self._node.destroy_node()

    def _wait_for_subscription(self) -> None:
        def is_subscribed() -> bool:
            return self._images.get_subscription_count() > 0

        # A node of ours loads its network first, and speaks when it has.
        if self._process:
            self.listen(lambda: is_subscribed() or bool(self._says), START_TIMEOUT)
        if not self.listen(is_subscribed, CONNECTION_TIMEOUT):
            raise self._silence(f"no {NODE_NAME} subscribes to {self._images.topic_name}")

    def _silence(self, what: str) -> ProcessError:
        """What the node does not do, with what it says of itself."""
        says = self._says or "nothing"
        return ProcessError(f"{what}; of itself it says on /diagnostics: {says}")

    def _parameter(self, name: str) -> ParameterValue:
        if not (values := self._parameters(name)):
            similar = get_close_matches(name, [known.name for known in fields(NodeParameters)], n=1)
            hint = f"; did you mean '{similar[0]}'?" if similar else ""
            raise ProcessError(f"{NODE_NAME} has no parameter '{name}'{hint}")
        return values[0]

    def _parameters(self, name: str) -> Sequence[ParameterValue]:
        """The value of a parameter; nothing if the node has none of that name."""
        self.listen(self._get_parameters.service_is_ready, CONNECTION_TIMEOUT)
        request = GetParameters.Request(names=[name])
        asked: list[Future] = []
        for _ in range(round(CONNECTION_TIMEOUT / QUESTION_PERIOD)):
            # A node that does not know yet who has asked has nobody to answer.
            asked.append(self._get_parameters.call_async(request))
            if self.listen(lambda: any(future.done() for future in asked), QUESTION_PERIOD):
                break
        for future in asked:
            if future.done():
                values: Sequence[ParameterValue] = future.result().values
                return values
        raise ProcessError(f"{NODE_NAME} does not tell its parameters")

    def _text(self, name: str) -> str:
        """A parameter that is a text; empty where there is none."""
        values = self._parameters(name)
        return str(values[0].string_value) if values else ""

    def _listen_for(self, frame: SentFrame, timeout: float) -> bool:
        return self.listen(lambda: frame.is_complete, timeout)

    def _is_idle(self) -> bool:
        counts = self._counts
        ends = sum(counts.get(end, 0) for end in ENDS if end != "lost")
        return counts["received"] == ends

    # What counts as answered is in the recording, and the other way round.
    @uninterrupted()
    def _receive(self, output: str, data: bytes, info: dict[str, int]) -> None:
        self._received += 1
        for frame in self._under_way.get(header_stamp(data), ()):
            if output in frame.missing:
                break
        else:
            return
        frame.missing.remove(output)
        if output == "labels":
            # By the middleware's clock: this process may have been reading the recording.
            arrival = info.get("received_timestamp") or time.time_ns()
            frame.latency = (arrival - frame.sent) * 1e-9
        if frame.number >= 0:
            self._on_output(frame, output, data)

    def _on_classes(self, message: String) -> None:
        self._classes = message.data

    def _on_diagnostics(self, message: DiagnosticArray) -> None:
        self._received += 1
        # Nodes of other names use the topic, too, and may count the same.
        own = [status for status in message.status if status.name.startswith(self._status_prefix)]
        self.facts |= {value.key: value.value for status in own for value in status.values}
        says = [" ".join(filter(None, (status.message, status.hardware_id))) for status in own]
        self._says = ", ".join(says) or self._says
        counts = frame_counts(DiagnosticArray(status=own))
        if "processed" in counts:
            self._counts = counts
            self._reports += 1
