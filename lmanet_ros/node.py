"""The ROS side of the node: parameters, topics, service and diagnostics."""

from __future__ import annotations

from time import perf_counter

import torch
from diagnostic_msgs.msg import DiagnosticArray
from rclpy.clock import Clock, ClockType
from rclpy.event_handler import QoSMessageLostInfo, SubscriptionEventCallbacks
from rclpy.node import Node
from rclpy.qos import QoSProfile, qos_profile_sensor_data
from rclpy.qos_overriding_options import QoSOverridingOptions
from sensor_msgs.msg import CompressedImage, Image
from std_srvs.srv import Trigger

from lmanet_core import ClassTable, VideoSegmenter, load
from lmanet_core.runtime import Choice, GraphFileError, open_segmenter
from lmanet_ros.frame_statistics import FrameStatistics
from lmanet_ros.image_conversion import ImageError, check
from lmanet_ros.outputs import Outputs
from lmanet_ros.parameters import (
    NodeParameters,
    ParameterError,
    declare_parameters,
    naming_qos_overrides,
)
from lmanet_ros.worker import Frame, FrameWorker

DIAGNOSTICS_PERIOD = 1.0


class SegmentationNode(Node):
    """Segments the images of a topic with a network that remembers the frames before.

    Raises:
        ParameterError: a parameter has a value that the node cannot start with.
    """

    def __init__(self) -> None:
        super().__init__("segmentation_node")
        parameters = declare_parameters(self)
        segmenter, classes, choice = _load_network(parameters)
        self._segmenter = segmenter
        self._statistics = FrameStatistics()
        self._worker = FrameWorker(
            segmenter,
            Outputs(self, classes, parameters.overlay_opacity),
            self._statistics,
            self.get_logger(),
            parameters.max_frame_gap,
        )
        topic = self._subscribe(parameters.compressed)
        self.create_service(Trigger, "~/reset_memory", self._on_reset_memory)
        self._diagnostics = self.create_publisher(DiagnosticArray, "/diagnostics", 10)
        # Once a second of real time, whatever simulated time does.
        self.create_timer(
            DIAGNOSTICS_PERIOD, self._report, clock=Clock(clock_type=ClockType.STEADY_TIME)
        )
        self._worker.start()
        self.get_logger().info(
            f"segmenting {topic} on {segmenter.device} in {segmenter.dtype} "
            f"with a memory of {segmenter.memory_size} frames; "
            f"backend {choice.backend}: {choice.reason}"
        )

    def stop(self, timeout: float) -> bool:
        """Finish the current frame; False if that is not done after `timeout` seconds."""
        return self._worker.stop(timeout)

    def _subscribe(self, compressed: bool) -> str:
        """Subscribe to the images and return the topic's full name."""
        # As image_transport does it: remapping `image` moves the compressed topic along.
        topic = self.resolve_topic_name("image") + ("/compressed" if compressed else "")
        # Best effort, as cameras publish; it fits reliable publishers, too. Overridable, because
        # a recording is better played back reliably. The depth only bridges the time that this
        # process needs to look: frames that wait for the network wait in the worker's mailbox.
        default = qos_profile_sensor_data
        with naming_qos_overrides(topic, "subscription"):
            subscription = self.create_subscription(
                CompressedImage if compressed else Image,
                topic,
                self._on_image,
                # A copy: overrides are written into it.
                QoSProfile(depth=default.depth, reliability=default.reliability),
                qos_overriding_options=QoSOverridingOptions.with_default_policies(),
                event_callbacks=SubscriptionEventCallbacks(message_lost=self._on_message_lost),
            )
        return str(subscription.topic_name)

    def _on_image(self, message: Image | CompressedImage) -> None:
        arrival = perf_counter()
        self._statistics.count("received")
        try:
            # Before the frame may displace a good one from the mailbox.
            check(message)
        except ImageError as error:
            self._worker.refuse(error)
        else:
            self._worker.submit(Frame(message, arrival))

    def _on_message_lost(self, event: QoSMessageLostInfo) -> None:
        self._statistics.count("lost", times=event.total_count_change)
        self.get_logger().warning(
            "images get lost between their publisher and this node; large ones (Fast DDS: above "
            "0.5 MB) often need the parameter qos_overrides.<topic>.subscription.reliability: "
            "reliable",
            once=True,
        )

    def _on_reset_memory(
        self, request: Trigger.Request, response: Trigger.Response
    ) -> Trigger.Response:
        filled = self._worker.memory_filled
        self._worker.request_reset()
        response.success = True
        response.message = f"the next frame starts anew; {filled} frames were in memory"
        return response

    def _report(self) -> None:
        status = self._statistics.report(
            self.get_fully_qualified_name(),
            self._worker.memory_filled,
            self._segmenter.memory_size,
        )
        message = DiagnosticArray(status=[status])
        message.header.stamp = self.get_clock().now().to_msg()
        self._diagnostics.publish(message)


def _load_network(parameters: NodeParameters) -> tuple[VideoSegmenter, ClassTable, Choice]:
    if parameters.threads:
        torch.set_num_threads(parameters.threads)
    try:
        model = load(parameters.checkpoint or None)
    except ValueError as error:
        raise ParameterError(f"parameter 'checkpoint': {error}") from None
    width, height = parameters.work_size
    try:
        segmenter, choice = open_segmenter(
            model,
            engine=parameters.engine,
            backend=parameters.backend,
            memory_size=None if parameters.memory_size < 0 else parameters.memory_size,
            precision=parameters.precision,
            device=parameters.device,
            work_size=(width, height) if width else None,
        )
    except GraphFileError as error:
        raise ParameterError(f"parameter 'engine': {error}") from None
    except ValueError as error:
        # The message begins with the name of the argument, which is that of the parameter.
        raise ParameterError(f"parameter {error}") from None
    return segmenter, model.config.classes, choice
