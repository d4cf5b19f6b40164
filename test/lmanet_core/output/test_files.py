"""What the project writes is there whole, or what was there before is, and the error names it."""

from __future__ import annotations

import errno
import os
import stat
import subprocess
import sys
from collections.abc import Callable, Iterator
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from full_disk import full_disk

from lmanet_core import ModelConfig, build_model, save_checkpoint
from lmanet_core.checkpoint import checkpoint_hash
from lmanet_core.command.__main__ import main
from lmanet_core.data.recording import write_classes
from lmanet_core.evaluation.dataset_evaluation import SegmentedFrame
from lmanet_core.evaluation.picture_sheet import PictureSheet
from lmanet_core.network.classes import CITYSCAPES
from lmanet_core.output.files import replacing, write_bytes, write_json, write_picture, write_text
from lmanet_core.runtime.engine_file import EngineInfo, write_engine
from lmanet_core.runtime.network_file import read_network_file, write_network_file
from lmanet_core.runtime.shipped import WEIGHTS_FOLDER
from lmanet_core.training.class_bars import plot_class_gains
from lmanet_core.training.run_folder import Curve, RunFolder

NOISE = np.random.default_rng(0).integers(0, 256, (64, 96, 3), np.uint8)
INFO = read_network_file(WEIGHTS_FOLDER / "street.lmanet")[0]
MODEL = build_model(ModelConfig(memory_size=1, window_size=3))


def write_sheet(path: Path) -> None:
    sheet = PictureSheet(1, CITYSCAPES)
    labels = np.zeros(NOISE.shape[:2], np.uint8)
    sheet.add(SegmentedFrame("drive", 0, NOISE, labels, labels))
    sheet.save(path)


WRITERS: dict[str, Callable[[Path], object]] = {
    "a.txt": lambda path: write_text(path, 9999 * "ä"),
    "a.json": lambda path: write_json(path, list(range(9999))),
    "a.png": lambda path: write_picture(path, NOISE),
    "a.jpg": lambda path: write_picture(path, NOISE[..., 0]),
    "sheet.png": write_sheet,
    "bars.png": lambda path: plot_class_gains({"a": {"road": 1.0}}, path),
    "a.safetensors": lambda path: save_checkpoint(MODEL, path),
    "a.lmanet": lambda path: write_network_file(path, INFO, {"frame.onnx": bytes(9999)}),
    "a.engine": lambda path: write_engine(
        path, EngineInfo(INFO, "tensorrt", "10.3", ("sm_87",), (640, 480)), bytes(9999)
    ),
    "classes.yaml": lambda path: write_classes(
        replace(CITYSCAPES, names=tuple(999 * n for n in CITYSCAPES.names)), path
    ),
    "config.yaml": lambda path: RunFolder(path.parent).begin({"seed": [*range(9999)]}),
    "a.csv": lambda path: Curve(path, ("step", "loss"), 0).add([(1, 9999 * "1")]),
}


@pytest.mark.parametrize("name", WRITERS)
def test_on_a_full_disk_the_old_file_stays_and_the_error_names_it(
    name: str, tmp_path: Path
) -> None:
    path = tmp_path / name
    path.write_bytes(b"good")
    with full_disk(), pytest.raises(OSError, match=str(path)) as error:
        WRITERS[name](path)
    assert "\n" not in str(error.value)
    assert [file.name for file in tmp_path.iterdir()] == [name]
    if name != "a.csv":
        assert path.read_bytes() == b"good"
        WRITERS[name](path)
        assert path.stat().st_size > 100


@pytest.mark.parametrize("name", WRITERS)
def test_files_are_for_whom_the_umask_says_and_folders_are_made(name: str, tmp_path: Path) -> None:
    before = os.umask(0o027)
    try:
        WRITERS[name](tmp_path / "some/folder" / name)
    finally:
        os.umask(before)
    assert mode(tmp_path / "some/folder" / name) == 0o640


@pytest.fixture
def old(tmp_path: Path) -> Iterator[Path]:
    """A file that is there."""
    path = tmp_path / "file"
    path.write_text("old")
    yield path
    assert [file.name for file in tmp_path.iterdir()] == ["file"], "nothing is left beside it"


def mode(path: Path) -> int:
    return stat.S_IMODE(path.stat().st_mode)


def test_a_file_keeps_its_mode(old: Path) -> None:
    old.chmod(0o604)
    write_text(old, "new")
    assert (old.read_text(), mode(old)) == ("new", 0o604)


def test_what_only_shows_when_the_disk_is_written_to_is_told_too(
    old: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def full(descriptor: int) -> None:
        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))

    before = old.read_bytes()
    monkeypatch.setattr(os, "fsync", full)
    with pytest.raises(OSError, match=f"No space left on device: '{old}'"):
        write_text(old, "new")
    assert old.read_bytes() == before


def test_whatever_ends_the_writing_leaves_the_old_file(old: Path) -> None:
    for error in (KeyboardInterrupt(), ValueError("no"), OSError("no")):
        with pytest.raises(type(error)):
            write_half(old, error)
    assert old.read_text() == "old"


def write_half(path: Path, error: BaseException) -> None:
    with replacing(path) as unfinished:
        unfinished.write_text("half")
        raise error


def test_an_error_about_another_file_keeps_its_name(old: Path) -> None:
    with pytest.raises(FileNotFoundError, match="elsewhere"), replacing(old):
        Path("elsewhere").read_bytes()


def test_what_a_link_leads_to_is_written(tmp_path: Path) -> None:
    (tmp_path / "a").mkdir()
    (tmp_path / "a/file").write_text("old")
    (tmp_path / "link").symlink_to(tmp_path / "a/file")
    write_text(tmp_path / "link", "new")
    assert (tmp_path / "link").is_symlink()
    assert (tmp_path / "a/file").read_text() == "new"


@pytest.mark.parametrize("place", ["file/below", "folder", "file/deep/below"])
def test_a_place_where_nothing_can_be_written_is_named(place: str, tmp_path: Path) -> None:
    (tmp_path / "file").write_text("old")
    (tmp_path / "folder").mkdir()
    path = tmp_path / place
    with pytest.raises(OSError, match=str(path)):
        write_text(path, "new")
    assert (tmp_path / "file").read_text() == "old"
    assert sorted(file.name for file in tmp_path.iterdir()) == ["file", "folder"]


@pytest.mark.skipif(os.geteuid() == 0, reason="root may write everywhere")
def test_a_file_that_is_for_reading_stays_as_it_is(old: Path) -> None:
    old.chmod(0o444)
    with pytest.raises(PermissionError, match=str(old)):
        write_text(old, "new")
    assert old.read_text() == "old"


def test_devices_and_pipes_are_written_to_as_they_are() -> None:
    with pytest.raises(OSError, match=r"No space left.*'/dev/full'"):
        write_bytes("/dev/full", b"1")
    write_bytes("/dev/null", b"1")
    assert Path("/dev/null").is_char_device()
    code = "from lmanet_core.output.files import write_json; write_json('/dev/stdout', 1); print(2)"
    said = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert said.stdout == "1\n2\n"


def test_label_counts_what_is_on_the_disk(tmp_path: Path, capsys: pytest.CaptureFixture) -> None:
    save_checkpoint(MODEL, tmp_path / "teacher.safetensors")
    for number in range(2):
        write_picture(tmp_path / f"drive/{number}.png", NOISE)
    label = ["label", str(tmp_path / "teacher.safetensors"), str(tmp_path / "drive")]
    with full_disk(2000):
        assert main([*label, str(tmp_path / "out"), "--scales", "1", "--no-mirror"]) == 1
    said, told = capsys.readouterr()
    assert "frames" not in said
    assert told.strip() == f"lmanet label: {tmp_path}/out/images/drive/000000.jpg: File too large"


def test_a_network_that_cannot_be_written_over_itself_is_left(
    tmp_path: Path, capsys: pytest.CaptureFixture
) -> None:
    network = tmp_path / "network.safetensors"
    save_checkpoint(MODEL, network)
    before = checkpoint_hash(network)
    with full_disk(2**20):
        assert main(["join", str(network), str(network), str(network)]) == 1
    assert capsys.readouterr().err == f"lmanet join: {network}: File too large\n"
    assert checkpoint_hash(network) == before
