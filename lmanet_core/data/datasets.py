"""The data sets by name. To add one, write its `open_...` and name it here."""

from __future__ import annotations

from pathlib import Path

from lmanet_core.data.camvid import open_camvid
from lmanet_core.data.cityscapes import open_cityscapes
from lmanet_core.data.street_dataset import open_streets
from lmanet_core.data.video import DatasetError, VideoDataset

_STORED = {"camvid": open_camvid, "cityscapes": open_cityscapes}
"""Those that lie in a folder."""

DATASETS = (*_STORED, "synthetic")


def open_dataset(
    name: str, root: Path | None, split: str, size: tuple[int, int] | None = None
) -> VideoDataset:
    """Find all files of a data set; images are read when they are asked for.

    Args:
        name: one of `DATASETS`.
        root: the data set's folder; None for 'synthetic', which is rendered.
        split: 'train', 'val' and what else the data set has.
        size: (width, height) to which images (antialiased) and labels (to the nearest) are
            brought; None: as stored.

    Raises:
        DatasetError: name or split is unknown, or files are missing; it lists them.
    """
    if name == "synthetic":
        dataset = open_streets(split, size)
    elif name not in _STORED:
        raise DatasetError(f"dataset must be one of {DATASETS}, got {name!r}")
    elif root is None:
        raise DatasetError(f"the data set '{name}' needs a root, the folder it lies in")
    else:
        dataset = _STORED[name](root, split, size)
    return dataset
