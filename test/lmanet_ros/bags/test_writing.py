"""Recordings as they are written: whole, or what was there before stays."""

from pathlib import Path

import pytest
from bag_files import noise_message, write_messages
from full_disk import full_disk

from lmanet_ros.bags.bag_format import STORAGES
from lmanet_ros.bags.reading import Bag


def record(path: Path, storage: str, first: int = 1, frames: int = 40) -> None:
    write_messages(path, [("/image", noise_message(first + n)) for n in range(frames)], storage)


def stamps(path: Path) -> list[int]:
    return [message.received // 10**9 for message in Bag(path).messages()]


@pytest.mark.parametrize("storage", STORAGES)
@pytest.mark.parametrize("left", [1000, 50_000])
def test_on_a_full_disk_the_error_names_the_recording_and_the_one_before_stays(
    tmp_path, storage, left
):
    bag = tmp_path / "bag"
    record(bag, storage, first=1, frames=3)
    with full_disk(left), pytest.raises(OSError, match=f"{bag} cannot be written: ") as error:
        record(bag, storage, first=100)
    assert "\n" not in str(error.value)
    assert stamps(bag) == [1, 2, 3]
    assert [file.name for file in tmp_path.iterdir()] == ["bag"]
    record(bag, storage, first=50, frames=2)
    assert stamps(bag) == [50, 51]


def test_what_was_recorded_before_an_error_is_there(tmp_path):
    def fail():
        yield "/image", noise_message(1)
        yield "/image", noise_message(2)
        raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        write_messages(tmp_path / "bag", fail())
    assert stamps(tmp_path / "bag") == [1, 2]
    assert [file.name for file in tmp_path.iterdir()] == ["bag"]
