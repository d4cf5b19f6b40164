"""What is found in a recording before it is played."""

from pathlib import Path

import cv2
import numpy as np
import pytest
from bag_files import noise_message, write_messages
from mcap.writer import Writer as McapWriter
from rclpy.serialization import serialize_message
from ros_harness import image_message
from sensor_msgs.msg import CompressedImage, Image

from lmanet_ros.bags.reading import Bag, BagError
from lmanet_ros.bags.survey import Survey, find_image_type, survey_bag
from lmanet_ros.bags.topic_choice import NO_LABELS, TopicOptions
from lmanet_ros.bags.writing import BagWriter


def survey(path: Path, *topics: str, **options: str) -> Survey:
    return survey_bag(Bag(path), *topics, **options)


def labels_message(stamp: float):
    return image_message(np.zeros((32, 64, 1), np.uint8), "mono8", stamp=stamp)


def test_frames_that_no_node_can_use_are_told_apart(tmp_path):
    strange = noise_message(1.2)
    strange.encoding = "telepathy"
    garbage = noise_message(1.3)
    garbage.data = garbage.data[:100]
    frames = [noise_message(1.0), noise_message(1.1), strange, garbage, noise_message(1.4)]
    found = survey(write_messages(tmp_path / "bag", [("/a/image", f) for f in frames]))
    assert [frame.problem and frame.problem.kind for frame in found.frames] == [
        None,
        None,
        "unknown encoding",
        "wrong data length",
        None,
    ]
    assert "'telepathy'" in str(found.frames[2].problem)
    assert found.frames[0].size == (64, 32)
    assert (found.image_topic, found.label_topic) == ("/a/image", None)


def test_gaps_jumps_and_changes_of_size_are_noted(tmp_path):
    stamps = [1.0, 1.1, 1.2, 1.9, 2.0, 1.5, 1.6]
    frames = [noise_message(stamp) for stamp in stamps]
    frames[-1] = noise_message(1.6, size=(32, 32))
    found = survey(write_messages(tmp_path / "bag", [("/image", f) for f in frames]))
    assert found.notes == (
        "between frames 2 and 3 lies a gap of 0.700 s",
        "between frames 4 and 5 time goes back by 0.500 s",
        "between frames 5 and 6 the size changes from 64x32 to 32x32",
    )


def test_labels_are_found_by_the_name_of_their_topic(tmp_path):
    messages = [
        (topic, message)
        for stamp in (1.0, 2.0)
        for topic, message in (
            ("/camera/image", noise_message(stamp)),
            ("/camera/ground_truth", labels_message(stamp + (stamp > 1) * 0.5)),
        )
    ]
    found = survey(write_messages(tmp_path / "bag", messages))
    assert (found.image_topic, found.label_topic) == ("/camera/image", "/camera/ground_truth")
    # The second label has the stamp of no image.
    assert found.label_stamps == {1_000_000_000}


def test_several_cameras_are_told_to_the_user_who_chooses(tmp_path):
    empty = CompressedImage(format="png")
    picture = CompressedImage(
        format="png", data=cv2.imencode(".png", np.zeros((8, 8)))[1].tobytes()
    )
    bag = write_messages(
        tmp_path / "bag",
        [("/right/image", empty), ("/left/image", noise_message(1.0)), ("/right/image", picture)],
    )
    with pytest.raises(BagError, match="/left/image, /right/image"):
        survey(bag)
    with pytest.raises(BagError, match="/left/image, /right/image, got '/up'"):
        survey(bag, image_topic="/up")
    assert find_image_type(bag, "/right/image", None, TopicOptions()) is CompressedImage
    assert survey(bag, "/right/image").frames[0].problem.kind == "no data"


def write_topics(path: Path, *topics: str) -> Path:
    """A recording with a frame on each topic, of labels where the name says so."""
    labels = ("labels", "label", "ground_truth")
    return write_messages(
        path,
        [
            (topic, labels_message(1.0) if topic.endswith(labels) else noise_message(1.0))
            for topic in topics
        ],
    )


OUTPUT_OF_A_NODE = (
    ("/segmentation_node/labels",),
    ("/replay/segmentation_node/front/labels", "/replay/segmentation_node/front/color"),
    ("/my_network/labels", "/my_network/confidence"),
)


@pytest.mark.parametrize("outputs", OUTPUT_OF_A_NODE)
def test_what_a_node_said_is_no_truth_and_no_camera_unless_it_is_named(tmp_path, outputs):
    bag = write_topics(tmp_path / "bag", "/front/image", *outputs)
    found = survey(bag)
    assert (found.image_topic, found.label_topic) == ("/front/image", None)
    assert (
        f"{outputs[0]} is what a segmentation node said and not taken for truth" in found.notes[0]
    )
    assert "--label-topic" in found.notes[0]
    found = survey(bag, label_topic=outputs[0])
    assert (found.image_topic, found.label_topic) == ("/front/image", outputs[0])
    assert found.notes == (
        f"what is taken for truth is what a segmentation node said: {outputs[0]}",
    )


def test_labels_that_nobody_asks_for_are_not_taken(tmp_path):
    bag = write_topics(tmp_path / "bag", "/front/image", "/front/labels")
    found = survey(bag, label_topic=NO_LABELS)
    assert (found.image_topic, found.label_topic, found.notes) == ("/front/image", None, ())


def test_labels_are_those_beside_the_images(tmp_path):
    bag = write_topics(
        tmp_path / "bag", "/left/image", "/left/labels", "/right/image", "/right/labels"
    )
    assert survey(bag, "/right/image").label_topic == "/right/labels"
    bag = write_topics(tmp_path / "others", "/image", "/left/labels", "/right/labels")
    with pytest.raises(BagError, match=r"/left/labels, /right/labels; .* --label-topic"):
        survey(bag)
    bag = write_topics(tmp_path / "elsewhere", "/left/image", "/my_network/labels")
    assert "/my_network/labels is taken for truth by its name alone" in survey(bag).notes[0]
    assert survey(bag, label_topic="/my_network/labels").notes == ()


def test_images_that_no_node_can_use_leave_the_choice_to_others(tmp_path):
    depth = noise_message(1.0)
    depth.encoding = "32FC1"
    messages = [("/depth", depth), ("/color", noise_message(1.0)), ("/infra", depth)]
    assert survey(write_messages(tmp_path / "bag", messages)).image_topic == "/color"
    # Where none can be used, each is listed with the reason.
    with pytest.raises(BagError, match=r"/depth \(unknown encoding, '32FC1'\), /infra \(unk"):
        survey(write_messages(tmp_path / "unusable", messages[::2]))
    # Named by the user, they are surveyed as they are.
    assert survey(tmp_path / "bag", "/depth").frames[0].problem.kind == "unknown encoding"


def test_without_images_the_user_is_told_what_there_is_and_why(tmp_path):
    depth = CompressedImage(format="16UC1; compressedDepth png", data=[0] * 20)
    bag = write_messages(
        tmp_path / "bag", [("/depth", depth), ("/segmentation_node/overlay", noise_message(1.0))]
    )
    file = bag / "bag.mcap"
    with pytest.raises(BagError) as error:
        survey(bag, label_topic="/depth")
    assert "/depth (unknown encoding, '16UC1; compressedDepth png')" in str(error.value)
    assert "/segmentation_node/overlay (sensor_msgs/msg/Image)" in str(error.value)
    assert "need --image-topic" in str(error.value)
    file.write_bytes(b"version https://git-lfs.github.com/spec/v1")
    with pytest.raises(BagError, match=r"bag.mcap: is a Git LFS pointer.*no topics"):
        survey(bag)
    with pytest.raises(BagError, match=r"got '/depth'; bag.mcap: is a Git LFS pointer"):
        survey(bag, "/depth")
    with pytest.raises(BagError, match=r"bag.mcap: is a Git LFS pointer"):
        find_image_type(bag, None, None, TopicOptions())


def test_video_packets_and_other_encodings_are_told_from_images(tmp_path):
    with (tmp_path / "drive.mcap").open("wb") as stream:
        writer = McapWriter(stream)
        writer.start()
        for topic, encoding, kind in (
            ("/packets", "cdr", "ffmpeg_image_transport_msgs/msg/FFMPEGPacket"),
            ("/json", "json", "sensor_msgs/msg/Image"),
            ("/proto", "protobuf", "foxglove.CompressedImage"),
        ):
            schema = writer.register_schema(kind, "", b"")
            writer.add_message(writer.register_channel(topic, encoding, schema), 1, b"data", 1)
        writer.finish()
    with pytest.raises(BagError) as error:
        survey(tmp_path / "drive.mcap")
    for expected in (
        "/packets (ffmpeg_image_transport_msgs/msg/FFMPEGPacket: video packets",
        "/json (sensor_msgs/msg/Image in json)",
        "/proto (foxglove.CompressedImage in protobuf)",
    ):
        assert expected in str(error.value)


def test_a_recording_is_known_by_all_bytes_of_its_images(tmp_path):
    # Serialized once: what fills up to the next multiple of 4 may differ the next time.
    data = bytes(serialize_message(noise_message(1.0)))
    hashes = []
    for number, content in enumerate((data, data, data[:-9] + bytes(9))):
        with BagWriter(tmp_path / f"bag{number}") as bag:
            bag.add_topic("/image", Image)(1, content)
        hashes.append(survey(tmp_path / f"bag{number}").images_sha256)
    assert hashes[0] == hashes[1] != hashes[2]
