"""Recordings and live topics in Rerun, where it is installed."""

import sys
import time
from pathlib import Path

import pytest
import rclpy
from rclpy.qos import DurabilityPolicy, QoSProfile
from rclpy.serialization import serialize_message
from ros_harness import NodeProcess, image_message, street, wait_until
from sensor_msgs.msg import Image
from std_msgs.msg import String

from lmanet_core.network.classes import CAMVID
from lmanet_ros.bags.writing import BagWriter
from lmanet_ros.messages.class_json import to_json

rerun = pytest.importorskip("rerun")


def drive() -> list[tuple[str, Image | String]]:
    """A class table, an image, its labels and an image that is damaged."""
    picture = street()
    cut = image_message(picture, stamp=2)
    cut.data = cut.data[:20]
    return [
        ("/drive/classes", String(data=to_json(CAMVID))),
        ("/drive/image", image_message(picture)),
        ("/drive/labels", image_message(picture[:, :, :1] % 11, "mono8")),
        ("/drive/image", cut),
    ]


def shows_the_drive(file: Path) -> bool:
    content = file.read_bytes() if file.exists() else b""
    expected = (b"/drive/labels", b"SegmentationImage", b"bicyclist", b"TextLog")
    return all(text in content for text in expected)


def test_a_recording_is_shown(tmp_path):
    from lmanet_ros.rerun_view import main

    bag, file = tmp_path / "bag", tmp_path / "drive.rrd"
    with BagWriter(bag) as writer:
        types = {topic: type(message) for topic, message in drive()}
        write = {topic: writer.add_topic(topic, kind) for topic, kind in types.items()}
        for received, (topic, message) in enumerate(drive()):
            write[topic](received, serialize_message(message))
    assert main(["rerun_view", str(bag), "--save", str(file)]) == 0
    rerun.disconnect()
    assert shows_the_drive(file)
    assert main(["rerun_view", str(tmp_path / "none"), "--save", str(file)]) == 1


def test_live_topics_are_shown_from_when_they_are_there(tmp_path):
    file = tmp_path / "drive.rrd"
    topics = ("/drive/image", "/drive/labels")
    command = [sys.executable, "-m", "lmanet_ros.rerun_view", "--topics", *topics, "--save", file]
    process, node = NodeProcess(command), rclpy.create_node("drive")
    latched = QoSProfile(depth=1, durability=DurabilityPolicy.TRANSIENT_LOCAL)
    publishers = {
        topic: node.create_publisher(type(message), topic, latched if "classes" in topic else 10)
        for topic, message in drive()
    }

    def publish() -> None:
        assert process.running, process.output
        for topic, message in drive():
            publishers[topic].publish(message)
        time.sleep(0.2)

    try:
        wait_until(lambda: shows_the_drive(file), "all of it to be shown", publish)
        process.signal()
        assert process.wait() == 0, process.output
    finally:
        process.end()
        node.destroy_node()
