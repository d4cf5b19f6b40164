"""Video of one's own camera with labels that a network has made, as `lmanet label` writes it.

    ROOT/classes.yaml                 class_names and palette
    ROOT/images/drive/000000.jpg      frames of the video 'drive', in any format of images
    ROOT/labels/drive/000000.png      a class per pixel, 255 where the teacher was not sure

Labels of any other program may lie in folders beside `labels`, in the same classes.
"""

from __future__ import annotations

import logging
from collections.abc import Sequence
from itertools import pairwise
from pathlib import Path

import yaml

from lmanet_core.data.image_files import images_by_stem, is_hidden
from lmanet_core.data.natural_order import natural_order
from lmanet_core.data.stored_video import LabelEncoding, StoredVideo, list_files
from lmanet_core.data.video import DatasetError, VideoDataset
from lmanet_core.network.classes import IGNORE_LABEL, ClassTable
from lmanet_core.network.model_config import ModelConfig
from lmanet_core.output.files import write_text

SPLITS = ("train", "val", "all")
VAL_SHARE = 0.2
"""Share of each video, at its end, that is for validation."""
CLASSES, IMAGES, LABELS = "classes.yaml", "images", "labels"
IMAGE_SUFFIX, LABEL_SUFFIX = ".jpg", ".png"
MOST_NAMED = 10
"""Images that a line names; of more it tells the number."""
_LOG = logging.getLogger(__name__)


def open_recording(
    root: Path, split: str, size: tuple[int, int] | None = None, labels: str | None = None
) -> VideoDataset:
    """The videos of a folder; frames without a label map have none.

    Where one seems to be missing, among others or in a whole video, that is logged.

    Args:
        root: the folder of the layout above.
        split: one of `SPLITS`. 'val' is the last fifth of each video, 'train' what comes before.
        size: (width, height) of images and labels; None: as stored.
        labels: folder with the label maps; None: 'labels'.

    Raises:
        DatasetError: the split is unknown, something is missing, or label maps have no image.
    """
    if split not in SPLITS:
        raise DatasetError(f"a recording has the splits {SPLITS}, got {split!r}")
    classes = read_classes(root / CLASSES)
    names = _videos(root / IMAGES)
    label_root = root / (labels or LABELS)
    if strange := sorted(_videos(label_root) - names):
        raise DatasetError(
            f"label maps without images: expected {root / IMAGES / strange[0]} beside "
            f"{label_root / strange[0]}"
        )
    encoding = LabelEncoding({**{c: c for c in range(len(classes))}, IGNORE_LABEL: IGNORE_LABEL})
    videos = tuple(
        _video(root / IMAGES / name, label_root / name, split, encoding, size)
        for name in sorted(names, key=natural_order)
    )
    if not any(video.labelled for video in videos):
        raise DatasetError(
            f"no recording in {root}: expected images in {root / IMAGES / 'VIDEO'} and labels in "
            f"{label_root / 'VIDEO'}; `lmanet label` writes them"
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
    write_text(path, yaml.safe_dump(values, default_flow_style=None, sort_keys=False))


def _video(
    images: Path,
    labels: Path,
    split: str,
    encoding: LabelEncoding,
    size: tuple[int, int] | None,
) -> StoredVideo:
    files, maps = images_by_stem(images), images_by_stem(labels)
    if strange := [file for stem, file in maps.items() if stem not in files]:
        raise DatasetError(
            f"{len(strange)} label maps have no image of their name in {images}: remove them, or "
            f"bring the images back:{list_files(strange)}"
        )
    if strange := [file for file in maps.values() if file.suffix.lower() != LABEL_SUFFIX]:
        raise DatasetError(f"label maps must be PNG files, got:{list_files(strange)}")
    stems = list(files)
    _tell_missing(images, labels, [stem in maps for stem in stems], stems)
    first_of_val = len(stems) - round(VAL_SHARE * len(stems))
    parts = {"train": stems[:first_of_val], "val": stems[first_of_val:], "all": stems}
    return StoredVideo(
        name=images.name,
        images=tuple(files[stem] for stem in parts[split]),
        label_files={i: maps[stem] for i, stem in enumerate(parts[split]) if stem in maps},
        encoding=encoding,
        size=size,
    )


def _videos(folder: Path) -> set[str]:
    """Names of the folders in a folder."""
    return {part.name for part in folder.glob("*") if part.is_dir() and not is_hidden(part)}


def _tell_missing(
    images: Path, labels: Path, labelled: Sequence[bool], stems: Sequence[str]
) -> None:
    """Log which images have no label map although the others of their video say they should.

    Every so many-th frame has one, as many as lie between those two that are nearest.
    """
    there = [index for index, has_labels in enumerate(labelled) if has_labels]
    step = min((after - before for before, after in pairwise(there)), default=len(stems))
    expected = range(there[0] % step, len(stems), step) if there else range(len(stems))
    if missing := [index for index in expected if not labelled[index]]:
        listed = ", ".join(stems[index] for index in missing[:MOST_NAMED])
        more = f" and {len(missing) - MOST_NAMED} more" if len(missing) > MOST_NAMED else ""
        _LOG.warning(
            f"{images}: {len(missing)} of {len(stems)} images have no label map in {labels} and "
            f"count as unlabelled: {listed}{more}"
        )
