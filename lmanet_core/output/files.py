"""Files are written whole or not at all; every error names the file."""

from __future__ import annotations

import errno
import json
import os
import shutil
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any

import cv2
import numpy as np

_STREAMS = ("/dev/std", "/dev/fd/", "/proc/")
"""Paths of what this process has open."""


@contextmanager
def replacing(path: str | Path) -> Iterator[Path]:
    """Write a file beside its place, and put it there when it is complete and on the disk.

    Whenever the process ends, the old file or the new one is there, whole. The new one can be read
    by whom the old one could, or by whom the umask says. Folders above it are made.

    Args:
        path: of the file; of a link, what it leads to is replaced; devices and pipes are written
            to as they are.

    Yields:
        What to write in its stead, of the same suffix.

    Raises:
        OSError: it cannot be written; its `filename` is the path.
    """
    path = Path(path)
    with _told_path(path, path):
        if path.is_dir():
            raise IsADirectoryError(errno.EISDIR, os.strerror(errno.EISDIR), str(path))
        if str(path).startswith(_STREAMS) or (path.exists() and not path.is_file()):
            yield path
            return
        target = Path(os.path.realpath(path))
        _make_folder(target.parent, path)
        if target.exists() and not os.access(target, os.W_OK):
            raise PermissionError(errno.EACCES, os.strerror(errno.EACCES), str(path))
        # Hidden, so that it is no frame of a video, and of the same suffix, which says the format.
        unfinished = target.with_name(f".{target.stem}.unfinished{target.suffix}")
        with _told_path(path, unfinished), _removed_after_error(unfinished):
            unfinished.unlink(missing_ok=True)
            unfinished.touch()
            mode = (target if target.exists() else unfinished).stat().st_mode & 0o777
            yield unfinished
            # Some libraries write files that are the owner's alone, whatever the umask.
            unfinished.chmod(mode)
            _flush(unfinished)
            unfinished.replace(target)


@contextmanager
def replacing_folder(path: Path) -> Iterator[Path]:
    """Fill a folder beside its place, and put it there when that is done.

    After an error what was there before stays. If nothing was, what was written by then is put
    there, where that is possible: it may be all there is of what has happened.

    Yields:
        The folder to make, of the same name.

    Raises:
        OSError: a file of it cannot be written; its `filename` is the path.
    """
    target = Path(os.path.realpath(path))
    around = target.with_name(f".{target.name}.unfinished")
    unfinished = around / target.name
    with _told_path(path, around), _removed_after_error(around):
        if around.exists():
            shutil.rmtree(around)
        _make_folder(around, path)
        try:
            yield unfinished
        except BaseException:
            if unfinished.exists() and not target.exists():
                unfinished.replace(target)
            raise
        if target.exists():
            shutil.rmtree(target)
        unfinished.replace(target)
        around.rmdir()


def write_text(path: str | Path, text: str) -> None:
    """Write a text in UTF-8, as `replacing` does."""
    write_bytes(path, text.encode())


def write_json(path: str | Path, value: Any) -> None:
    """Write what JSON can hold, as `replacing` does."""
    write_text(path, json.dumps(value, indent=2) + "\n")


def write_bytes(path: str | Path, data: bytes) -> None:
    """Write bytes, as `replacing` does."""
    with replacing(path) as unfinished:
        unfinished.write_bytes(data)


def write_picture(path: str | Path, picture: np.ndarray) -> None:
    """Write a picture in the format that the suffix says, as `replacing` does.

    Args:
        path: such as 'sheet.png'.
        picture: (H, W, 3), RGB, or (H, W), uint8.

    Raises:
        ValueError: OpenCV knows no such format, or the picture is too large for it.
        OSError: it cannot be written.
    """
    if picture.ndim == 3:
        picture = cv2.cvtColor(picture, cv2.COLOR_RGB2BGR)
    try:
        done, data = cv2.imencode(Path(path).suffix, picture)
    except cv2.error as error:
        raise ValueError(f"{path} cannot be written by OpenCV: {error.err}") from None
    if not done:
        raise ValueError(f"{path}: OpenCV cannot write a picture of {picture.shape} in that format")
    write_bytes(path, data.tobytes())


def _make_folder(folder: Path, path: Path) -> None:
    """Make a folder for what is to be written at a path."""
    try:
        folder.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        # What is in the way of a folder exists, and is none.
        number = errno.ENOTDIR if error.errno == errno.EEXIST else error.errno or errno.EIO
        raise OSError(number, os.strerror(number), str(path)) from None


@contextmanager
def _told_path(path: Path, written: Path) -> Iterator[None]:
    """Name the path where an error of writing names none, or what is written in its stead."""
    try:
        yield
    except OSError as error:
        names = [name for name in (error.filename, error.filename2) if name is not None]
        ours = (os.path.realpath(written), str(written))
        if error.errno is None or not all(str(name).startswith(ours) for name in names):
            raise
        raise OSError(error.errno, os.strerror(error.errno), str(path)) from None


@contextmanager
def _removed_after_error(unfinished: Path) -> Iterator[None]:
    try:
        yield
    except BaseException:
        with suppress(OSError):
            if unfinished.is_dir():
                shutil.rmtree(unfinished)
            else:
                unfinished.unlink(missing_ok=True)
        raise


def _flush(path: Path) -> None:
    """Have the system write what it still holds back: a full disk may show only here."""
    with path.open("rb") as file:
        os.fsync(file.fileno())
