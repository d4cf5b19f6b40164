"""Image files: how frames and label maps are read.

A file's EXIF orientation does not count, neither for frames nor for label maps: what is stored is
what a camera's driver publishes and what its calibration is of.
"""

from __future__ import annotations

from io import BytesIO
from pathlib import Path

import cv2
import numpy as np
from PIL import Image, UnidentifiedImageError

from lmanet_core.data.natural_order import natural_order
from lmanet_core.data.video import DatasetError, VideoError

IMAGE_SUFFIXES = frozenset({".bmp", ".jpeg", ".jpg", ".png", ".ppm", ".tif", ".tiff", ".webp"})
"""Endings of image files, in small letters; a file may have them in capitals."""
_COLOR = cv2.IMREAD_COLOR | cv2.IMREAD_IGNORE_ORIENTATION
_PNG = b"\x89PNG\r\n\x1a\n"
_COLOR_TYPE, _PALETTE = 25, 3
"""Where a PNG says what its values are, and what it says where they are indices."""
_JPEG, _JPEG_SCAN, _JPEG_END = b"\xff\xd8", b"\xff\xda", b"\xff\xd9"


class ImageFileError(DatasetError, VideoError):
    """An image file cannot be used; the message says which and why."""


def list_images(folder: Path) -> list[Path]:
    """Image files of a folder, in natural order; without hidden files."""
    files = folder.iterdir() if folder.is_dir() else ()
    images = [f for f in files if f.suffix.lower() in IMAGE_SUFFIXES and not is_hidden(f)]
    return sorted(images, key=natural_order)


def images_by_stem(folder: Path) -> dict[str, Path]:
    """Image files of a folder by their names without suffix, in order.

    Raises:
        ImageFileError: two files have the same.
    """
    files: dict[str, Path] = {}
    for file in list_images(folder):
        if file.stem in files:
            raise ImageFileError(
                f"{file} and {files[file.stem].name} have one name: expected one image of a frame"
            )
        files[file.stem] = file
    return files


def is_hidden(file: Path) -> bool:
    """Whether a file's name begins with a dot, as that of the copies that macOS makes."""
    return file.name.startswith(".")


def image_size(file: Path) -> tuple[int, int]:
    """(width, height) of an image as it is stored, without decoding it.

    Raises:
        ImageFileError: the file is no image.
    """
    try:
        with Image.open(file) as picture:
            return picture.size
    except UnidentifiedImageError:
        # A format that only OpenCV knows.
        height, width = _decode(file, file.read_bytes(), _COLOR).shape[:2]
        return width, height


def read_image(file: Path) -> np.ndarray:
    """A frame as (H, W, 3) uint8, RGB, whatever the file holds: grey, with alpha, 16 bits.

    Raises:
        ImageFileError: the file is no image, or damaged.
        OSError: it cannot be read.
    """
    data = file.read_bytes()
    return cv2.cvtColor(_decode(file, data, _COLOR), cv2.COLOR_BGR2RGB)


def read_label_map(file: Path) -> np.ndarray:
    """The values of a label map, (H, W) uint8 or uint16; of a PNG with a palette, the indices.

    Raises:
        ImageFileError: the file is no image, damaged, or no map of classes.
        OSError: it cannot be read.
    """
    data = file.read_bytes()
    values = _decode(file, data, cv2.IMREAD_UNCHANGED)
    if data.startswith(_PNG) and data[_COLOR_TYPE] == _PALETTE:
        # OpenCV gives nothing but the colours of a palette, Pillow takes some damage for data.
        with Image.open(BytesIO(data)) as picture:
            return np.array(picture)
    if values.ndim != 2 or values.dtype not in (np.uint8, np.uint16):
        raise ImageFileError(
            f"{file}: expected an image of one channel, 8 or 16 bits, the class of each pixel, or "
            f"a PNG with a palette, got {values.shape} {values.dtype}"
        )
    return values


def _decode(file: Path, data: bytes, form: int) -> np.ndarray:
    """What OpenCV makes of it; `form` is one of its IMREAD constants."""
    if not data:
        raise ImageFileError(f"{file} is empty, not an image")
    try:
        picture = cv2.imdecode(np.frombuffer(data, np.uint8), form)
    except cv2.error as error:
        raise ImageFileError(f"{file} is not an image that OpenCV can read: {error.err}") from None
    if picture is None:
        raise ImageFileError(f"{file} is not an image that OpenCV can read, or it is damaged")
    # OpenCV makes grey of what is missing.
    if data.startswith(_JPEG) and data.rfind(_JPEG_END) < data.rfind(_JPEG_SCAN):
        raise ImageFileError(f"{file} is cut off: the end of the JPEG is missing")
    return picture
