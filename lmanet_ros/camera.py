"""One camera: its topics and what is done with a message before the network's turn."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from time import perf_counter

from rclpy.event_handler import QoSMessageLostInfo, SubscriptionEventCallbacks
from rclpy.node import Node
from rclpy.qos import QoSProfile, qos_profile_sensor_data
from rclpy.qos_overriding_options import QoSOverridingOptions
from rclpy.subscription import Subscription
from sensor_msgs.msg import CameraInfo, CompressedImage, Image
from std_srvs.srv import Trigger

from lmanet_ros.image_conversion import ImageError, check
from lmanet_ros.parameters import NodeParameters, naming_qos_overrides
from lmanet_ros.rate_limit import RateLimit
from lmanet_ros.stream import Frame, Stream


def camera_names(topics: Sequence[str]) -> list[str]:
    """What to call several cameras: their topics' namespaces, where those tell them apart.

    `/front/image_raw` and `/rear/image_raw` are `front` and `rear`, `/image_a` and `/image_b` are
    `image_a` and `image_b`.
    """
    topics = [topic.lstrip("~/") for topic in topics]
    namespaces = [topic.rpartition("/")[0] for topic in topics]
    distinct = all(namespaces) and len(set(namespaces)) == len(namespaces)
    return namespaces if distinct else topics


class Camera:
    """Listens to a camera, while it is started, and submits its frames.

    Args:
        node: the node that subscribes.
        topic: the camera's, as the user names it.
        prefix: of its service: `~` or, of one of several cameras, `~/<camera>`.
        stream: what its frames belong to.
        submit: takes frames over, never waiting.
        parameters: of the node.
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
        self.stream = stream
        # As image_transport does it: remapping `image` moves the other topics along.
        base = node.resolve_topic_name(topic)
        self.topic = base + ("/compressed" if parameters.compressed else "")
        self._info_topic = base.rpartition("/")[0] + "/camera_info"
        self._node = node
        self._submit = submit
        self._message_type = CompressedImage if parameters.compressed else Image
        self._info: CameraInfo | None = None
        self._rate_limit = RateLimit(parameters.max_rate)
        self._subscriptions: list[Subscription] = []
        self._reset_service = node.create_service(
            Trigger, f"{prefix}/reset_memory", self._on_reset_memory
        )
        self.apply(parameters)

    def apply(self, parameters: NodeParameters) -> None:
        """Take over the parameters that may change at any time."""
        if parameters.max_rate != self._rate_limit.rate:
            self._rate_limit = RateLimit(parameters.max_rate)
        self.stream.max_frame_gap = parameters.max_frame_gap
        self.stream.outputs.overlay_opacity = parameters.overlay_opacity

    def start(self) -> None:
        """Listen to the camera.

        Raises:
            ParameterError: an override of the quality of service has no sense.
        """
        self.stream.open()
        try:
            self._subscriptions = [self._subscribe_images(), self._subscribe_info()]
        except BaseException:
            self.stop()
            raise

    def stop(self) -> None:
        """Let go of the camera; what the network still works on is not published."""
        for subscription in self._subscriptions:
            self._node.destroy_subscription(subscription)
        self._subscriptions = []
        self._info = None
        self.stream.close()

    def destroy(self) -> None:
        """Take all topics and services away."""
        self.stop()
        self._node.destroy_service(self._reset_service)
        self.stream.outputs.destroy()

    def _subscribe_images(self) -> Subscription:
        # Best effort, as cameras publish; it fits reliable publishers, too. Overridable, because
        # a recording is better played back reliably. The depth only bridges the time that this
        # process needs to look: frames that wait for the network wait in the worker's mailbox.
        default = qos_profile_sensor_data
        with naming_qos_overrides(self.topic, "subscription"):
            return self._node.create_subscription(
                self._message_type,
                self.topic,
                self._on_image,
                # A copy: overrides are written into it.
                QoSProfile(depth=default.depth, reliability=default.reliability),
                qos_overriding_options=QoSOverridingOptions.with_default_policies(),
                event_callbacks=SubscriptionEventCallbacks(message_lost=self._on_message_lost),
            )

    def _subscribe_info(self) -> Subscription:
        return self._node.create_subscription(
            CameraInfo, self._info_topic, self._on_info, qos_profile_sensor_data
        )

    def _on_info(self, message: CameraInfo) -> None:
        self._info = message

    def _on_image(self, message: Image | CompressedImage) -> None:
        arrival = perf_counter()
        statistics = self.stream.statistics
        statistics.add_received(arrival)
        try:
            # Before the frame may displace a good one from the mailbox.
            check(message)
        except ImageError as error:
            self.stream.refuse(error)
            return
        if self._rate_limit.admits(arrival):
            self._submit(self.stream, self.stream.frame(message, self._info, arrival))
        else:
            statistics.count("skipped")

    def _on_message_lost(self, event: QoSMessageLostInfo) -> None:
        self.stream.statistics.count("lost", times=event.total_count_change)
        self._node.get_logger().warning(
            "images get lost between their publisher and this node; large ones (Fast DDS: above "
            "0.5 MB) often need the parameter qos_overrides.<topic>.subscription.reliability: "
            "reliable",
            once=True,
        )

    def _on_reset_memory(
        self, request: Trigger.Request, response: Trigger.Response
    ) -> Trigger.Response:
        filled = self.stream.memory_filled
        self.stream.request_reset("on request")
        response.success = True
        response.message = f"the next frame starts anew; {filled} frames were in memory"
        return response
