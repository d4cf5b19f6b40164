"""What is found in a recording before it is played."""

import numpy as np
import pytest
from bag_files import noise_message, write_messages
from ros_harness import image_message
from sensor_msgs.msg import CompressedImage

from lmanet_ros.bags.reading import BagError
from lmanet_ros.bags.survey import find_image_type, survey_bag


def labels_message(stamp: float):
    return image_message(np.zeros((32, 64, 1), np.uint8), "mono8", stamp=stamp)


def test_frames_that_no_node_can_use_are_told_apart(tmp_path):
    strange = noise_message(1.2)
    strange.encoding = "telepathy"
    garbage = noise_message(1.3)
    garbage.data = garbage.data[:100]
    frames = [noise_message(1.0), noise_message(1.1), strange, garbage, noise_message(1.4)]
    survey = survey_bag(write_messages(tmp_path / "bag", [("/a/image", f) for f in frames]))
    assert [frame.problem and frame.problem.kind for frame in survey.frames] == [
        None,
        None,
        "unknown encoding",
        "wrong data length",
        None,
    ]
    assert "'telepathy'" in str(survey.frames[2].problem)
    assert survey.frames[0].size == (64, 32)
    assert (survey.image_topic, survey.label_topic) == ("/a/image", None)


def test_gaps_jumps_and_changes_of_size_are_noted(tmp_path):
    stamps = [1.0, 1.1, 1.2, 1.9, 2.0, 1.5, 1.6]
    frames = [noise_message(stamp) for stamp in stamps]
    frames[-1] = noise_message(1.6, size=(32, 32))
    survey = survey_bag(write_messages(tmp_path / "bag", [("/image", f) for f in frames]))
    assert survey.notes == (
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
    survey = survey_bag(write_messages(tmp_path / "bag", messages))
    assert (survey.image_topic, survey.label_topic) == ("/camera/image", "/camera/ground_truth")
    # The second label has the stamp of no image.
    assert survey.label_stamps == {1_000_000_000}


def test_several_cameras_are_told_to_the_user_who_chooses(tmp_path):
    compressed = CompressedImage(format="jpeg")
    compressed.header.stamp.sec = 1
    bag = write_messages(
        tmp_path / "bag", [("/left/image", noise_message(1.0)), ("/right/image", compressed)]
    )
    with pytest.raises(BagError, match="/left/image, /right/image"):
        survey_bag(bag)
    with pytest.raises(BagError, match="/left/image, /right/image, got '/up'"):
        survey_bag(bag, image_topic="/up")
    assert find_image_type(bag, "/right/image") is CompressedImage
    assert survey_bag(bag, "/right/image").frames[0].problem.kind == "no data"
