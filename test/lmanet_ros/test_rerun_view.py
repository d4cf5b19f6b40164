"""Recordings in Rerun, where it is installed."""

import pytest
from rclpy.serialization import serialize_message
from ros_harness import image_message, street
from std_msgs.msg import String

from lmanet_core.classes import CAMVID
from lmanet_ros.bags.writing import BagWriter
from lmanet_ros.messages.class_json import to_json

rerun = pytest.importorskip("rerun")


def test_images_labels_and_classes_of_a_recording_are_shown(tmp_path):
    from lmanet_ros.rerun_view import main

    picture = street()
    cut = image_message(picture, stamp=2)
    cut.data = cut.data[:20]
    messages = [
        ("/drive/classes", String(data=to_json(CAMVID))),
        ("/drive/image", image_message(picture)),
        ("/drive/labels", image_message(picture[:, :, :1] % 11, "mono8")),
        ("/drive/image", cut),
    ]
    bag, file = tmp_path / "bag", tmp_path / "drive.rrd"
    with BagWriter(bag) as writer:
        types = {topic: type(message) for topic, message in messages}
        write = {topic: writer.add_topic(topic, kind) for topic, kind in types.items()}
        for received, (topic, message) in enumerate(messages):
            write[topic](received, serialize_message(message))
    assert main(["rerun_view", str(bag), "--save", str(file)]) == 0
    rerun.disconnect()
    content = file.read_bytes()
    for text in (b"/drive/labels", b"SegmentationImage", b"bicyclist", b"TextLog"):
        assert text in content, text
    assert main(["rerun_view", str(tmp_path / "none"), "--save", str(file)]) == 1
