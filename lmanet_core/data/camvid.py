"""CamVid in the widely used 480x360 layout with 11 classes.

    ROOT/train/0001TP_006690.png    ROOT/trainannot/0001TP_006690.png    367 frames at 1 Hz
    ROOT/val/0016E5_07959.png       ROOT/valannot/0016E5_07959.png       one video at 15 Hz
    ROOT/test/Seq05VD_f00000.png    ROOT/testannot/Seq05VD_f00000.png    233 frames at 1 Hz

Source: Brostow et al., Pattern Recognition Letters 2009.
"""

from __future__ import annotations

import itertools
import re
from collections.abc import Iterator, Mapping
from pathlib import Path

from lmanet_core.data.image_files import images_by_stem
from lmanet_core.data.stored_video import LabelEncoding, StoredVideo, require_files
from lmanet_core.data.video import DatasetError, VideoDataset
from lmanet_core.network.classes import CAMVID, IGNORE_LABEL

SPLITS = ("train", "val", "test", "fit", "holdout")
"""`fit` and `holdout` divide `train`, for choices that must not see `val`."""
_FRAME_STEP = {"train": 30, "val": 2, "test": 30}
"""How many frame numbers of the 30 Hz camera lie between neighbours of a video."""
_NAME = re.compile(r".+_f?[0-9]+")
_UNLABELLED = 11
_ENCODING = LabelEncoding({**{c: c for c in range(len(CAMVID))}, _UNLABELLED: IGNORE_LABEL})


def open_camvid(root: Path, split: str, size: tuple[int, int] | None = None) -> VideoDataset:
    """Every frame has labels; a gap in the frame numbers begins a new video.

    Args:
        root: the folder of the layout above.
        split: one of `SPLITS`. `holdout` is the first tenth of each drive of `train`, `fit` the
            rest.
        size: (width, height) of images and labels; None: as stored.

    Raises:
        DatasetError: the split is unknown, or files are missing.
    """
    if split not in SPLITS:
        raise DatasetError(f"CamVid has the splits {SPLITS}, got {split!r}")
    folder = split if split in ("val", "test") else "train"
    images, labels = (images_by_stem(root / part) for part in (folder, f"{folder}annot"))
    names = _list_names(root, folder, images, labels)
    if split in ("fit", "holdout"):
        holdout = _holdout(names)
        names = [name for name in names if (name in holdout) == (split == "holdout")]
    videos = tuple(_video(images, labels, run, size) for run in _runs(names, _FRAME_STEP[folder]))
    return VideoDataset("camvid", CAMVID, videos)


def _list_names(
    root: Path, folder: str, images: Mapping[str, Path], labels: Mapping[str, Path]
) -> list[str]:
    """Names of all frames, each of which has its image and its labels."""
    names = sorted({*images, *labels})
    parts = {root / folder: images, root / f"{folder}annot": labels}
    if not names:
        raise DatasetError(
            f"no CamVid in {root}: expected images in {' and '.join(map(str, parts))}"
        )
    for name in names:
        if not _NAME.fullmatch(name):
            raise DatasetError(
                f"{images.get(name) or labels[name]}: expected a name of CamVid's, the drive and "
                "the number of the frame, such as 0001TP_006690.png or Seq05VD_f00000.png; images "
                "of one's own are the data set 'recording'"
            )
    missing = (
        part / f"{name}.png" for name in names for part, there in parts.items() if name not in there
    )
    require_files(missing, "CamVid")
    return names


def _holdout(names: list[str]) -> set[str]:
    drives = [list(drive) for _, drive in itertools.groupby(names, key=lambda name: name[:6])]
    return {name for drive in drives for name in drive[: round(0.1 * len(drive))]}


def _runs(names: list[str], step: int) -> Iterator[list[str]]:
    """Cut a sorted list of names wherever two are not neighbours in time."""
    run = names[:1]
    for before, name in itertools.pairwise(names):
        # One frame of the train split is numbered one too high.
        near = abs(_frame_number(name) - _frame_number(before) - step) <= 1
        if name[:6] != before[:6] or not near:
            yield run
            run = []
        run.append(name)
    yield run


def _frame_number(name: str) -> int:
    return int(name.rpartition("_")[2].lstrip("f"))


def _video(
    images: Mapping[str, Path],
    labels: Mapping[str, Path],
    names: list[str],
    size: tuple[int, int] | None,
) -> StoredVideo:
    return StoredVideo(
        name=f"{names[0]}..{names[-1]}",
        images=tuple(images[name] for name in names),
        label_files={i: labels[name] for i, name in enumerate(names)},
        encoding=_ENCODING,
        size=size,
    )
