"""The data sets by name. To add one, write its function and name it in `DATASETS`."""

from __future__ import annotations

import inspect
from pathlib import Path
from typing import Protocol

from lmanet_core.data.video import DatasetError, VideoDataset
from lmanet_core.program.registry import Registry

SYNTHETIC = "synthetic"
"""The data set that is rendered, and so lies in no folder."""


class OpenDataset(Protocol):
    """Finds the files of a data set; see `open_dataset`.

    One whose labels may be from elsewhere has a fourth argument, `labels: str | None`.
    """

    def __call__(self, root: Path, split: str, size: tuple[int, int] | None) -> VideoDataset: ...


DATASETS: Registry[OpenDataset] = Registry(
    "dataset",
    "lmanet.datasets",
    {
        "camvid": "lmanet_core.data.camvid:open_camvid",
        "davis": "lmanet_core.data.davis:open_davis",
        "cityscapes": "lmanet_core.data.cityscapes:open_cityscapes",
        "recording": "lmanet_core.data.recording:open_recording",
        SYNTHETIC: "lmanet_core.data.street_dataset:open_street_dataset",
    },
)
"""Data sets by name; installed packages announce theirs in the entry points of that group."""


def takes_labels(name: str) -> bool:
    """Whether a data set may have labels from elsewhere."""
    return "labels" in inspect.signature(DATASETS.find(name)).parameters


def open_dataset(
    name: str,
    root: Path | None,
    split: str,
    size: tuple[int, int] | None = None,
    labels: str | None = None,
) -> VideoDataset:
    """Find all files of a data set; images are read when they are asked for.

    Args:
        name: one of `DATASETS`.
        root: the data set's folder; None for 'synthetic', which is rendered.
        split: 'train', 'val' and what else the data set has.
        size: (width, height) to which images (antialiased) and labels (to the nearest) are
            brought; None: as stored.
        labels: folder in `root` with labels from elsewhere, see `open_cityscapes` and
            `open_recording`; None: the data set's own.

    Raises:
        DatasetError: name or split is unknown, or files are missing; it lists them.
    """
    try:
        found = DATASETS.find(name)
    except ValueError as error:
        raise DatasetError(str(error)) from None
    if labels is not None and not takes_labels(name):
        able = " and ".join(filter(takes_labels, DATASETS))
        raise DatasetError(f"labels from elsewhere are for {able}, not for '{name}'")
    if root is None and name != SYNTHETIC:
        raise DatasetError(f"the data set '{name}' needs a root, the folder it lies in")
    return found(root or Path(), split, size, **({} if labels is None else {"labels": labels}))
