"""The data sets by name. To add one, write its `open_...` and name it here."""

from __future__ import annotations

from pathlib import Path

from lmanet_core.data.camvid import open_camvid
from lmanet_core.data.cityscapes import open_cityscapes
from lmanet_core.data.davis import open_davis
from lmanet_core.data.recording import open_recording
from lmanet_core.data.street_dataset import open_streets
from lmanet_core.data.video import DatasetError, VideoDataset

_STORED = {"camvid": open_camvid, "davis": open_davis}
"""Those that lie in a folder."""
_WITH_OTHER_LABELS = {"cityscapes": open_cityscapes, "recording": open_recording}
"""Those that may have labels from elsewhere."""

DATASETS = (*_STORED, *_WITH_OTHER_LABELS, "synthetic")


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
    if name not in DATASETS:
        raise DatasetError(f"dataset must be one of {DATASETS}, got {name!r}")
    if labels is not None and name not in _WITH_OTHER_LABELS:
        raise DatasetError(
            f"labels from elsewhere are for {' and '.join(_WITH_OTHER_LABELS)}, not for '{name}'"
        )
    if name == "synthetic":
        return open_streets(split, size)
    if root is None:
        raise DatasetError(f"the data set '{name}' needs a root, the folder it lies in")
    if name in _WITH_OTHER_LABELS:
        return _WITH_OTHER_LABELS[name](root, split, size, labels)
    return _STORED[name](root, split, size)
