"""What the video publisher sends, when, and how it ends."""

import sys
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from itertools import islice
from pathlib import Path

import cv2
import numpy as np
import pytest
import rclpy
from geometry_msgs.msg import PoseStamped
from rclpy.node import Node
from rclpy.qos import QoSProfile
from ros_harness import NodeProcess, pixels, seconds, street, wait_until
from sensor_msgs.msg import CameraInfo, Image

from lmanet_core.data.synthetic import StreetConfig, StreetVideo
from lmanet_ros.messages.depth_image import to_depth

COMMAND = (sys.executable, "-m", "lmanet_ros.video_publisher", "--ros-args")
RATE = 20.0


@contextmanager
def started(*arguments: str, **parameters: object) -> Iterator[NodeProcess]:
    texts = (f"{name}:={value}" for name, value in parameters.items())
    options = (part for text in texts for part in ("-p", text))
    process = NodeProcess([*COMMAND, *arguments, *options])
    try:
        yield process
    finally:
        process.end()


class Listener:
    """Collects what is published."""

    def __init__(self, node: Node) -> None:
        self._node = node
        self.images: list[Image] = []
        self.ground_truth: list[Image] = []
        qos = QoSProfile(depth=100)
        node.create_subscription(Image, "ground_truth", self.ground_truth.append, qos)
        self.others: dict[str, list] = {"depth": [], "camera_info": [], "pose": []}
        for name, kind in (("depth", Image), ("camera_info", CameraInfo), ("pose", PoseStamped)):
            node.create_subscription(kind, name, self.others[name].append, qos)
        # Last: publishers find subscriptions in the order in which they are made, and begin when
        # they have found this one.
        node.create_subscription(Image, "image", self.images.append, qos)

    def play(self, **parameters: object) -> None:
        """Run a publisher to its end."""
        expected = len(self.images) + parameters["frames"]
        with started(rate=RATE, wait_for_subscribers=1, **parameters) as process:
            self.wait_until(lambda: not process.running, "the publisher to end")
            assert process.wait() == 0, process.output
        self.wait_until(lambda: len(self.images) >= expected, "all that was delivered")

    def wait_until(self, condition, what: str) -> None:
        wait_until(condition, what, lambda: rclpy.spin_once(self._node, timeout_sec=0.05))


@pytest.fixture
def listener() -> Iterator[Listener]:
    node = rclpy.create_node("listener")
    yield Listener(node)
    node.destroy_node()


def test_the_street_is_published_with_exact_labels_under_the_same_header(listener):
    listener.play(frames=4, width=64, height=32, seed=3, noise=5.0, frame_id="front")
    listener.wait_until(lambda: len(listener.ground_truth) == 4, "the ground truth")
    config = StreetConfig(size=(64, 32), frame_rate=RATE, noise=5.0)
    expected = islice(StreetVideo(3, config), 4)
    for image, truth, (picture, labels) in zip(
        listener.images, listener.ground_truth, expected, strict=True
    ):
        assert (image.encoding, truth.encoding) == ("rgb8", "mono8")
        assert image.header == truth.header
        assert image.header.frame_id == "front"
        np.testing.assert_array_equal(pixels(image), picture)
        np.testing.assert_array_equal(pixels(truth), labels)


def test_the_street_is_measured_as_a_depth_camera_does_it(listener):
    sensor = {"depth_noise": 0.1, "depth_holes": 0.1}
    size = {"width": 64, "height": 32}
    listener.play(frames=3, seed=3, depth="true", depth_encoding="32FC1", **size, **sensor)
    listener.wait_until(lambda: all(len(o) == 3 for o in listener.others.values()), "the rest")
    config = StreetConfig(size=(64, 32), frame_rate=RATE, **sensor)
    video = StreetVideo(3, config, depth=True)
    others = (listener.others[name] for name in ("depth", "camera_info", "pose"))
    for image, depth, info, pose in zip(listener.images, *others, strict=True):
        frame = video.next_frame()
        assert depth.header == info.header == image.header
        np.testing.assert_array_equal(to_depth(depth), frame.depth)
        assert (info.k[0], info.k[2]) == (frame.camera.focal[0], frame.camera.center[0])
        assert pose.pose.position.x == frame.pose.ahead


def test_frames_come_at_the_rate_asked_for(listener):
    listener.play(frames=21, width=64, height=32)
    stamps = [seconds(image.header.stamp) for image in listener.images]
    # On a busy machine some are late, and what is too late waits for the next moment that is due.
    assert stamps[-1] - stamps[0] > 18.5 / RATE
    assert np.median(np.diff(stamps)) == pytest.approx(1 / RATE, rel=0.3)


def test_a_folder_of_images_is_published_at_the_size_asked_for(listener, tmp_path):
    for number in range(3):
        cv2.imwrite(str(tmp_path / f"{number}.png"), street(seed=number)[:, :, ::-1])
    listener.play(video=tmp_path, frames=3)
    listener.play(video=tmp_path, frames=2, width=32, height=16)
    for number, image in enumerate(listener.images[:3]):
        np.testing.assert_array_equal(pixels(image), street(seed=number))
    assert [pixels(image).shape for image in listener.images[3:]] == [(16, 32, 3)] * 2
    assert not listener.ground_truth


def test_a_bad_value_stops_the_start_and_is_named():
    cases = {"rate": "0.0", "frames": "-1", "width": "64", "video": Path("/no/video.mp4")}
    with ExitStack() as stack:
        # All at once: most of the time goes into starting Python.
        processes = [stack.enter_context(started(**{n: value})) for n, value in cases.items()]
        for (name, value), process in zip(cases.items(), processes, strict=True):
            assert process.wait() == 1, process.output
            assert name in process.output
            assert str(value) in process.output
            assert "Traceback" not in process.output


def test_ctrl_c_ends_it(listener):
    with started(rate=RATE, width=64, height=32) as process:
        listener.wait_until(lambda: listener.images, "an image")
        process.signal()
        assert process.wait() == 0, process.output
        assert "Traceback" not in process.output
