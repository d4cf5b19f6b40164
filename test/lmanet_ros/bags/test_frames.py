"""A recording as a video."""

import numpy as np
import pytest
from bag_files import noise_message, write_messages

from lmanet_ros.bags.frames import read_frames
from lmanet_ros.bags.reading import BagError


def test_the_usable_frames_of_one_size_are_the_video(tmp_path):
    strange, small = noise_message(1.1), noise_message(1.2, size=(32, 32))
    strange.encoding = "telepathy"
    messages = [noise_message(1.0), strange, small, noise_message(1.3)]
    bag = write_messages(tmp_path / "bag", [("/camera/image", message) for message in messages])
    frames = list(read_frames(bag))
    expected = [np.reshape(messages[i].data, (32, 64, 3)) for i in (0, 3)]
    np.testing.assert_array_equal(frames, expected)


def test_a_recording_without_a_usable_frame_is_refused(tmp_path):
    strange = noise_message(1.0)
    strange.encoding = "telepathy"
    bag = write_messages(tmp_path / "bag", [("/camera/image", strange)])
    with pytest.raises(BagError, match="none of 1 frames of /camera/image is usable"):
        read_frames(bag)
