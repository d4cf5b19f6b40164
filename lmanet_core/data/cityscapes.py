"""Cityscapes, as its archives unpack:

    ROOT/gtFine/val/lindau/lindau_000000_000019_gtFine_labelIds.png
    ROOT/leftImg8bit/val/lindau/lindau_000000_000019_leftImg8bit.png
    ROOT/leftImg8bit_sequence/val/lindau/lindau_000000_000000_leftImg8bit.png ... 000029 ...

and, where other frames have labels, too, a folder of any name for those:

    ROOT/FOLDER/val/lindau/lindau_000000_000000_labelIds.png

Source: Cordts et al., CVPR 2016.
"""

from __future__ import annotations

import functools
import re
from collections.abc import Mapping
from pathlib import Path

from lmanet_core.data.image_files import is_hidden, list_images
from lmanet_core.data.stored_video import LabelEncoding, StoredVideo, require_files
from lmanet_core.data.video import DatasetError, VideoDataset
from lmanet_core.network.classes import CITYSCAPES, IGNORE_LABEL

SPLITS = ("train", "val", "test", "fit", "holdout")
"""`fit` and `holdout` divide `train`, for choices that must not see `val`."""
HOLDOUT_CITIES = ("tubingen", "ulm", "zurich")
SNIPPET = 30
"""Frames of a video; nothing connects it to another one."""
LABELLED_FRAME = 19
"""Index of the one that is annotated, the twentieth."""
_NAME = re.compile(r"[0-9]+_[0-9]{6}")
_IMAGES, _LABELS, _OTHER_LABELS = "_leftImg8bit.png", "_gtFine_labelIds.png", "_labelIds.png"


def open_cityscapes(
    root: Path, split: str, size: tuple[int, int] | None = None, labels: str | None = None
) -> VideoDataset:
    """A video of 30 frames for each annotated one; without the folder leftImg8bit_sequence, which
    is an archive of its own, videos of the one frame.

    Labels are the 19 training classes, made from the labelIds when a file is read. The split
    'test' has none.

    Args:
        root: the folder of the layout above.
        split: one of `SPLITS`. `holdout` are the cities `HOLDOUT_CITIES` of `train`, `fit` the
            others.
        size: (width, height) of images and labels; None: as stored.
        labels: folder beside gtFine with label maps for frames that have none there.

    Raises:
        DatasetError: the split is unknown, files are missing, or `cityscapesscripts` is.
    """
    if split not in SPLITS:
        raise DatasetError(f"Cityscapes has the splits {SPLITS}, got {split!r}")
    folder = "train" if split in ("fit", "holdout") else split
    frames = _annotated_frames(root, folder)
    if folder != split:
        frames = [name for name in frames if _is_held_out(name) == (split == "holdout")]
        if not frames:
            raise DatasetError(f"no city of the split '{split}' is in {root}")
    others = {} if labels is None else _other_labels(root / labels / folder)
    videos = tuple(_video(root, folder, frame, size, others) for frame in frames)
    files = (file for video in videos for file in (*video.images, *video.label_files.values()))
    require_files(files, "Cityscapes")
    return VideoDataset("cityscapes", CITYSCAPES, videos)


@functools.cache
def train_ids() -> LabelEncoding:
    """labelIds of the files -> the 19 training classes, 255 for all else; the official table."""
    try:
        from cityscapesscripts.helpers.labels import labels
    except ImportError:
        raise DatasetError(
            "Cityscapes needs the package cityscapesscripts: pip install cityscapesscripts, "
            "or install this project with its extra 'train'"
        ) from None
    # The licence plate has the id -1 and is in no file.
    known = {label.id: label.trainId for label in labels if label.id >= 0}
    return LabelEncoding({value: IGNORE_LABEL if t < 0 else t for value, t in known.items()})


def _annotated_frames(root: Path, split: str) -> list[str]:
    """Names such as lindau_000000_000019 of the frames that have an image or labels, sorted."""
    parts = {"leftImg8bit": _IMAGES}
    if split != "test":
        parts["gtFine"] = _LABELS
    frames = {
        _frame(file, suffix)
        for part, suffix in parts.items()
        for city in (root / part / split).glob("*")
        for file in list_images(city)
        if not (part in file.name and not file.name.endswith(suffix))
    }
    if not frames:
        looked = " and ".join(
            str(root / part / split / "CITY" / f"*{parts[part]}") for part in parts
        )
        raise DatasetError(f"no Cityscapes in {root}: expected {looked}")
    return sorted(frames)


def _frame(file: Path, suffix: str) -> str:
    """Name of the frame that a file is of.

    Raises:
        DatasetError: it is not a file of Cityscapes.
    """
    city, frame = file.parent.name, file.name.removesuffix(suffix)
    named = file.name.endswith(suffix) and frame.startswith(f"{city}_")
    if not named or not _NAME.fullmatch(frame.removeprefix(f"{city}_")):
        raise DatasetError(
            f"{file}: expected a name of Cityscapes', such as {city}_000000_000019{suffix}: the "
            "folder's name, the sequence, the frame; images of one's own are the data set "
            "'recording'"
        )
    return frame


def _is_held_out(frame: str) -> bool:
    return frame.startswith(tuple(f"{city}_" for city in HOLDOUT_CITIES))


def _other_labels(folder: Path) -> dict[str, Path]:
    """Label maps by the names of their frames."""
    files = {
        file.name.removesuffix(_OTHER_LABELS): file
        for file in folder.glob(f"*/*{_OTHER_LABELS}")
        if not is_hidden(file)
    }
    if not files:
        raise DatasetError(
            f"no labels in {folder}: expected {folder / 'CITY' / f'*{_OTHER_LABELS}'}"
        )
    return files


def _video(
    root: Path,
    split: str,
    frame: str,
    size: tuple[int, int] | None,
    other_labels: Mapping[str, Path],
) -> StoredVideo:
    city, sequence, number = frame.rsplit("_", 2)
    part, names = "leftImg8bit", [frame]
    if (root / "leftImg8bit_sequence" / split).is_dir():
        first = int(number) - LABELLED_FRAME
        part = "leftImg8bit_sequence"
        names = [f"{city}_{sequence}_{first + i:06}" for i in range(SNIPPET)]
    labels = {i: other_labels[name] for i, name in enumerate(names) if name in other_labels}
    if split != "test":
        labels[names.index(frame)] = root / "gtFine" / split / city / f"{frame}{_LABELS}"
    return StoredVideo(
        name=frame,
        images=tuple(root / part / split / city / f"{name}{_IMAGES}" for name in names),
        label_files=labels,
        encoding=train_ids(),
        size=size,
    )
