"""Recordings of every kind, whole and damaged."""

from pathlib import Path

import pytest
import zstandard
from bag_files import nanoseconds, noise_message, write_messages
from mcap.writer import CompressionType
from mcap.writer import Writer as McapWriter
from rclpy.serialization import deserialize_message, serialize_message
from rosbags.rosbag2 import CompressionFormat, CompressionMode, Writer
from rosbags.typesys import Stores, get_typestore
from sensor_msgs.msg import Image

from lmanet_ros.bags.reading import ZSTD_MAGIC, BagError, BagMessage, header_stamp, read_bag

STORAGES = ("mcap", "sqlite3")
LZ4_MAGIC = b"\x04\x22\x4d\x18"
FRAMES = [noise_message(1 + number / 10, size=(160, 80)) for number in range(60)]
"""More than two megabytes: several chunks of an MCAP file."""


@pytest.fixture(params=STORAGES)
def bag(request, tmp_path) -> Path:
    return write_messages(tmp_path / "bag", (("/image", frame) for frame in FRAMES), request.param)


def storage_file(bag: Path) -> Path:
    (file,) = (file for file in bag.iterdir() if file.suffix in (".mcap", ".db3"))
    return file


def read(path: Path) -> tuple[list[BagMessage], list[str]]:
    problems: list[str] = []
    return list(read_bag(path, problems.append)), problems


def expect_frames(messages: list[BagMessage], numbers: list[int]) -> None:
    assert [message.received for message in messages] == [nanoseconds(FRAMES[n]) for n in numbers]
    for message, number in zip(messages, numbers, strict=True):
        assert message.topic == "/image"
        assert message.message_type == "sensor_msgs/msg/Image"
        assert deserialize_message(message.data, Image) == FRAMES[number]
        assert header_stamp(message.data) == message.received


def test_a_whole_recording_is_read_without_complaint(bag):
    messages, problems = read(bag)
    expect_frames(messages, list(range(60)))
    assert not problems
    # Its file alone is the same.
    expect_frames(read(storage_file(bag))[0], list(range(60)))


@pytest.mark.parametrize("share", [0.5, 0.98])
def test_a_recording_that_is_cut_off_is_read_up_to_there(bag, share):
    file = storage_file(bag)
    data = file.read_bytes()
    file.write_bytes(data[: int(len(data) * share)])
    (bag / "metadata.yaml").unlink()
    messages, problems = read(bag)
    # An MCAP file loses the chunk that is cut through, a megabyte.
    assert 60 * share - 28 < len(messages) <= 60 * share + 1
    expect_frames(messages, list(range(len(messages))))
    assert "metadata.yaml is missing" in problems[0]
    assert f"{file.name}: cut off or damaged after" in problems[1]
    assert len(problems) == 2


def test_nothing_is_left_of_a_recording_that_is_cut_off_at_once(bag):
    file = storage_file(bag)
    file.write_bytes(file.read_bytes()[:50])
    messages, problems = read(bag)
    assert not messages
    assert "cut off or damaged at its beginning" in problems[0]


def write_lz4(path: Path) -> Path:
    """A recording with chunks as `ros2 bag record` compresses them if it is told so."""
    path.mkdir()
    with (path / "bag.mcap").open("wb") as stream:
        writer = McapWriter(stream, compression=CompressionType.LZ4)
        writer.start(profile="ros2")
        schema = writer.register_schema("sensor_msgs/msg/Image", "ros2msg", b"")
        channel = writer.register_channel("/image", "cdr", schema)
        for frame in FRAMES:
            time = nanoseconds(frame)
            writer.add_message(channel, time, serialize_message(frame), time)
        writer.finish()
    return path


def write_zstd(path: Path) -> Path:
    return write_messages(path, (("/image", frame) for frame in FRAMES))


@pytest.mark.parametrize(
    ("write", "magic"), [(write_zstd, ZSTD_MAGIC), (write_lz4, LZ4_MAGIC)], ids=["zstd", "lz4"]
)
def test_what_follows_a_damaged_chunk_is_read(tmp_path, write, magic):
    file = storage_file(write(tmp_path / "bag"))
    data = bytearray(file.read_bytes())
    chunk = data.index(magic, len(data) // 3)
    data[chunk : chunk + 100] = bytes(100)
    file.write_bytes(data)
    messages, problems = read(file)
    assert 30 < len(messages) < 60
    assert messages[0].received == nanoseconds(FRAMES[0])
    assert messages[-1].received == nanoseconds(FRAMES[-1])
    assert "a damaged chunk is left out" in problems[0]


@pytest.mark.parametrize("mode", [CompressionMode.FILE, CompressionMode.MESSAGE])
def test_compressed_recordings_are_read(tmp_path, mode):
    writer = Writer(tmp_path / "bag", version=9)
    writer.set_compression(mode, CompressionFormat.ZSTD)
    with writer:
        typestore = get_typestore(Stores.ROS2_JAZZY)
        connection = writer.add_connection("/image", "sensor_msgs/msg/Image", typestore=typestore)
        for frame in FRAMES[:5]:
            writer.write(connection, nanoseconds(frame), bytes(serialize_message(frame)))
    messages, problems = read(tmp_path / "bag")
    expect_frames(messages, list(range(5)))
    assert not problems


def test_the_files_of_a_recording_are_read_in_the_order_of_their_numbers(tmp_path):
    bag = tmp_path / "bag"
    bag.mkdir()
    for number in (9, 10):
        part = write_messages(tmp_path / f"part{number}", [("/image", FRAMES[number])])
        compressed = zstandard.compress(storage_file(part).read_bytes())
        (bag / f"bag_{number}.mcap.zstd").write_bytes(compressed)
    (bag / "metadata.yaml").write_text(
        "rosbag2_bagfile_information: {relative_file_paths: [bag_8.mcap.zstd, bag_9.mcap.zstd]}"
    )
    messages, problems = read(bag)
    expect_frames(messages, [9, 10])
    assert problems == ["bag_8.mcap.zstd: metadata.yaml names this file, but it is missing"]


def test_a_path_without_a_recording_is_named(tmp_path):
    for path in (tmp_path, tmp_path / "missing"):
        with pytest.raises(BagError, match=f"no recording.*{path}"):
            read_bag(path)
