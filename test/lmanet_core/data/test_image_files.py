"""Images and label maps as people have them."""

from __future__ import annotations

import logging
from pathlib import Path

import cv2
import numpy as np
import pytest
from PIL import Image

from lmanet_core.data.datasets import open_dataset
from lmanet_core.data.image_files import read_image, read_label_map
from lmanet_core.data.recording import write_classes
from lmanet_core.data.video import DatasetError, Video
from lmanet_core.data.video_files import read_video
from lmanet_core.network.classes import CAMVID

LABELS = np.arange(6, dtype=np.uint8).reshape(2, 3).repeat(8, 0).repeat(8, 1)
IMAGE = np.stack([40 * LABELS, 255 - 40 * LABELS, 20 * LABELS], 2)
SIDEWAYS = Image.Exif()
SIDEWAYS[0x0112] = 6


def write(file: Path, picture: np.ndarray | Image.Image, **options: object) -> Path:
    file.parent.mkdir(parents=True, exist_ok=True)
    picture = Image.fromarray(picture) if isinstance(picture, np.ndarray) else picture
    picture.save(file, **options)
    return file


def recording(root: Path, suffix: str = ".jpg", frames: int = 1, **options: object) -> Path:
    """Some frames with their labels."""
    write_classes(CAMVID, root / "classes.yaml")
    for number in range(frames):
        write(root / f"images/drive/{number:03}{suffix}", IMAGE, **options)
        write(root / f"labels/drive/{number:03}.png", LABELS)
    return root


def first_video(root: Path, **options: object) -> Video:
    return open_dataset("recording", root, "all", **options).videos[0]  # type: ignore[arg-type]


@pytest.mark.parametrize("bits", [8, 4])
def test_a_palette_does_not_count_its_indices_do(bits: int, tmp_path: Path) -> None:
    picture = Image.fromarray(LABELS)
    picture.putpalette([value for index in range(6) for value in (9 * index, 255 - index, 7)])
    file = write(tmp_path / "a.png", picture, bits=bits, transparency=0)
    np.testing.assert_array_equal(read_label_map(file), LABELS)


def test_a_label_map_has_8_or_16_bits(tmp_path: Path) -> None:
    file = tmp_path / "a.png"
    cv2.imwrite(str(file), LABELS.astype(np.uint16) * 1000)
    np.testing.assert_array_equal(read_label_map(file), LABELS.astype(np.uint16) * 1000)
    file = tmp_path / "a.tiff"
    cv2.imwrite(str(file), LABELS.astype(np.float32))
    with pytest.raises(DatasetError, match=r"a\.tiff: expected an image of one channel, 8 or 16"):
        read_label_map(file)


def test_frames_are_rgb_whatever_the_file_holds(tmp_path: Path) -> None:
    alpha = np.dstack([IMAGE, np.full_like(LABELS, 9)])
    np.testing.assert_array_equal(read_image(write(tmp_path / "alpha.png", alpha)), IMAGE)
    grey = read_image(write(tmp_path / "grey.png", LABELS))
    np.testing.assert_array_equal(grey, np.dstack([LABELS] * 3))
    cv2.imwrite(str(tmp_path / "deep.png"), IMAGE[..., ::-1].astype(np.uint16) * 257)
    np.testing.assert_array_equal(read_image(tmp_path / "deep.png"), IMAGE)


@pytest.mark.parametrize("content", ["nothing", "half", "text"])
@pytest.mark.parametrize("suffix", [".jpg", ".png"])
def test_what_is_no_whole_image_is_named(content: str, suffix: str, tmp_path: Path) -> None:
    file = write(tmp_path / f"0{suffix}", IMAGE)
    data = file.read_bytes()
    file.write_bytes({"nothing": b"", "half": data[: len(data) // 2], "text": b"image"}[content])
    for read in (read_image, read_label_map):
        with pytest.raises(DatasetError, match=str(file)):
            read(file)
    palette = Image.fromarray(LABELS, "P")
    palette.putpalette([0, 0, 0] * 6)
    data = write(tmp_path / "p.png", palette).read_bytes()
    for length in range(30, len(data) - 12, 11):
        (tmp_path / "p.png").write_bytes(data[:length])
        with pytest.raises(DatasetError, match=r"p\.png"):
            read_label_map(tmp_path / "p.png")


def test_orientation_counts_nowhere(tmp_path: Path) -> None:
    root = recording(tmp_path, exif=SIDEWAYS)
    video = first_video(root)
    assert video.image(0).shape == (16, 24, 3)
    np.testing.assert_array_equal(video.labels(0), LABELS)
    (frame,) = read_video(root / "images/drive")
    np.testing.assert_array_equal(frame, video.image(0))
    # What a labelling tool makes of the turned image does not fit; also where both are resized.
    write(root / "labels/drive/000.png", np.rot90(LABELS).copy())
    for size in (None, (12, 8)):
        with pytest.raises(DatasetError, match=r"000\.png is 16x24, .* 24x16.*EXIF"):
            first_video(root, size=size).labels(0)


def test_labels_may_be_smaller_where_both_are_resized(tmp_path: Path) -> None:
    root = recording(tmp_path)
    write(root / "labels/drive/000.png", LABELS[::2, ::2].copy())
    assert first_video(root, size=(24, 16)).labels(0).shape == (16, 24)  # type: ignore[union-attr]
    with pytest.raises(DatasetError, match=r"000\.png is 12x8, .* 24x16"):
        first_video(root).labels(0)


@pytest.mark.parametrize("suffix", [".JPG", ".jpeg", ".PNG", ".Tif"])
def test_suffixes_are_read_in_any_case_and_hidden_files_not(suffix: str, tmp_path: Path) -> None:
    root = recording(tmp_path, suffix, frames=3)
    (root / f"images/drive/._000{suffix}").write_bytes(b"Mac OS X")
    (root / "labels/drive/._000.png").write_bytes(b"Mac OS X")
    (root / "images/.cache").mkdir()
    (root / "labels/drive/001.png").rename(root / "labels/drive/001.PNG")
    video = first_video(root)
    assert (len(video), list(video.labelled)) == (3, [0, 1, 2])
    assert (video.labels(1) == LABELS).all()
    assert len(list(read_video(root / "images/drive"))) == 3


def test_two_images_of_one_frame_are_refused(tmp_path: Path) -> None:
    root = recording(tmp_path)
    write(root / "images/drive/000.PNG", IMAGE)
    with pytest.raises(DatasetError, match=r"000\.(PNG|jpg) and 000\.(PNG|jpg) have one name"):
        first_video(root)


def test_label_maps_without_image_are_refused(tmp_path: Path) -> None:
    root = recording(tmp_path, frames=3)
    (root / "images/drive/001.jpg").unlink()
    with pytest.raises(DatasetError, match=r"1 label maps have no image.*\n.*drive/001\.png"):
        first_video(root)
    (root / "images/drive").rename(root / "images/other")
    with pytest.raises(DatasetError, match=r"without images: expected .*images/drive"):
        first_video(root)


def test_images_that_lack_their_label_map_are_told(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.WARNING)
    root = recording(tmp_path, frames=9)
    for number in (1, 3, 5, 7):
        (root / f"labels/drive/{number:03}.png").unlink()
    first_video(root)
    # Every other one was asked for.
    assert not caplog.messages
    (root / "labels/drive/004.png").unlink()
    assert list(first_video(root).labelled) == [0, 2, 6, 8]
    (message,) = caplog.messages
    assert "1 of 9 images have no label map" in message
    assert message.endswith("004")


@pytest.mark.parametrize("name", ["frame0001.png", "0001TP_a.png"])
def test_other_names_in_the_layout_of_camvid_are_named(name: str, camvid: Path) -> None:
    for part in ("val", "valannot"):
        (camvid / part / "0016E5_07959.png").rename(camvid / part / name)
    with pytest.raises(DatasetError, match=f"val/{name}: expected a name of CamVid's.*0001TP"):
        open_dataset("camvid", camvid, "val")


def test_other_suffixes_in_the_layout_of_camvid_are_read(camvid: Path) -> None:
    (camvid / "val/0016E5_07959.png").rename(camvid / "val/0016E5_07959.PNG")
    (camvid / "val/._0016E5_07961.png").write_bytes(b"Mac OS X")
    (video,) = open_dataset("camvid", camvid, "val").videos
    assert (len(video), video.image(0).shape) == (18, (32, 64, 3))


@pytest.mark.parametrize(
    "name", ["0001", "lindau_0001", "lindau_000000_19", "lindau_000000_00001a", "000000_000019"]
)
@pytest.mark.parametrize("part", ["leftImg8bit", "gtFine"])
def test_other_names_in_the_layout_of_cityscapes_are_named(
    part: str, name: str, cityscapes: Path
) -> None:
    folder = cityscapes / part / "val/lindau"
    suffix = {"leftImg8bit": "_leftImg8bit.png", "gtFine": "_gtFine_labelIds.png"}[part]
    (folder / f"lindau_000000_000019{suffix}").rename(folder / f"{name}{suffix}")
    with pytest.raises(
        DatasetError, match=f"{name}{suffix}: expected .*lindau_000000_000019{suffix}"
    ):
        open_dataset("cityscapes", cityscapes, "val")
    (folder / f"{name}{suffix}").rename(folder / f"{name}.png")
    with pytest.raises(DatasetError, match=f"{name}.png: expected a name of Cityscapes'"):
        open_dataset("cityscapes", cityscapes, "val")
