"""Data sets as `open_dataset` finds them on the disk."""

from __future__ import annotations

import shutil
import sys
from importlib.metadata import EntryPoint, EntryPoints
from pathlib import Path
from types import ModuleType

import cv2
import numpy as np
import pytest
from cityscapesscripts.helpers.labels import id2label

from lmanet_core.data.data_config import DataConfig, open_clips
from lmanet_core.data.datasets import DATASETS, open_dataset
from lmanet_core.data.recording import write_classes
from lmanet_core.data.stored_video import LabelEncoding, StoredVideo
from lmanet_core.data.video import DatasetError, VideoDataset
from lmanet_core.network.classes import CAMVID, CITYSCAPES, DAVIS
from lmanet_core.program import registry


def test_camvid_is_cut_into_videos_where_seconds_are_missing(camvid: Path) -> None:
    dataset = open_dataset("camvid", camvid, "train")
    assert dataset.classes == CAMVID
    # The camera's frame 1231 is one late: no gap.
    assert [len(video) for video in dataset.videos] == [4, 3, 4]
    assert [video.name for video in dataset.videos][:2] == [
        "0001TP_006690..0001TP_006780",
        "0006R0_f00930..0006R0_f00990",
    ]
    (val,) = open_dataset("camvid", camvid, "val").videos
    assert len(val) == len(val.labelled) == 18
    # At 15 Hz, too, a frame that is missing is a gap.
    for part in ("val", "valannot"):
        sorted((camvid / part).iterdir())[6].unlink()
    assert [len(video) for video in open_dataset("camvid", camvid, "val").videos] == [6, 11]


def test_camvid_holdout_and_fit_divide_the_training_split(camvid: Path) -> None:
    def frames(split: str) -> set[Path]:
        videos = open_dataset("camvid", camvid, split).videos
        return {file for video in videos for file in video.images}  # type: ignore[attr-defined]

    # Rounded tenths of 4 and of 7 frames.
    assert [file.name for file in frames("holdout")] == ["0006R0_f00930.png"]
    assert frames("fit") | frames("holdout") == frames("train")
    assert not frames("fit") & frames("holdout")


def test_unlabelled_pixels_are_ignored_and_images_are_rgb(camvid: Path) -> None:
    video = open_dataset("camvid", camvid, "train").videos[0]
    stored = cv2.imread(str(camvid / "trainannot" / "0001TP_006720.png"), cv2.IMREAD_UNCHANGED)
    labels = video.labels(1)
    assert labels is not None
    np.testing.assert_array_equal(labels, np.where(stored == 11, 255, stored))
    picture = cv2.imread(str(camvid / "train" / "0001TP_006720.png"))
    np.testing.assert_array_equal(video.image(1), picture[..., ::-1])


def test_images_and_labels_are_brought_to_the_size_asked_for(camvid: Path) -> None:
    video = open_dataset("camvid", camvid, "val", size=(32, 16)).videos[0]
    labels = video.labels(0)
    assert labels is not None
    assert video.image(0).shape == (16, 32, 3)
    assert labels.shape == (16, 32)
    assert set(np.unique(labels)) <= {*range(11), 255}


def test_a_label_outside_of_the_table_is_named_with_its_file(camvid: Path) -> None:
    cv2.imwrite(str(camvid / "valannot" / "0016E5_07959.png"), np.full((32, 64), 12, np.uint8))
    video = open_dataset("camvid", camvid, "val").videos[0]
    with pytest.raises(DatasetError, match=r"0016E5_07959\.png: expected the values .*got \[12\]"):
        video.labels(0)


def test_a_label_file_in_colours_is_refused(camvid: Path) -> None:
    cv2.imwrite(str(camvid / "valannot" / "0016E5_07959.png"), np.zeros((32, 64, 3), np.uint8))
    video = open_dataset("camvid", camvid, "val").videos[0]
    with pytest.raises(DatasetError, match="image of one channel, 8 or 16 bits"):
        video.labels(0)


def test_all_missing_files_are_listed_at_once(camvid: Path) -> None:
    (camvid / "train" / "0001TP_006690.png").unlink()
    (camvid / "trainannot" / "0006R0_f01290.png").unlink()
    with pytest.raises(DatasetError) as error:
        open_dataset("camvid", camvid, "train")
    assert "2 files are missing" in str(error.value)
    assert str(camvid / "train" / "0001TP_006690.png") in str(error.value)
    assert str(camvid / "trainannot" / "0006R0_f01290.png") in str(error.value)


def test_a_cityscapes_snippet_is_a_video_with_labels_of_its_twentieth_frame(
    cityscapes: Path,
) -> None:
    dataset = open_dataset("cityscapes", cityscapes, "train")
    assert dataset.classes == CITYSCAPES
    assert [video.name for video in dataset.videos] == [
        "aachen_000000_000019",
        "aachen_000001_000019",
        "hamburg_000000_000042",
    ]
    for video in dataset.videos:
        assert len(video) == 30
        assert list(video.labelled) == [19]
        assert video.labels(18) is None
    hamburg = cityscapes / "leftImg8bit_sequence" / "train" / "hamburg"
    first = cv2.imread(str(hamburg / "hamburg_000000_000023_leftImg8bit.png"))
    np.testing.assert_array_equal(dataset.videos[2].image(0), first[..., ::-1])


def test_label_ids_become_training_classes_by_the_official_table(cityscapes: Path) -> None:
    video = open_dataset("cityscapes", cityscapes, "val").videos[0]
    file = cityscapes / "gtFine/val/frankfurt/frankfurt_000000_000294_gtFine_labelIds.png"
    ids = cv2.imread(str(file), cv2.IMREAD_UNCHANGED)
    labels = video.labels(19)
    assert labels is not None
    for value in np.unique(ids).tolist():
        train_id = id2label[value].trainId
        np.testing.assert_array_equal(labels[ids == value], train_id)
        assert train_id == 255 or CITYSCAPES.names[train_id] == id2label[value].name


def test_cityscapes_without_its_sequences_has_videos_of_one_frame(cityscapes: Path) -> None:
    shutil.rmtree(cityscapes / "leftImg8bit_sequence")
    videos = open_dataset("cityscapes", cityscapes, "val").videos
    assert [(len(video), list(video.labelled)) for video in videos] == [(1, [0]), (1, [0])]


def test_cityscapes_sequences_do_without_the_single_images(cityscapes: Path) -> None:
    shutil.rmtree(cityscapes / "leftImg8bit")
    assert len(open_dataset("cityscapes", cityscapes, "train").videos) == 3


def test_the_labels_of_the_cityscapes_test_split_are_not_read(cityscapes: Path) -> None:
    (video,) = open_dataset("cityscapes", cityscapes, "test").videos
    assert len(video) == 30
    assert not video.labelled


def test_missing_frames_and_labels_of_cityscapes_are_listed(cityscapes: Path) -> None:
    sequence = cityscapes / "leftImg8bit_sequence" / "train"
    missing = [
        sequence / "hamburg" / "hamburg_000000_000030_leftImg8bit.png",
        cityscapes / "gtFine" / "train" / "aachen" / "aachen_000001_000019_gtFine_labelIds.png",
    ]
    for file in missing:
        file.unlink()
    shutil.rmtree(sequence / "aachen")
    with pytest.raises(DatasetError, match="62 files are missing") as error:
        open_dataset("cityscapes", cityscapes, "train")
    assert "and 12 more" in str(error.value)


def test_other_labels_of_cityscapes_fill_in_where_there_are_none_by_hand(cityscapes: Path) -> None:
    folder = cityscapes / "network_labels" / "train" / "aachen"
    folder.mkdir(parents=True)
    for name in ("aachen_000000_000018", "aachen_000000_000019"):
        cv2.imwrite(str(folder / f"{name}_labelIds.png"), np.full((32, 64), 26, np.uint8))
    videos = open_dataset("cityscapes", cityscapes, "train", labels="network_labels").videos
    assert [list(video.labelled) for video in videos] == [[18, 19], [19], [19]]
    other, own = videos[0].labels(18), videos[0].labels(19)
    assert other is not None
    assert own is not None
    assert {CITYSCAPES.names[label] for label in np.unique(other)} == {"car"}
    assert len(np.unique(own)) > 1
    with pytest.raises(DatasetError, match=r"no labels in .*nothing/train: expected .*labelIds"):
        open_dataset("cityscapes", cityscapes, "train", labels="nothing")
    with pytest.raises(DatasetError, match="cityscapes and recording, not for 'camvid'"):
        open_dataset("camvid", cityscapes, "train", labels="network_labels")


def test_camvid_has_a_test_split_where_its_folder_is_there(camvid: Path) -> None:
    with pytest.raises(DatasetError, match="no CamVid in"):
        open_dataset("camvid", camvid, "test")
    for part in ("", "annot"):
        shutil.copytree(camvid / f"train{part}", camvid / f"test{part}")
    assert [len(video) for video in open_dataset("camvid", camvid, "test").videos] == [4, 3, 4]


def test_davis_has_labels_for_every_frame_of_the_videos_of_a_list(davis: Path) -> None:
    train = open_dataset("davis", davis, "train")
    assert train.classes == DAVIS
    assert [(video.name, len(video), len(video.labelled)) for video in train.videos] == [
        ("bear", 5, 5),
        ("boat", 5, 5),
    ]
    (cows,) = open_dataset("davis", davis, "val").videos
    mask = cv2.imread(str(davis / "Annotations/cows/00002.png"), cv2.IMREAD_UNCHANGED)
    np.testing.assert_array_equal(cows.labels(2), mask > 0)
    (davis / "JPEGImages/cows/00003.jpg").unlink()
    with pytest.raises(DatasetError, match=r"1 files are missing:\s+.*cows/00003\.jpg"):
        open_dataset("davis", davis, "val")


def test_a_recording_has_labels_where_a_program_has_made_some(tmp_path: Path) -> None:
    for number in range(10):
        write_picture(tmp_path / f"images/drive/{number:06}.jpg", np.zeros((32, 64, 3), np.uint8))
    for folder, number, label in (("labels", 0, 3), ("labels", 9, 255), ("better", 4, 1)):
        file = tmp_path / folder / "drive" / f"{number:06}.png"
        write_picture(file, np.full((32, 64), label, np.uint8))
    write_classes(CAMVID, tmp_path / "classes.yaml")
    (train,), (val,) = (open_dataset("recording", tmp_path, s).videos for s in ("train", "val"))
    assert (train.name, len(train), list(train.labelled)) == ("drive", 8, [0])
    assert (len(val), list(val.labelled)) == (2, [1])
    better = open_dataset("recording", tmp_path, "all", labels="better")
    assert better.classes == CAMVID
    assert list(better.videos[0].labelled) == [4]
    assert (better.videos[0].labels(4) == 1).all()
    with pytest.raises(DatasetError, match="`lmanet label` writes them"):
        open_dataset("recording", tmp_path, "all", labels="worse")
    with pytest.raises(DatasetError, match=r"nowhere/classes\.yaml is not a readable"):
        open_dataset("recording", tmp_path / "nowhere", "all")


def write_picture(file: Path, picture: np.ndarray) -> None:
    file.parent.mkdir(parents=True, exist_ok=True)
    cv2.imwrite(str(file), picture)


def test_streets_are_rendered_in_any_order_and_the_splits_share_none() -> None:
    size = (64, 32)
    video = open_dataset("synthetic", None, "val", size).videos[0]
    in_order = [(video.image(i), video.labels(i)) for i in range(3)]
    for index in (2, 0, 1):
        np.testing.assert_array_equal(video.image(index), in_order[index][0])
        np.testing.assert_array_equal(video.labels(index), in_order[index][1])
    other = open_dataset("synthetic", None, "holdout", size).videos[0]
    assert (other.labels(0) != in_order[0][1]).any()


@pytest.mark.parametrize("name", DATASETS)
def test_an_unknown_split_is_refused(name: str, tmp_path: Path) -> None:
    with pytest.raises(DatasetError, match=r"has the splits .*'val'.*got 'night'"):
        open_dataset(name, tmp_path, "night")


@pytest.mark.parametrize("name", ["camvid", "cityscapes", "davis"])
def test_an_empty_folder_is_refused_with_what_was_expected(name: str, tmp_path: Path) -> None:
    with pytest.raises(DatasetError, match=f"in {tmp_path}: expected .*train"):
        open_dataset(name, tmp_path, "train")
    with pytest.raises(DatasetError, match="needs a root"):
        open_dataset(name, None, "train")


def test_an_unknown_data_set_is_refused() -> None:
    with pytest.raises(DatasetError, match=r"must be one of .*'cityscapes'.*, got 'kitti'"):
        open_dataset("kitti", Path(), "train")


def test_another_package_s_data_set_is_opened_and_its_labels_have_16_bits(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    cv2.imwrite(str(tmp_path / "0.png"), np.zeros((4, 6, 3), np.uint8))
    cv2.imwrite(str(tmp_path / "labels.png"), np.full((4, 6), 26001, np.uint16))

    def open_city(root: Path, split: str, size: tuple[int, int] | None = None) -> VideoDataset:
        encoding = LabelEncoding({26001: 1, 65535: 255})
        images, labels = (root / "0.png",), {0: root / "labels.png"}
        return VideoDataset("city", DAVIS, (StoredVideo("a", images, labels, encoding, size),))

    module = ModuleType("city_of_ours")
    module.open_city = open_city  # type: ignore[attr-defined]
    monkeypatch.setitem(sys.modules, module.__name__, module)
    announced = EntryPoint("city", "city_of_ours:open_city", DATASETS.group)
    monkeypatch.setattr(registry, "entry_points", lambda group: EntryPoints([announced]))
    video = open_dataset("city", tmp_path, "train", (3, 2)).videos[0]
    assert (video.labels(0) == np.ones((2, 3))).all()
    with pytest.raises(DatasetError, match="are for cityscapes and recording, not for 'city'"):
        open_dataset("city", tmp_path, "train", labels="others")
    assert len(open_clips(DataConfig("city", tmp_path, frames=2))) == 1
    cv2.imwrite(str(tmp_path / "labels.png"), np.full((4, 6), 300, np.uint16))
    with pytest.raises(DatasetError, match=r"expected the values \[26001, 65535\], got \[300\]"):
        video.labels(0)
