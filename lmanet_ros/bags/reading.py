"""Messages of any rosbag2, healthy or not: MCAP and SQLite, whole or cut off, compressed or not."""

from __future__ import annotations

import shutil
import sqlite3
import tempfile
from collections.abc import Callable, Iterator
from pathlib import Path, PureWindowsPath

import yaml
import zstandard

from lmanet_core.data.image_files import is_hidden
from lmanet_core.data.natural_order import natural_order
from lmanet_ros.bags.mcap_file import MCAP_DAMAGE, MCAP_MAGIC, read_mcap
from lmanet_ros.bags.message import ZSTD_MAGIC, BagMessage, LeftOut, as_line
from lmanet_ros.bags.sqlite_file import LOG_SUFFIX, SQLITE_MAGIC, read_sqlite

STORAGE_SUFFIXES = (".mcap", ".db3")
COMPRESSED_SUFFIX = ".zstd"
"""Follows the storage's suffix when whole files are compressed."""
METADATA = "metadata.yaml"
_FOREIGN_FILES = {
    b"version https://git-lfs": "a Git LFS pointer, not the recording, which `git lfs pull` brings",
    b"#ROSBAG V": "a ROS 1 bag, which `rosbags-convert` makes a rosbag2 of",
}
_HEAD_LENGTH = 32


class BagError(ValueError):
    """A recording cannot be used at all; the message says which and why."""


def _ignore(problem: str) -> None:
    pass


class Bag:
    """A recording that is read from front to back, as often as need be.

    Neither an index nor metadata is needed, so a recording whose end is missing gives what is left
    of it. Other libraries read rosbag2 by the index at its end.

    As a context manager it keeps files that are compressed as a whole unpacked, in a folder for
    temporary files, until the context ends.

    Args:
        path: folder of a rosbag2 or one of its files.

    Raises:
        BagError: there is no recording at `path`.
    """

    def __init__(self, path: Path) -> None:
        self.path = path
        self._problems: list[str] = []
        self._files, self._in_order = _files_of(path, self._problems.append)
        self._unpacked: dict[Path, tuple[Path, str | None]] = {}
        self._folder: tempfile.TemporaryDirectory[str] | None = None

    def messages(self, report: Callable[[str], None] = _ignore) -> Iterator[BagMessage]:
        """Messages in the order in which they were recorded, as far as they can be read.

        Files come in the order of the metadata or, where that names none, of their first messages.

        Args:
            report: called with a sentence for everything that cannot be read.
        """
        for problem in self._problems:
            report(problem)
        if not self._in_order:
            self._files = sorted(self._files, key=self._begin)
            self._in_order = True
        for file in self._files:

            def report_of_file(problem: str, name: str = file.name) -> None:
                report(f"{name}: {problem}")

            try:
                plain, unpacking = self._plain(file)
                if unpacking:
                    report_of_file(unpacking)
                yield from _read_file(plain, report_of_file)
            except OSError as error:
                report_of_file(f"cannot be read ({as_line(error)})")

    def close(self) -> None:
        """Delete what was unpacked."""
        self._unpacked.clear()
        if self._folder:
            self._folder.cleanup()
            self._folder = None

    def __enter__(self) -> Bag:
        return self

    def __exit__(self, *error: object) -> None:
        self.close()

    def _begin(self, file: Path) -> tuple[bool, int]:
        """A sort key by which files come in the order of time; those that cannot be read, last."""
        try:
            first = next(_read_file(self._plain(file)[0], _ignore), None)
        except OSError:
            first = None
        return first is None, first.received if first else 0

    def _plain(self, file: Path) -> tuple[Path, str | None]:
        """A file as it is read, and what did not go well in making it."""
        if file not in self._unpacked:
            self._unpacked[file] = self._unpack(file)
        return self._unpacked[file]

    def _unpack(self, file: Path) -> tuple[Path, str | None]:
        if _head(file).startswith(ZSTD_MAGIC):
            target = self._temporary() / file.name
            return target, _decompress_file(file, target)
        log = file.with_name(file.name + LOG_SUFFIX)
        if log.exists():
            # SQLite reads a log by writing beside it, and what is evaluated stays as it is.
            shutil.copyfile(log, self._temporary() / log.name)
            return Path(shutil.copyfile(file, self._temporary() / file.name)), None
        return file, None

    def _temporary(self) -> Path:
        if self._folder is None:
            self._folder = tempfile.TemporaryDirectory(prefix="bag_")
        return Path(self._folder.name)


def read_bag(path: Path, report: Callable[[str], None] = _ignore) -> Iterator[BagMessage]:
    """Messages of a recording that is read once; arguments and errors are those of `Bag`."""
    return _read_and_close(Bag(path), report)


def is_recording(path: Path) -> bool:
    """Whether a path is a folder with nothing in it but what belongs to a rosbag2."""
    return path.is_dir() and all(
        file.name == METADATA or _storage_suffix(file) in STORAGE_SUFFIXES
        for file in path.iterdir()
    )


def _read_and_close(bag: Bag, report: Callable[[str], None]) -> Iterator[BagMessage]:
    with bag:
        yield from bag.messages(report)


def _files_of(path: Path, report: Callable[[str], None]) -> tuple[list[Path], bool]:
    """Files of a recording, and whether they are in its order."""
    if not path.exists():
        raise BagError(f"no recording '{path}': expected the folder of a rosbag2 or a file of one")
    if path.is_file():
        return [path], True
    files = [
        file
        for file in sorted(path.iterdir(), key=natural_order)
        if _storage_suffix(file) in STORAGE_SUFFIXES and not is_hidden(file)
    ]
    if not files:
        raise BagError(
            f"no recording in '{path}': expected {' or '.join(STORAGE_SUFFIXES)} files, "
            f"or the same with {COMPRESSED_SUFFIX} appended"
        )
    if named := _named_files(files, _names_in_metadata(path, report), report):
        return named, True
    return files, len(files) == 1


def _storage_suffix(file: Path) -> str:
    return file.with_suffix("").suffix if file.suffix == COMPRESSED_SUFFIX else file.suffix


def _names_in_metadata(folder: Path, report: Callable[[str], None]) -> list[str]:
    try:
        text = (folder / METADATA).read_text()
        listed = yaml.safe_load(text)["rosbag2_bagfile_information"]["relative_file_paths"]
        # What was recorded on Windows is separated by backslashes.
        return [PureWindowsPath(name).name for name in listed]
    except FileNotFoundError:
        report(f"{METADATA} is missing: the recording was never finished")
    except (yaml.YAMLError, OSError, KeyError, TypeError, ValueError) as error:
        report(f"{METADATA} cannot be read: {as_line(error)}")
    return []


def _named_files(files: list[Path], names: list[str], report: Callable[[str], None]) -> list[Path]:
    """Files that are part of the recording, in its order."""
    there = {file.name: file for file in files}
    named: list[Path] = []
    for name in names:
        # People compress and decompress files and leave the metadata as it was.
        other = name.removesuffix(COMPRESSED_SUFFIX)
        other = other if other != name else name + COMPRESSED_SUFFIX
        if file := there.get(name, there.get(other)):
            named.append(file)
        else:
            report(f"{name}: {METADATA} names this file, but it is missing")
    for file in files:
        if named and file not in named:
            report(f"{file.name}: left out, {METADATA} does not name it")
    return list(dict.fromkeys(named))


def _head(file: Path) -> bytes:
    with file.open("rb") as stream:
        return stream.read(_HEAD_LENGTH)


def _decompress_file(source: Path, target: Path) -> str | None:
    """What went wrong; what was there before that is written."""
    with source.open("rb") as reader, target.open("wb") as writer:
        try:
            zstandard.ZstdDecompressor().copy_stream(reader, writer)
        except zstandard.ZstdError as error:
            return f"decompressed up to an error: {as_line(error)}"
    return None


def _read_file(file: Path, report: Callable[[str], None]) -> Iterator[BagMessage]:
    left_out = LeftOut()
    head = _head(file)
    # What a file is called does not count: what is in it does.
    if head.startswith(MCAP_MAGIC):
        messages = read_mcap(file, report, left_out)
    elif head.startswith(SQLITE_MAGIC):
        messages = read_sqlite(file, left_out)
    else:
        report(f"is {_foreign(head)}")
        return
    received: int | None = None
    try:
        for message in messages:
            received = message.received
            yield message
    except (*MCAP_DAMAGE, sqlite3.Error) as error:
        place = "at its beginning" if received is None else f"after {received / 1e9:.3f} s"
        report(f"cut off or damaged {place} ({as_line(error)})")
    for sentence in left_out.sentences():
        report(sentence)


def _foreign(head: bytes) -> str:
    """What a file is that is not a recording."""
    if not head:
        return "empty"
    for beginning, what in _FOREIGN_FILES.items():
        if head.startswith(beginning):
            return what
    return f"neither MCAP nor SQLite, its first bytes are {head[:8].hex(' ')}"
