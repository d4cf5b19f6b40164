"""Data sets recorded as rosbag2."""

import json
from dataclasses import replace
from pathlib import Path

import cv2
import numpy as np
import pytest
from rclpy.serialization import deserialize_message
from ros_harness import pixels, street
from sensor_msgs.msg import CameraInfo, CompressedImage, Image
from std_msgs.msg import String

from lmanet_core import CITYSCAPES
from lmanet_core.data.synthetic import StreetConfig, StreetVideo
from lmanet_core.network.classes import CAMVID
from lmanet_ros.bags.reading import read_bag
from lmanet_ros.make_bag import main
from lmanet_ros.messages.camera_info import camera_model
from lmanet_ros.messages.depth_image import to_depth
from lmanet_ros.messages.image_conversion import to_rgb

TYPES = {
    f"{package}/msg/{kind.__name__}": kind
    for package, kind in (
        ("sensor_msgs", Image),
        ("sensor_msgs", CompressedImage),
        ("sensor_msgs", CameraInfo),
        ("std_msgs", String),
    )
}


def record(bag: Path, *arguments: str) -> dict[str, list]:
    """Record a data set; the messages by topic."""
    assert main(["--output", str(bag), *arguments]) == 0
    messages: dict[str, list] = {}
    for message in read_bag(bag, report=pytest.fail):
        kind = TYPES[message.message_type]
        messages.setdefault(message.topic, []).append(deserialize_message(message.data, kind))
    return messages


def names(messages: dict[str, list]) -> list[str]:
    return [entry["name"] for entry in json.loads(messages["/camera/classes"][0].data)["classes"]]


def write_png(path: Path, picture: np.ndarray) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    assert cv2.imwrite(str(path), picture)


def test_the_street_is_recorded_with_exact_labels_and_its_camera(tmp_path):
    arguments = ["--frames", "3", "--size", "64x32", "--seed", "3", "--noise", "0"]
    sensor = ["--flicker", "0", "--occlusion-rate", "0"]
    messages = record(tmp_path / "bag", *arguments, *sensor)
    video = StreetVideo(3, StreetConfig(size=(64, 32)), depth=True)
    headers = [image.header for image in messages["/camera/image"]]
    topics = [f"/camera/{name}" for name in ("image", "labels", "depth", "camera_info")]
    for topic in topics:
        assert [message.header for message in messages[topic]] == headers
    for image, labels, depth, info in zip(*(messages[topic] for topic in topics), strict=True):
        frame = video.next_frame()
        np.testing.assert_array_equal(pixels(image), frame.image)
        np.testing.assert_array_equal(pixels(labels), frame.labels)
        assert depth.encoding == "16UC1"
        near = frame.depth < 65
        np.testing.assert_allclose(to_depth(depth)[near] / 1000, frame.depth[near], atol=6e-4)
        assert camera_model(info) == replace(frame.camera, distortion=())
    info = messages["/camera/camera_info"][0]
    assert (info.width, info.height, info.k[0], info.k[2]) == (64, 32, 0.8 * 64, 32)
    assert names(messages) == list(CITYSCAPES.names)


def test_a_folder_in_the_layout_of_camvid_is_recorded(tmp_path):
    for number in (7959, 7961):
        write_png(tmp_path / f"camvid/val/0016E5_{number:05}.png", street(48, 32, seed=number))
        labels = np.full((32, 48), 3, np.uint8)
        labels[:8] = 11
        write_png(tmp_path / f"camvid/valannot/0016E5_{number:05}.png", labels)
    arguments = ["--dataset", "camvid", "--root", str(tmp_path / "camvid"), "--rate", "10"]
    messages = record(tmp_path / "bag", *arguments, "--storage", "sqlite3", "--images", "png")
    first, second = messages["/camera/image/compressed"]
    np.testing.assert_array_equal(to_rgb(first), street(48, 32, seed=7959)[:, :, ::-1])
    assert second.header.stamp.nanosec - first.header.stamp.nanosec == 100_000_000
    labels = pixels(messages["/camera/labels"][0])
    assert np.unique(labels[:8]) == 255
    assert np.unique(labels[8:]) == CAMVID.names.index("road")
    # Nobody knows this camera: that is what zeros mean.
    assert not messages["/camera/camera_info"][0].k.any()
    assert names(messages) == list(CAMVID.names)


def test_a_folder_in_the_layout_of_cityscapes_is_recorded(tmp_path):
    name = "val/ulm/ulm_000000_000019"
    write_png(tmp_path / f"city/leftImg8bit/{name}_leftImg8bit.png", street(64, 32))
    # A car, by Cityscapes' labelId.
    write_png(tmp_path / f"city/gtFine/{name}_gtFine_labelIds.png", np.full((32, 64), 26, np.uint8))
    messages = record(tmp_path / "bag", "--dataset", "cityscapes", "--root", str(tmp_path / "city"))
    assert len(messages["/camera/image"]) == 1
    assert np.unique(pixels(messages["/camera/labels"][0])) == CITYSCAPES.names.index("car")


def test_what_is_missing_is_named(tmp_path, capsys):
    for arguments, expected in (
        (["--dataset", "camvid", "--root", str(tmp_path / "nowhere")], "nowhere"),
        (["--dataset", "camvid"], "needs a root"),
        (["--output", str(tmp_path)], "exists already"),
    ):
        assert main(["--output", str(tmp_path / "bag"), *arguments]) == 1
        assert expected in capsys.readouterr().err
    assert not (tmp_path / "bag").exists()
