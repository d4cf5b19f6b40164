"""Recordings of every kind, whole and damaged."""

import shutil
import sqlite3
import struct
import tempfile
from collections.abc import Iterable, Sequence
from contextlib import closing
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

from lmanet_ros.bags.mcap_file import MCAP_MAGIC
from lmanet_ros.bags.message import ZSTD_MAGIC, BagMessage, header_stamp
from lmanet_ros.bags.reading import Bag, BagError, read_bag

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


def write_mcap(
    file: Path, messages: Iterable[tuple[str, bytes]], numbers: Sequence[int] = (), **options
) -> Path:
    """A file with the messages of topics; those that begin with a frame are images, else JSON.

    `numbers` are of the frames at whose times they were recorded, by default in order.
    """
    with file.open("wb") as stream:
        writer = McapWriter(stream, **options)
        writer.start(profile="ros2")
        schema = writer.register_schema("sensor_msgs/msg/Image", "ros2msg", b"")
        channels = {}
        for number, (topic, data) in enumerate(messages):
            is_image = topic == "/image"
            channel = channels.get(topic) or channels.setdefault(
                topic,
                writer.register_channel(topic, *(("cdr", schema) if is_image else ("json", 0))),
            )
            time = nanoseconds(FRAMES[numbers[number] if numbers else number])
            writer.add_message(channel, time, data, time)
        writer.finish()
    return file


def images(count: int) -> list[tuple[str, bytes]]:
    return [("/image", bytes(serialize_message(frame))) for frame in FRAMES[:count]]


def test_messages_of_a_chunk_are_read_in_the_order_of_their_times(tmp_path):
    file = write_mcap(tmp_path / "drive.mcap", images(4)[::-1], [3, 2, 1, 0])
    messages, problems = read(file)
    expect_frames(messages, [0, 1, 2, 3])
    assert not problems


def test_stamps_are_read_in_the_byte_order_of_the_recorder():
    for order, mark in (("<", b"\0\1\0\0"), (">", b"\0\0\0\0")):
        assert header_stamp(mark + struct.pack(f"{order}iI", 3, 5)) == 3_000_000_005
    assert header_stamp(bytes(11)) == -1


def test_messages_without_a_schema_are_left_out_and_named(tmp_path):
    messages = images(6)
    messages[1] = messages[4] = ("/battery", b'{"volts": 24}')
    read_messages, problems = read(write_mcap(tmp_path / "drive.mcap", messages))
    expect_frames(read_messages, [0, 2, 3, 5])
    assert problems == [
        "drive.mcap: 2 messages are left out, the first of 1.100 s: /battery (json) has no schema"
    ]


def test_what_a_damaged_chunk_says_of_topics_is_taken_from_the_summary(tmp_path):
    file = write_mcap(tmp_path / "drive.mcap", images(6), chunk_size=100_000)
    data = bytearray(file.read_bytes())
    chunk = data.index(ZSTD_MAGIC)
    data[chunk : chunk + 50] = bytes(50)
    file.write_bytes(data)
    messages, problems = read(file)
    expect_frames(messages, [3, 4, 5])
    assert len(problems) == 1
    # Without the summary nobody knows what the messages are.
    file.write_bytes(data[: -len(MCAP_MAGIC)])
    messages, problems = read(file)
    assert not messages
    assert "3 messages are left out, the first of 1.300 s: nothing says what channel" in problems[1]


def test_reading_goes_on_at_the_next_chunk_where_a_length_is_wrong(tmp_path):
    file = write_mcap(tmp_path / "drive.mcap", images(9), chunk_size=100_000)
    data = bytearray(file.read_bytes())
    second = data.index(ZSTD_MAGIC, data.index(ZSTD_MAGIC) + 1)
    # The opcode and length of a chunk lie 49 bytes before what is compressed in it.
    data[second - 49 : second - 40] = b"\xff" * 9
    file.write_bytes(data)
    messages, problems = read(file)
    expect_frames(messages, [0, 1, 2, 6, 7, 8])
    assert len(problems) == 1
    assert "is left out" in problems[0]


def test_the_rest_of_a_damaged_chunk_without_checksum_is_read(tmp_path):
    options = {"compression": CompressionType.NONE, "enable_crcs": False}
    # Serialized once: what fills up to the next multiple of 4 may differ the next time.
    written = images(6)
    file = write_mcap(tmp_path / "drive.mcap", written, **options)
    data = bytearray(file.read_bytes())
    fourth = data.index(written[3][1])
    data[fourth - 30 : fourth - 22] = b"\xff" * 8
    file.write_bytes(data)
    messages, problems = read(file)
    expect_frames(messages, [0, 1, 2])
    assert "the end of a damaged chunk is left out, 1.000 s to 1.500 s" in problems[0]


def edit(file: Path, statement: str, *values: object) -> list:
    with closing(sqlite3.connect(file)) as database, database:
        return database.execute(statement, values).fetchall()


def test_rows_that_cannot_be_read_are_left_out_and_named(tmp_path):
    file = storage_file(
        write_messages(tmp_path / "bag", (("/image", f) for f in FRAMES[:10]), "sqlite3")
    )
    compressed = bytearray(zstandard.compress(b"damage" * 100))
    compressed[-5] ^= 1
    edit(file, "UPDATE messages SET topic_id = 9 WHERE id = 3")
    edit(file, "UPDATE messages SET data = ? WHERE id = 5", bytes(compressed))
    edit(file, "UPDATE messages SET data = 'text' WHERE id = 6")
    edit(file, "UPDATE messages SET timestamp = 'soon' WHERE id = 7")
    edit(file, "UPDATE messages SET timestamp = -1 WHERE id = 8")
    edit(file, "UPDATE messages SET id = -2 WHERE id = 9")
    edit(file, "INSERT INTO topics VALUES (2, CAST(x'2fff' AS TEXT), 7, 'cdr', '', '')")
    messages, problems = read(file)
    expect_frames(messages, [0, 1, 3, 9])
    assert len(problems) == 6
    assert "a message is left out: its time is 'soon'" in " | ".join(problems)
    assert "a message is left out, of 1.200 s: nothing says what topic 9 is" in problems[0]
    assert "a message is left out, of 1.400 s: of /image, damaged" in problems[1]


def test_rows_that_lead_back_to_themselves_end(tmp_path):
    """The number of a row is damaged, in a page that SQLite searches."""
    frames = [noise_message(1 + number / 10, size=(8, 4)) for number in range(8)]
    bag = write_messages(tmp_path / "bag", (("/image", frame) for frame in frames), "sqlite3")
    file = storage_file(bag)
    data = bytearray(file.read_bytes())
    ((size, page),) = edit(
        file,
        "SELECT page_size, rootpage FROM pragma_page_size, sqlite_master WHERE name = 'messages'",
    )
    leaf = data[(page - 1) * size : page * size]
    for cell in range(int.from_bytes(leaf[3:5], "big")):
        begin = (page - 1) * size + int.from_bytes(leaf[8 + 2 * cell : 10 + 2 * cell], "big")
        data[begin + 2] = 0
    file.write_bytes(data)
    messages, problems = read(file)
    assert len(messages) <= 1
    assert "rows are out of order" in problems[0]


def test_a_damaged_page_costs_the_messages_on_it(tmp_path):
    file = storage_file(
        write_messages(tmp_path / "bag", (("/image", f) for f in FRAMES[:10]), "sqlite3")
    )
    data = bytearray(file.read_bytes())
    ((page_size,),) = edit(file, "PRAGMA page_size")
    # A message is a row and a chain of pages; each page begins with the number of the next.
    inside = data.index(images(5)[4][1][20_000:20_050]) // page_size * page_size
    data[inside : inside + 4] = b"\xff" * 4
    file.write_bytes(data)
    messages, problems = read(file)
    expect_frames(messages, [0, 1, 2, 3, 5, 6, 7, 8, 9])
    assert "a message is left out: the file is damaged where it was" in problems[0]


def test_a_write_ahead_log_is_read_and_nothing_is_written_beside_it(tmp_path):
    bag = write_messages(tmp_path / "bag", (("/image", f) for f in FRAMES[:5]), "sqlite3")
    live = storage_file(bag)
    killed = tmp_path / "killed"
    with closing(sqlite3.connect(live)) as database:
        database.execute("PRAGMA journal_mode=WAL")
        database.execute("DELETE FROM messages WHERE id = 5")
        database.commit()
        shutil.copytree(bag, killed, ignore=shutil.ignore_patterns("*-shm"))
    before = sorted(killed.iterdir())
    messages, problems = read(killed)
    expect_frames(messages, [0, 1, 2, 3])
    assert not problems
    assert sorted(killed.iterdir()) == before


@pytest.mark.parametrize(
    ("content", "reason"),
    [
        (b"", "is empty"),
        (b"version https://git-lfs.github.com/spec/v1\noid sha256:0\n", "is a Git LFS pointer"),
        (b"#ROSBAG V2.0\n" + bytes(100), "is a ROS 1 bag"),
        (b"<!DOCTYPE html>", "is neither MCAP nor SQLite, its first bytes are 3c 21 44 4f"),
    ],
    ids=["empty", "git lfs", "ros 1", "html"],
)
@pytest.mark.parametrize("name", ["drive.mcap", "drive.db3", "drive.mcap.zstd"])
def test_what_is_no_recording_is_called_what_it_is(tmp_path, content, reason, name):
    (tmp_path / name).write_bytes(content)
    messages, problems = read(tmp_path / name)
    assert not messages
    assert problems[0].startswith(f"{name}: {reason}")


def test_what_a_file_is_called_does_not_count(bag):
    file = storage_file(bag)
    for suffix in (".mcap", ".db3", ".mcap.zstd"):
        other = file.replace(file.with_name(f"renamed{suffix}"))
        expect_frames(read(other)[0], list(range(60)))
        file = other


def part(folder: Path, number: int) -> bytes:
    """A file of a recording, with one frame."""
    bag = write_messages(folder / f"part{number}", [("/image", FRAMES[number])])
    return storage_file(bag).read_bytes()


def test_the_files_that_the_metadata_names_are_read_in_its_order(tmp_path):
    bag = tmp_path / "bag"
    bag.mkdir()
    for number in (9, 10, 11):
        (bag / f"bag_{number}.mcap").write_bytes(part(tmp_path, number))
    # Unpacked since; as Windows names it; gone.
    names = r"[bag_10.mcap.zstd, 'D:\drives\bag_9.mcap', bag_8.mcap]"
    (bag / "metadata.yaml").write_text(
        f"rosbag2_bagfile_information: {{relative_file_paths: {names}}}"
    )
    messages, problems = read(bag)
    expect_frames(messages, [10, 9])
    assert problems == [
        "bag_8.mcap: metadata.yaml names this file, but it is missing",
        "bag_11.mcap: left out, metadata.yaml does not name it",
    ]


@pytest.mark.parametrize("storage", STORAGES)
@pytest.mark.parametrize("named", [True, False])
def test_files_are_read_in_the_order_of_the_metadata_or_of_time(tmp_path, storage, named):
    bag = tmp_path / "bag"
    bag.mkdir()
    names = ["z", "b_10", "b_2", "a"]
    for number, name in enumerate(names):
        messages = [("/image", FRAMES[2 * number + part]) for part in range(2)]
        file = storage_file(write_messages(tmp_path / name, messages, storage))
        file.rename(bag / f"{name}{file.suffix}")
        # Hidden ones, as macOS leaves them, are none.
        (bag / f"._{name}{file.suffix}").write_bytes(b"Mac OS X")
    (bag / f"c{file.suffix}").touch()
    if named:
        listed = [f"{name}{file.suffix}" for name in names]
        (bag / "metadata.yaml").write_text(
            f"rosbag2_bagfile_information: {{relative_file_paths: {listed}}}"
        )
    messages, problems = read(bag)
    expect_frames(messages, list(range(8)))
    assert problems[-1] == (
        f"c{file.suffix}: left out, metadata.yaml does not name it"
        if named
        else f"c{file.suffix}: is empty"
    )


def test_rows_are_read_in_the_order_of_time(tmp_path):
    bag = write_messages(tmp_path / "bag", [("/image", frame) for frame in FRAMES[:5]], "sqlite3")
    with closing(sqlite3.connect(storage_file(bag))) as database, database:
        database.execute("UPDATE messages SET id = -id")
    messages, problems = read(bag)
    expect_frames(messages, list(range(5)))
    assert not problems


def test_files_that_were_renamed_are_read_if_those_of_the_metadata_are_gone(tmp_path):
    bag = write_messages(tmp_path / "bag", [("/image", FRAMES[0])])
    storage_file(bag).rename(bag / "other.mcap")
    messages, problems = read(bag)
    expect_frames(messages, [0])
    assert problems == ["bag.mcap: metadata.yaml names this file, but it is missing"]


def test_a_compressed_file_is_unpacked_once(tmp_path, monkeypatch):
    folder = tmp_path / "temporary"
    folder.mkdir()
    monkeypatch.setattr(tempfile, "tempdir", str(folder))
    bag = tmp_path / "bag"
    bag.mkdir()
    (bag / "bag_0.mcap.zstd").write_bytes(zstandard.compress(part(tmp_path, 0)))
    with Bag(bag) as opened:
        expect_frames(list(opened.messages()), [0])
        (bag / "bag_0.mcap.zstd").write_bytes(b"gone")
        expect_frames(list(opened.messages()), [0])
        assert list(folder.iterdir())
    assert not list(folder.iterdir())


def test_damage_of_a_compressed_file_is_told(tmp_path):
    file = tmp_path / "bag_0.mcap.zstd"
    data = bytearray(zstandard.compress(part(tmp_path, 0)))
    data[4:40] = b"\xff" * 36
    file.write_bytes(data)
    messages, problems = read(file)
    assert not messages
    assert "decompressed up to an error" in problems[0]


def test_a_path_without_a_recording_is_named(tmp_path):
    for path in (tmp_path, tmp_path / "missing"):
        with pytest.raises(BagError, match=f"no recording.*{path}"):
            read_bag(path)
