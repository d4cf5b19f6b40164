"""A recording as a video."""

import numpy as np
import pytest
from bag_files import noise_message, write_messages

from lmanet_core.data.calibration import calibration_frames
from lmanet_ros.bags.frames import read_frames
from lmanet_ros.bags.reading import BagError


def test_the_usable_frames_of_one_size_are_the_video(tmp_path):
    strange, small = noise_message(1.1), noise_message(1.2, size=(32, 32))
    strange.encoding = "telepathy"
    # The first one says which size.
    messages = [noise_message(1.0), strange, small, noise_message(1.3), small]
    bag = write_messages(tmp_path / "bag", [("/camera/image", message) for message in messages])
    frames = list(read_frames(bag))
    expected = [np.reshape(messages[i].data, (32, 64, 3)) for i in (0, 3)]
    np.testing.assert_array_equal(frames, expected)


def test_a_recording_without_a_usable_frame_is_refused(tmp_path):
    strange = noise_message(1.0)
    strange.encoding = "telepathy"
    bag = write_messages(tmp_path / "bag", [("/camera/image", strange)])
    with pytest.raises(BagError, match=r"there is /camera/image \(unknown encoding"):
        read_frames(bag)


def test_a_recording_that_was_cut_off_does_not_end_well(tmp_path):
    images = [noise_message(1.0 + n / 10, size=(640, 320)) for n in range(8)]
    messages = [("/camera/image", image) for image in images]
    file = next(write_messages(tmp_path / "bag", messages).glob("*.mcap"))
    file.write_bytes(file.read_bytes()[: -file.stat().st_size // 3])
    frames: list[np.ndarray] = []
    with pytest.raises(BagError, match=f"{file} is damaged, frames may be missing: "):
        frames.extend(read_frames(file))
    assert 0 < len(frames) < 8


def test_a_network_is_calibrated_with_the_frames_of_a_camera(tmp_path):
    """The last ones are held out; labels beside the images are none of them."""
    messages = [noise_message(1.0 + n / 10) for n in range(8)]
    labels = noise_message(1.0)
    labels.encoding, labels.step, labels.data = "mono8", labels.width, labels.data[: 64 * 32]
    topics = [("/front/image_raw", message) for message in messages]
    bag = write_messages(tmp_path / "bag", [*topics, ("/front/labels", labels)])
    for source, topic in ((bag, ""), (next(bag.glob("*.mcap")), "/front/image_raw")):
        frames, held_out = calibration_frames(str(source), 4, 2, (64, 32), topic)
        expected = [np.reshape(message.data, (32, 64, 3)) for message in messages]
        np.testing.assert_array_equal([*frames, *held_out], expected[:6])
        assert (len(frames), len(held_out)) == (4, 2)
    frames, held_out = calibration_frames(str(bag), 30, 10, (64, 32))
    assert (len(frames), len(held_out)) == (6, 2), "a quarter of a short recording"
    with pytest.raises(BagError, match=r"--image-topic: .* got '/rear'"):
        calibration_frames(str(bag), 4, 2, (64, 32), "/rear")
