"""DAVIS 2016: the main object of a video against its background, every frame labelled.

    ROOT/train.txt, ROOT/val.txt            names of the videos, one a line
    ROOT/JPEGImages/bear/00000.jpg          24 frames a second
    ROOT/Annotations/bear/00000.png         0 background, any other value the object

In the official archive JPEGImages and Annotations have a folder 480p below them: `ROOT` is then a
folder of links to those and of the lists.

Source: Perazzi et al., CVPR 2016.
"""

from __future__ import annotations

from pathlib import Path

from lmanet_core.data.image_files import images_by_stem
from lmanet_core.data.natural_order import natural_order
from lmanet_core.data.stored_video import LabelEncoding, StoredVideo, require_files
from lmanet_core.data.video import DatasetError, VideoDataset
from lmanet_core.network.classes import DAVIS

SPLITS = ("train", "val")
_ENCODING = LabelEncoding({0: 0, **dict.fromkeys(range(1, 256), 1)})


def open_davis(root: Path, split: str, size: tuple[int, int] | None = None) -> VideoDataset:
    """The videos of a list.

    Args:
        root: the folder of the layout above.
        split: one of `SPLITS`.
        size: (width, height) of images and labels; None: as stored.

    Raises:
        DatasetError: the split is unknown, or files are missing.
    """
    if split not in SPLITS:
        raise DatasetError(f"DAVIS has the splits {SPLITS}, got {split!r}")
    names = root / f"{split}.txt"
    if not names.is_file():
        raise DatasetError(f"no DAVIS in {root}: expected {names}, a name of a video in each line")
    videos = tuple(_video(root, name, size) for name in names.read_text().split())
    files = (file for video in videos for file in (*video.images, *video.label_files.values()))
    require_files(files, "DAVIS")
    return VideoDataset("davis", DAVIS, videos)


def _video(root: Path, name: str, size: tuple[int, int] | None) -> StoredVideo:
    image_folder, label_folder = root / "JPEGImages" / name, root / "Annotations" / name
    images, labels = images_by_stem(image_folder), images_by_stem(label_folder)
    frames = sorted({*images, *labels}, key=natural_order)
    if not frames:
        raise DatasetError(f"no frames of the video '{name}': expected images in {image_folder}")
    return StoredVideo(
        name=name,
        images=tuple(images.get(frame, image_folder / f"{frame}.jpg") for frame in frames),
        label_files={
            i: labels.get(frame, label_folder / f"{frame}.png") for i, frame in enumerate(frames)
        },
        encoding=_ENCODING,
        size=size,
    )
