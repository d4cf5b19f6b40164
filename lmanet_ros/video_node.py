"""The node of the program `video_publisher`: parameters, frames, topics."""

from __future__ import annotations

import math
from collections.abc import Iterator
from dataclasses import asdict, dataclass, field, fields
from itertools import islice
from time import monotonic
from typing import Any

import numpy as np
import rclpy
from geometry_msgs.msg import PoseStamped
from rcl_interfaces.msg import ParameterDescriptor
from rclpy.clock import Clock, ClockType
from rclpy.duration import Duration
from rclpy.exceptions import ParameterException
from rclpy.executors import SingleThreadedExecutor
from rclpy.node import Node
from rclpy.publisher import Publisher
from rclpy.qos import DurabilityPolicy, QoSProfile
from rclpy.signals import SignalHandlerOptions
from sensor_msgs.msg import CameraInfo, Image
from std_msgs.msg import Header, String

from lmanet_core.data.synthetic import StreetFrame, StreetVideo
from lmanet_core.data.synthetic.scene import Pose
from lmanet_core.data.video_files import read_video
from lmanet_core.network.classes import CITYSCAPES
from lmanet_core.network.resizing import resize_image
from lmanet_ros.messages.camera_info import camera_info
from lmanet_ros.messages.class_json import to_json
from lmanet_ros.messages.depth_image import DEPTH_ENCODINGS, from_depth
from lmanet_ros.messages.image_conversion import from_array
from lmanet_ros.node.parameter_fields import find_unknown
from lmanet_ros.processes import ProcessError, init_ros
from lmanet_ros.shutdown import ShutdownRequest, end_process
from lmanet_ros.street import STREET_SIZE, street_config

QOS_DEPTH = 10
LATCHED = QoSProfile(depth=1, durability=DurabilityPolicy.TRANSIENT_LOCAL)
STREET_FRAME = "street"
"""Frame of the camera's poses."""
USER_ERRORS = (ParameterException, ProcessError, ValueError, OSError)
DELIVERY_TIMEOUT = 5.0
"""Seconds that reliable subscribers may take for the last frames."""
A_MOMENT = Duration(seconds=0.1)


def _parameter(default: Any, description: str) -> Any:
    return field(default=default, metadata={"description": description})


@dataclass(frozen=True)
class PublisherParameters:
    """What the user sets; a field's default gives the parameter its type."""

    video: str = _parameter("", "Video file or folder of images; empty: the synthetic street.")
    rate: float = _parameter(10.0, "Frames per second.")
    frames: int = _parameter(0, "Frames to publish; 0: all of the video, the street without end.")
    width: int = _parameter(0, "Width of the frames; 0: the video's own, 512 for the street.")
    height: int = _parameter(0, "Height of the frames; 0: the video's own, 256 for the street.")
    frame_id: str = _parameter("camera", "frame_id of the headers.")
    wait_for_subscribers: int = _parameter(0, "Subscribers to `image` to wait for at the start.")
    seed: int = _parameter(0, "Seed of the street.")
    noise: float = _parameter(0.0, "Street: standard deviation of the sensor noise, 0..255.")
    flicker: float = _parameter(0.0, "Street: strength of the exposure flicker.")
    motion_blur: float = _parameter(0.0, "Street: strength of the motion blur.")
    occlusion_rate: float = _parameter(0.0, "Street: how often something covers the view.")
    depth: bool = _parameter(False, "Street: whether to publish `depth`, as a depth camera does.")
    depth_encoding: str = _parameter(
        "16UC1", "Street: 16UC1 (millimetres, up to 65 m) or 32FC1 (metres)."
    )
    depth_noise: float = _parameter(
        0.0,
        "Street: standard deviation of the depth at 10 m, in metres; it grows with the square of "
        "the distance.",
    )
    depth_holes: float = _parameter(
        0.0, "Street: share of the depth image without measurement, 0..1; then edges have none."
    )

    def __post_init__(self) -> None:
        if self.rate <= 0:
            raise ValueError(f"parameter 'rate': expected more than 0 Hz, got {self.rate}")
        for name in ("frames", "width", "height", "wait_for_subscribers", "seed"):
            if (value := getattr(self, name)) < 0:
                raise ValueError(f"parameter '{name}': expected 0 or more, got {value}")
        if self.depth_encoding not in DEPTH_ENCODINGS:
            raise ValueError(
                f"parameter 'depth_encoding': expected one of {', '.join(DEPTH_ENCODINGS)}, "
                f"got '{self.depth_encoding}'"
            )
        if (self.width == 0) != (self.height == 0):
            raise ValueError(
                "parameters 'width' and 'height': expected both or neither to be 0, "
                f"got {self.width} and {self.height}"
            )


@dataclass(frozen=True)
class PublishedFrame:
    """A frame; what there is besides the image only the street has."""

    image: np.ndarray
    street: StreetFrame | None = None


class VideoPublisher(Node):
    """Publishes `image` (rgb8) and of the street, with the same header, what is exact about it.

    That is `ground_truth` (mono8), whose classes are on `classes` (latched), `camera_info`, `pose`
    and, if that is asked for, `depth`.

    Raises:
        ParameterException, ValueError: a parameter has a value that the node cannot start with.
    """

    def __init__(self) -> None:
        super().__init__("video_publisher")
        parameters = _declare_parameters(self)
        # Whoever mistypes `video` would be shown the street.
        if unknown := find_unknown(self):
            raise ValueError("; ".join(unknown))
        self.is_done = False
        """Whether the last frame has been published."""
        self._options = parameters
        self._subscribers_needed = parameters.wait_for_subscribers
        self._frames = _open_frames(parameters)
        self._images = self.create_publisher(Image, "image", QOS_DEPTH)
        self._of_street: dict[str, Publisher] = {}
        if not parameters.video:
            types = {"ground_truth": Image, "camera_info": CameraInfo, "pose": PoseStamped}
            types |= {"depth": Image} if parameters.depth else {}
            self._of_street = {
                name: self.create_publisher(kind, name, QOS_DEPTH) for name, kind in types.items()
            }
            self._classes = self.create_publisher(String, "classes", LATCHED)
            self._classes.publish(String(data=to_json(CITYSCAPES)))
        # Made ahead, so that a frame leaves when it is due, not when it has been rendered.
        self._next = next(self._frames, None)
        # The timer keeps to its schedule: it does not drift, and skips what it is too late for.
        self.create_timer(
            1 / parameters.rate, self._on_timer, clock=Clock(clock_type=ClockType.STEADY_TIME)
        )

    def is_delivered(self) -> bool:
        """Whether all reliable subscribers have what was published; waits a moment for it."""
        publishers = (self._images, *self._of_street.values())
        return all(publisher.wait_for_all_acked(A_MOMENT) for publisher in publishers)

    def _on_timer(self) -> None:
        if self._images.get_subscription_count() < self._subscribers_needed:
            return
        self._subscribers_needed = 0
        if self._next:
            self._publish(self._next)
            self._next = next(self._frames, None)
        else:
            self.is_done = True

    def _publish(self, frame: PublishedFrame) -> None:
        header = Header(frame_id=self._options.frame_id)
        header.stamp = self.get_clock().now().to_msg()
        if frame.street:
            # What belongs to the image is there when the image comes.
            for name, message in self._messages(frame.street, header):
                self._of_street[name].publish(message)
        self._images.publish(from_array(frame.image, header))

    def _messages(self, frame: StreetFrame, header: Header) -> Iterator[tuple[str, Any]]:
        yield "camera_info", camera_info(frame.camera, header)
        yield "pose", pose_message(frame.pose, header)
        if frame.depth is not None:
            yield "depth", from_depth(frame.depth, header, self._options.depth_encoding)
        yield "ground_truth", from_array(frame.labels, header)


def pose_message(pose: Pose, header: Header) -> PoseStamped:
    """Where the street's camera is: x ahead, y to the left, z up of where its drive has begun."""
    message = PoseStamped(header=Header(stamp=header.stamp, frame_id=STREET_FRAME))
    message.pose.position.x, message.pose.position.y = pose.ahead, -pose.right
    # Turning to the left is positive.
    message.pose.orientation.z = -math.sin(pose.heading / 2)
    message.pose.orientation.w = math.cos(pose.heading / 2)
    return message


def publish(args: list[str] | None, end: ShutdownRequest) -> None:
    """Publish a video, all of it or until the end is requested; the process ends here.

    Args:
        args: command line without the program's name; None: that of the process.
        end: of the process.

    Raises:
        ParameterException, ProcessError, ValueError, OSError: the user has to change something.
    """
    init_ros(args=args, signal_handler_options=SignalHandlerOptions.NO)
    node = VideoPublisher()
    end.on_impatience(node.destroy_node)
    executor = SingleThreadedExecutor()
    executor.add_node(node)
    end.spin(executor, until=lambda: node.is_done)
    deadline = monotonic() + DELIVERY_TIMEOUT
    end.wait(lambda: node.is_delivered() or monotonic() > deadline)
    node.destroy_node()
    rclpy.try_shutdown()
    end_process(0)


def _declare_parameters(node: Node) -> PublisherParameters:
    return PublisherParameters(
        **{
            parameter.name: node.declare_parameter(
                parameter.name,
                parameter.default,
                ParameterDescriptor(description=parameter.metadata["description"], read_only=True),
            ).value
            for parameter in fields(PublisherParameters)
        }
    )


def _open_frames(parameters: PublisherParameters) -> Iterator[PublishedFrame]:
    size = (parameters.width, parameters.height)
    frames: Iterator[PublishedFrame]
    if parameters.video:
        frames = (PublishedFrame(_resize(image, size)) for image in read_video(parameters.video))
    else:
        size = size if all(size) else STREET_SIZE
        config = street_config(size, parameters.rate, asdict(parameters))
        video = StreetVideo(parameters.seed, config, depth=parameters.depth)
        frames = (PublishedFrame(f.image, f) for f in iter(video.next_frame, None))
    return islice(frames, parameters.frames or None)


def _resize(image: np.ndarray, size: tuple[int, int]) -> np.ndarray:
    return resize_image(image, size) if all(size) else image
