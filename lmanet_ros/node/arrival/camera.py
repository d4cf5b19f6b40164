"""One camera: its topics and what is done with a message before the network gets it."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from time import perf_counter

from rclpy.node import Node
from sensor_msgs.msg import CameraInfo, CompressedImage, Image
from std_srvs.srv import Trigger

from lmanet_ros.messages.image_conversion import ImageError, check
from lmanet_ros.node.arrival.listener import Listener
from lmanet_ros.node.arrival.rate_limit import RateLimit
from lmanet_ros.node.arrival.subscription import AutoQosSubscription
from lmanet_ros.node.arrival.topic_names import sibling_topic
from lmanet_ros.node.arrival.topic_report import explain_silence
from lmanet_ros.node.inference.stream import LOG_PERIOD, Frame, Stream
from lmanet_ros.node.reporting.diagnostics import LOST_REMEDY
from lmanet_ros.node.segmentation_parameters import NodeParameters


def camera_names(topics: Sequence[str]) -> list[str]:
    """What to call several cameras: their topics' namespaces, where those tell them apart.

    `/front/image_raw` and `/rear/image_raw` are `front` and `rear`, `/image_a` and `/image_b` are
    `image_a` and `image_b`.
    """
    topics = [topic.lstrip("~/") for topic in topics]
    namespaces = [topic.rpartition("/")[0] for topic in topics]
    distinct = all(namespaces) and len(set(namespaces)) == len(namespaces)
    return namespaces if distinct else topics


class Camera(Listener):
    """Listens to a camera, while it is started, and submits its frames.

    Args:
        node: the node that subscribes.
        topic: the camera's, as the user names it.
        prefix: prefix of its service: `~` or, of one of several cameras, `~/<camera>`.
        stream: what its frames belong to.
        submit: takes frames over, never waiting.
        parameters: parameters of the node.

    Raises:
        ParameterError: an override of the quality of service has no sense.
    """

    def __init__(
        self,
        node: Node,
        topic: str,
        prefix: str,
        stream: Stream,
        submit: Callable[[Stream, Frame], None],
        parameters: NodeParameters,
    ) -> None:
        super().__init__()
        self.stream = stream
        self._node = node
        self._submit = submit
        self._silence_told = float("-inf")
        self._info: CameraInfo | None = None
        self._rate_limit = RateLimit(parameters.max_rate)
        self._images = AutoQosSubscription(
            node,
            CompressedImage if parameters.compressed else Image,
            sibling_topic(node, topic, f"{topic}/compressed") if parameters.compressed else topic,
            self._on_image,
            self._on_lost,
            parameters.image_reliability,
            parameters.image_durability,
        )
        info_topic = f"{topic.rpartition('/')[0]}/camera_info" if "/" in topic else "camera_info"
        self._infos = AutoQosSubscription(
            node, CameraInfo, sibling_topic(node, topic, info_topic), self._on_info
        )
        self._reset_service = node.create_service(
            Trigger, f"{prefix}/reset_memory", self._on_reset_memory
        )
        self.apply(parameters)

    @property
    def topic(self) -> str:
        """Full name of the topic of images."""
        return self._images.topic

    @property
    def info_topic(self) -> str:
        """Full name of the topic of calibrations."""
        return self._infos.topic

    @property
    def is_listening(self) -> bool:
        """Whether the camera's images are received."""
        return self._images.is_open

    def apply(self, parameters: NodeParameters) -> None:
        """Take over the parameters that may change at any time."""
        if parameters.max_rate != self._rate_limit.rate:
            self._rate_limit = RateLimit(parameters.max_rate)
        self._parameters = parameters

    def destroy(self) -> None:
        """Take all topics and services away."""
        self.stop()
        self._images.destroy()
        self._infos.destroy()
        self._node.destroy_service(self._reset_service)
        self.stream.outputs.destroy()

    def _is_needed(self) -> bool:
        return not self._parameters.lazy or bool(self.stream.outputs.wanted())

    def _listen(self) -> None:
        self.stream.open()
        self._images.open()
        self._infos.open()

    def _let_go(self) -> None:
        if self.is_listening:
            self._node.get_logger().debug(f"{self.topic} is let go of")
        self._images.close()
        self._infos.close()
        self._info = None
        self.stream.close()

    def _look(self) -> None:
        self._images.look()
        self._infos.look()
        self._report_silence()

    def _report_silence(self) -> None:
        silence, now = self.stream.statistics.figures().silence, perf_counter()
        is_due = now > self._silence_told + LOG_PERIOD
        if is_due and 0 < self._parameters.silence_timeout < silence:
            # Not throttled by ROS, which would let one camera speak for all.
            self._silence_told = now
            self._node.get_logger().warning(
                f"no image on {self.topic} for {silence:.0f} s: "
                f"{explain_silence(self._node, self._images)}"
            )

    def _on_info(self, message: CameraInfo) -> None:
        self._info = message

    def _on_image(self, message: Image | CompressedImage) -> None:
        arrival = perf_counter()
        self.stream.statistics.add_received(arrival)
        try:
            # Before the frame may displace a good one from the mailbox.
            check(message)
        except ImageError as error:
            self.stream.refuse(error)
            return
        if self._rate_limit.admits(arrival):
            self._submit(self.stream, self.stream.frame(message, self._info, arrival))
        else:
            self.stream.skip()

    def _on_lost(self, count: int) -> None:
        self.stream.statistics.count("lost", times=count)
        self._node.get_logger().warning(
            f"images of {self.topic} were lost on their way; {LOST_REMEDY}",
            throttle_duration_sec=LOG_PERIOD,
        )

    def _on_reset_memory(
        self, request: Trigger.Request, response: Trigger.Response
    ) -> Trigger.Response:
        filled = self.stream.memory.filled
        self.stream.memory.request_reset("on request")
        response.success = True
        response.message = f"the next frame starts anew; {filled} frames were in memory"
        return response
