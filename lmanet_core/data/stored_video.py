"""Videos whose frames and label maps are image files."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path

import cv2
import numpy as np

from lmanet_core.data.image_files import image_size, read_image, read_label_map
from lmanet_core.data.video import DatasetError
from lmanet_core.network.classes import label_lookup
from lmanet_core.network.resizing import resize_image

MOST_LISTED = 50
"""Missing files that a message names; of more it tells the number."""
PROPORTIONS = 0.02
"""How much the proportions of labels and images may differ, as those of rounded sizes do."""


class LabelEncoding:
    """What the values in label files mean.

    Args:
        labels: value in the file, 0..65535 -> label, 255 to ignore the pixel. Other values are
            errors.
    """

    def __init__(self, labels: Mapping[int, int]) -> None:
        self._values = sorted(labels)
        self._lookup = label_lookup(labels, 1 << 16)
        self._unknown = np.ones(1 << 16, np.uint8)
        self._unknown[self._values] = 0

    def decode(self, values: np.ndarray, file: Path) -> np.ndarray:
        """(H, W) uint8 or uint16 values of a file -> labels.

        Raises:
            DatasetError: a value has no label.
        """
        if _look_up(self._unknown, values).any():
            strange = np.unique(values[self._unknown[values] > 0]).tolist()
            raise DatasetError(f"{file}: expected the values {self._values}, got {strange}")
        return _look_up(self._lookup, values)


def _look_up(table: np.ndarray, values: np.ndarray) -> np.ndarray:
    # OpenCV is several times faster, and knows tables of bytes alone.
    return cv2.LUT(values, table[:256]) if values.dtype == np.uint8 else np.take(table, values)


@dataclass(frozen=True)
class StoredVideo:
    """Frames in image files, labels in single-channel ones.

    Attributes:
        images: files of the frames, in order.
        label_files: frame index -> file with its labels.
        encoding: what the values in label files mean.
        size: (width, height) to which images and labels are brought; None: as they are stored.
    """

    name: str
    images: tuple[Path, ...]
    label_files: Mapping[int, Path]
    encoding: LabelEncoding
    size: tuple[int, int] | None = None
    labelled: tuple[int, ...] = field(init=False)

    def __post_init__(self) -> None:
        object.__setattr__(self, "labelled", tuple(sorted(self.label_files)))

    def __len__(self) -> int:
        return len(self.images)

    def image(self, index: int) -> np.ndarray:
        image = read_image(self.images[index])
        return image if self.size is None else resize_image(image, self.size, antialias=True)

    def labels(self, index: int) -> np.ndarray | None:
        if (file := self.label_files.get(index)) is None:
            return None
        labels = self.encoding.decode(read_label_map(file), file)
        self._check_size(labels, file, self.images[index])
        if self.size is None:
            return labels
        return cv2.resize(labels, self.size, interpolation=cv2.INTER_NEAREST_EXACT)

    def _check_size(self, labels: np.ndarray, file: Path, image: Path) -> None:
        """Refuse labels that cannot be those of the image.

        Where both are brought to one size, they may be stored at two, of the same proportions.
        """
        height, width = labels.shape
        image_width, image_height = image_size(image)
        difference = abs(width * image_height - height * image_width)
        alike = self.size is not None and difference <= PROPORTIONS * width * image_height
        if (width, height) != (image_width, image_height) and not alike:
            turned = (height, width) == (image_width, image_height)
            hint = "; EXIF orientation does not count, store the image turned" if turned else ""
            raise DatasetError(
                f"{file} is {width}x{height}, its image {image} {image_width}x{image_height}: "
                f"expected labels of the same size{hint}"
            )


def require_files(files: Iterable[Path], purpose: str) -> None:
    """Find all files that are missing at once, instead of one after the other in mid-training.

    Raises:
        DatasetError: some are missing; it lists them.
    """
    if missing := [file for file in files if not file.is_file()]:
        raise DatasetError(f"{purpose}: {len(missing)} files are missing:{list_files(missing)}")


def list_files(files: Sequence[Path]) -> str:
    """A line for each of the first, and how many more there are."""
    listed = "".join(f"\n  {file}" for file in files[:MOST_LISTED])
    return listed + (f"\n  and {len(files) - MOST_LISTED} more" if len(files) > MOST_LISTED else "")
