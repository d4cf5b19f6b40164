"""Video of one's own camera with labels that a network has made, as `lmanet label` writes it.

    ROOT/classes.yaml                 class_names and palette
    ROOT/images/drive/000000.jpg      frames of the video 'drive'
    ROOT/labels/drive/000000.png      a class per pixel, 255 where the teacher was not sure

Labels of any other program may lie in folders beside `labels`, in the same classes.
"""

from __future__ import annotations

from pathlib import Path

import yaml

from lmanet_core.classes import IGNORE_LABEL, ClassTable
from lmanet_core.config import ModelConfig
from lmanet_core.data.stored_video import LabelEncoding, StoredVideo
from lmanet_core.data.video import DatasetError, VideoDataset
from lmanet_core.natural_order import natural_order

SPLITS = ("train", "val", "all")
VAL_SHARE = 0.2
"""Of each video: its end."""
CLASSES, IMAGES, LABELS = "classes.yaml", "images", "labels"
IMAGE_SUFFIX, LABEL_SUFFIX = ".jpg", ".png"


def open_recording(
    root: Path, split: str, size: tuple[int, int] | None = None, labels: str | None = None
) -> VideoDataset:
    """The videos of a folder; frames without a label map have none.

    Args:
        root: the folder of the layout above.
        split: one of `SPLITS`. 'val' is the last fifth of each video, 'train' what comes before.
        size: (width, height) of images and labels; None: as stored.
        labels: folder with the label maps; None: 'labels'.

    Raises:
        DatasetError: the split is unknown, or something is missing.
    """
    if split not in SPLITS:
        raise DatasetError(f"a recording has the splits {SPLITS}, got {split!r}")
    classes = read_classes(root / CLASSES)
    folders = sorted(
        (folder for folder in (root / IMAGES).glob("*") if folder.is_dir()), key=natural_order
    )
    encoding = LabelEncoding({**{c: c for c in range(len(classes))}, IGNORE_LABEL: IGNORE_LABEL})
    videos = tuple(
        _video(folder, root / (labels or LABELS) / folder.name, split, encoding, size)
        for folder in folders
    )
    if not any(video.labelled for video in videos):
        raise DatasetError(
            f"no recording in {root}: expected images in {root / IMAGES / 'VIDEO'} and labels in "
            f"{root / (labels or LABELS) / 'VIDEO'}; `lmanet label` writes them"
        )
    return VideoDataset("recording", classes, videos)


def read_classes(path: Path) -> ClassTable:
    """The class table in a YAML file with the entries class_names and palette.

    Raises:
        DatasetError: there is none.
    """
    try:
        values = yaml.safe_load(path.read_text())
    except (OSError, yaml.YAMLError) as error:
        raise DatasetError(f"{path} is not a readable YAML file: {error}") from None
    if not isinstance(values, dict) or set(values) != {"class_names", "palette"}:
        raise DatasetError(f"{path}: expected the two entries class_names and palette")
    try:
        return ModelConfig.from_dict(values).classes
    except ValueError as error:
        raise DatasetError(f"{path}: {error}") from None


def write_classes(classes: ClassTable, path: Path) -> None:
    """Inverse of `read_classes`."""
    config = ModelConfig(classes=classes).to_dict()
    values = {name: config[name] for name in ("class_names", "palette")}
    path.write_text(yaml.safe_dump(values, default_flow_style=None, sort_keys=False))


def _video(
    images: Path,
    labels: Path,
    split: str,
    encoding: LabelEncoding,
    size: tuple[int, int] | None,
) -> StoredVideo:
    files = sorted(images.glob(f"*{IMAGE_SUFFIX}"), key=natural_order)
    first_of_val = len(files) - round(VAL_SHARE * len(files))
    parts = {"train": files[:first_of_val], "val": files[first_of_val:], "all": files}
    maps = {i: labels / f"{file.stem}{LABEL_SUFFIX}" for i, file in enumerate(parts[split])}
    return StoredVideo(
        name=images.name,
        images=tuple(parts[split]),
        label_files={i: file for i, file in maps.items() if file.is_file()},
        encoding=encoding,
        size=size,
    )
