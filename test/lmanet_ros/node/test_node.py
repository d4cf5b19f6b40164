"""The running node, seen from other nodes: topics, memory, refusals, service, diagnostics."""

from array import array
from collections.abc import Iterator

import cv2
import numpy as np
import pytest
from picture_encoding import encoded_message
from rclpy.qos import ReliabilityPolicy, qos_profile_sensor_data
from ros_harness import (
    NODE_NAME,
    OUTPUTS,
    Client,
    NodeProcess,
    connected,
    image_message,
    pixels,
    resident_megabytes,
    running_node,
    set_header,
    street,
)
from sensor_msgs.msg import CompressedImage, Image

from lmanet_core import VideoSegmenter, load, open_segmenter
from lmanet_core.output.pictures import blend
from lmanet_ros.messages.image_conversion import ENCODINGS, to_rgb


@pytest.fixture(scope="module")
def node(checkpoint) -> Iterator[NodeProcess]:
    """The node with its default parameters, but for the network."""
    with running_node(checkpoint) as process:
        yield process


@pytest.fixture(scope="module")
def client(node) -> Iterator[Client]:
    with connected(node, *OUTPUTS) as client:
        yield client


@pytest.fixture
def segmenter(checkpoint, client) -> VideoSegmenter:
    """What the node is expected to compute, from an empty memory on."""
    client.reset_memory()
    return open_segmenter(load(checkpoint))


def assert_same_labels(answer: Image, expected: np.ndarray) -> None:
    labels = pixels(answer)
    assert labels.shape == expected.shape
    # Another process may round differently where two classes are equally likely.
    assert (labels == expected).mean() > 0.99


@pytest.mark.parametrize("encoding", ENCODINGS)
def test_every_encoding_is_segmented(client, segmenter, encoding):
    is_wide = encoding.endswith("16")
    message = encoded_message(street(), encoding, padding=8, big_endian=is_wide)
    answer = client.ask(message)
    assert_same_labels(answer["labels"], segmenter.step(to_rgb(message)).labels)


def test_the_outputs_belong_to_the_input(client, segmenter, checkpoint):
    picture = street(80, 40)
    message = image_message(picture, stamp=12.345678901, frame_id="front/left camera")
    answer = client.ask(message)
    assert {name: output.header for name, output in answer.items()} == dict.fromkeys(
        OUTPUTS, message.header
    )
    assert {name: output.encoding for name, output in answer.items()} == {
        "labels": "mono8",
        "confidence": "mono8",
        "color": "rgb8",
        "overlay": "rgb8",
    }
    assert {(output.width, output.height) for output in answer.values()} == {(80, 40)}
    expected = segmenter.step(picture)
    assert_same_labels(answer["labels"], expected.labels)
    difference = pixels(answer["confidence"]).astype(int) - expected.confidence
    assert np.abs(difference).mean() < 1
    color = load(checkpoint).config.classes.colorize(pixels(answer["labels"]))
    assert (pixels(answer["color"]) == color).all()
    assert (pixels(answer["overlay"]) == blend(picture, color, 0.5)).all()


def test_the_node_remembers_the_frames_before(client, segmenter):
    for index in range(5):
        picture = street(seed=index)
        answer = client.ask(image_message(picture, stamp=1 + index / 15))
        assert_same_labels(answer["labels"], segmenter.step(picture).labels)
    assert client.counts()["memory_filled"] == 2


def test_reset_memory_starts_anew(client, segmenter):
    for index in range(3):
        client.ask(image_message(street(seed=index), stamp=1 + index / 15))
    resets = client.counts()["resets"]
    assert "2 frames" in client.reset_memory()
    assert client.counts()["memory_filled"] == 0
    answer = client.ask(image_message(street(seed=9), stamp=1.2))
    assert_same_labels(answer["labels"], segmenter.step(street(seed=9)).labels)
    counts = client.counts()
    assert (counts["resets"], counts["memory_filled"]) == (resets + 1, 1)


@pytest.mark.parametrize(
    ("picture", "header", "reason"),
    [
        (street(), {"stamp": 99.0}, "time went back by 1.100 s"),
        (
            street(),
            {"stamp": 101.2},
            "1.100 s between two frames exceed 1.000 s, see max",
        ),
        (street(72, 32), {"stamp": 100.2}, "image size changed from 64x32 to 72x32"),
        (street(), {"stamp": 100.2, "frame_id": "rear"}, "changed from 'camera' to 'rear'"),
    ],
    ids=["time jumps back", "gap", "size", "frame_id"],
)
def test_a_break_in_the_video_starts_anew(node, client, picture, header, reason):
    client.reset_memory()
    client.ask(image_message(street(), stamp=100.0))
    client.ask(image_message(street(), stamp=100.1))
    before, seen = client.counts(), len(node.lines)
    client.ask(image_message(picture, **header))
    client.ask(image_message(picture, **header))
    after = client.counts()
    assert after["resets"] == before["resets"] + 1
    assert after["memory_filled"] == 2
    logged = [line for line in node.lines[seen:] if "emptied" in line]
    assert len(logged) == 1
    assert "memory of 2 frames emptied" in logged[0]
    assert reason in logged[0]


def test_a_gap_that_is_allowed_and_equal_stamps_are_no_break(client):
    client.reset_memory()
    client.ask(image_message(street(), stamp=200.0))
    resets = client.counts()["resets"]
    client.ask(image_message(street(), stamp=200.0))
    client.ask(image_message(street(), stamp=200.9))
    assert client.counts()["resets"] == resets


def broken(kind: str) -> Image:
    message = image_message(street(), stamp=1000.0)
    if kind == "wrong data length":
        message.data = message.data[:1000]
    elif kind == "zero size":
        message.width = message.height = message.step = 0
        message.data = array("B")
    elif kind == "unknown encoding":
        message.encoding = "rgb9"
    elif kind == "wrong step":
        message.step = 100
    return message


def test_bad_frames_are_refused_and_change_nothing(node, client, segmenter):
    before, seen = client.counts(), len(node.lines)
    kinds = ("wrong data length", "zero size", "unknown encoding", "wrong step")
    for index, kind in enumerate(kinds):
        client.send(broken(kind))
        good = street(seed=index)
        answer = client.ask(image_message(good, stamp=300 + index / 15))
        assert_same_labels(answer["labels"], segmenter.step(good).labels)
    after = client.counts()
    for kind in kinds:
        name = "refused_" + kind.replace(" ", "_")
        assert after[name] == before.get(name, 0) + 1
    assert after["refused"] == before["refused"] + len(kinds)
    assert after["processed"] == before["processed"] + len(kinds)
    logged = [line for line in node.lines[seen:] if "frame refused" in line]
    assert len(logged) == 1, "expected a throttled error"
    assert "[ERROR]" in logged[0]
    assert "wrong data length: expected 6144 bytes" in logged[0]


def test_cameras_are_listened_to_as_they_publish(client):
    def reliability() -> list[ReliabilityPolicy]:
        infos = client.node.get_subscriptions_info_by_topic("/image")
        return [info.qos_profile.reliability for info in infos]

    for created, expected in (
        (None, ReliabilityPolicy.RELIABLE),
        (qos_profile_sensor_data, ReliabilityPolicy.BEST_EFFORT),
        (None, ReliabilityPolicy.RELIABLE),
    ):
        publisher = created and client.node.create_publisher(Image, "image", created)
        client.wait_until(lambda e=expected: reliability() == [e], f"a subscription {expected}")
        client.wait_until(client.subscription_count, "the node to be found again")
        client.ask(image_message(street()))
        if publisher:
            client.node.destroy_publisher(publisher)


def test_the_process_does_not_grow(node, client):
    client.reset_memory()
    pictures = [image_message(street(seed=index)) for index in range(4)]
    for index in range(100):
        client.ask(pictures[index % 4])
    before = resident_megabytes(node.pid)
    for index in range(400):
        client.ask(pictures[index % 4])
    assert resident_megabytes(node.pid) < before + 4


@pytest.fixture(scope="module")
def front_camera(checkpoint) -> Iterator[Client]:
    """A node that is set up unlike the defaults, and a client that reads the labels only."""
    topic = "/camera/image_raw/compressed"
    arguments = ["-r", "image:=/camera/image_raw", "-r", "__ns:=/front", "-p", "compressed:=true"]
    arguments += ["-p", f"qos_overrides.{topic}.subscription.reliability:=reliable"]
    arguments += ["-p", "qos_overrides./front/segmentation_node/labels.publisher.depth:=1"]
    options = {"node_name": f"/front{NODE_NAME}", "topic": "/camera/image_raw"}
    with running_node(checkpoint, *arguments) as process, connected(process, **options) as client:
        yield client


def compressed_message(data: bytes, stamp: float) -> CompressedImage:
    message = CompressedImage(format="png", data=array("B", data))
    set_header(message, stamp)
    return message


def test_compressed_images_are_segmented(front_camera, checkpoint):
    segmenter = open_segmenter(load(checkpoint))
    for seed in range(2):
        png = cv2.imencode(".png", street(seed=seed)[:, :, ::-1])[1].tobytes()
        message = compressed_message(png, stamp=1 + seed / 15)
        answer = front_camera.ask(message)["labels"]
        assert answer.header == message.header
        assert_same_labels(answer, segmenter.step(street(seed=seed)).labels)


def test_undecodable_images_are_refused_and_change_nothing(front_camera):
    png = cv2.imencode(".png", street())[1].tobytes()
    front_camera.ask(compressed_message(png, stamp=1.1))
    before = front_camera.counts()
    front_camera.send(compressed_message(b"no picture", stamp=500.0))
    front_camera.wait_for_count("refused_undecodable", 1)
    front_camera.ask(compressed_message(png, stamp=1.2))
    assert front_camera.counts()["resets"] == before["resets"]


def test_outputs_without_subscribers_are_not_computed(front_camera):
    png = cv2.imencode(".png", street())[1].tobytes()
    front_camera.ask(compressed_message(png, stamp=1.3))
    counts = front_camera.counts()
    published = {name: counts.get(f"{name}_published", 0) for name in OUTPUTS}
    assert published.pop("labels") == counts["processed"] > 0
    assert set(published.values()) == {0}


def test_qos_is_overridable(front_camera):
    (subscription,) = front_camera.node.get_subscriptions_info_by_topic(
        "/camera/image_raw/compressed"
    )
    assert subscription.qos_profile.reliability == ReliabilityPolicy.RELIABLE
