"""Frames of video files and of folders of images."""

from pathlib import Path

import cv2
import numpy as np
import pytest

from lmanet_core.data.video_files import VideoError, read_video


def plain(*rgb: int) -> np.ndarray:
    return np.full((48, 64, 3), rgb, np.uint8)


FRAMES = [plain(200, 0, 0), plain(0, 200, 0), plain(0, 0, 200)]


def write_images(folder: Path, names: list[str]) -> Path:
    for name, frame in zip(names, FRAMES, strict=True):
        cv2.imwrite(str(folder / name), frame[:, :, ::-1])
    return folder


def test_a_folder_is_played_in_the_order_of_the_numbers(tmp_path):
    write_images(tmp_path, ["frame1.png", "frame2.bmp", "frame10.PNG"])
    (tmp_path / "notes.txt").write_text("no image")
    np.testing.assert_array_equal(list(read_video(tmp_path)), FRAMES)


def test_a_video_file_is_played_in_rgb(tmp_path):
    file = tmp_path / "video.avi"
    writer = cv2.VideoWriter(str(file), cv2.VideoWriter_fourcc(*"MJPG"), 10, (64, 48))
    for frame in FRAMES:
        writer.write(frame[:, :, ::-1])
    writer.release()
    played = list(read_video(file))
    assert len(played) == len(FRAMES)
    for frame, expected in zip(played, FRAMES, strict=True):
        np.testing.assert_allclose(frame, expected, atol=10)


def write_noise(file: Path, codec: str, frames: int) -> bytes:
    writer = cv2.VideoWriter(str(file), cv2.VideoWriter_fourcc(*codec), 15, (64, 48))
    random = np.random.default_rng(0)
    for _ in range(frames):
        writer.write(random.integers(0, 256, (48, 64, 3), np.uint8))
    writer.release()
    return file.read_bytes()


@pytest.mark.parametrize(
    ("name", "codec"), [("a.mp4", "mp4v"), ("a.avi", "MJPG"), ("a.mkv", "mp4v")]
)
def test_a_damaged_video_does_not_end_well(tmp_path, name, codec):
    file = tmp_path / name
    content = write_noise(file, codec, 60)
    assert len(list(read_video(file))) == 60
    third = len(content) // 3
    # MP4 has what says where frames are at its end.
    end = content[-third // 10 :] if name.endswith("mp4") else b""
    file.write_bytes(content[:third] + bytes(len(content) - third - len(end)) * bool(end) + end)
    frames: list[np.ndarray] = []
    with pytest.raises(VideoError, match=r"is damaged: of some 60 frames \d+ could be read"):
        frames.extend(read_video(file))
    # What came before the damage.
    assert 0 < len(frames) < 60


def test_what_is_no_video_is_refused_and_named(tmp_path):
    text = tmp_path / "video.mp4"
    text.write_text("no video")
    empty = tmp_path / "empty"
    empty.mkdir()
    for path in (text, empty, tmp_path / "missing"):
        with pytest.raises(VideoError, match=str(path)):
            read_video(path)


def test_a_broken_image_ends_the_video_with_its_name(tmp_path):
    write_images(tmp_path, ["1.png", "2.png", "3.png"])
    (tmp_path / "2.png").write_bytes(b"no image")
    frames = read_video(tmp_path)
    np.testing.assert_array_equal(next(frames), FRAMES[0])
    with pytest.raises(VideoError, match=r"2\.png"):
        next(frames)


def test_an_installed_package_can_read_recordings_of_its_kind(tmp_path, monkeypatch):
    (tmp_path / "their_bags.py").write_text("def read(path):\n    return iter([path.name])\n")
    metadata = tmp_path / "their_bags-1.0.dist-info"
    metadata.mkdir()
    (metadata / "METADATA").write_text("Metadata-Version: 2.1\nName: their-bags\nVersion: 1.0\n")
    (metadata / "entry_points.txt").write_text(
        "[lmanet.videos]\ntheirs = their_bags:read\nlost = no_bags:read\n"
    )
    monkeypatch.syspath_prepend(tmp_path)
    drive = tmp_path / "drive"
    drive.mkdir()
    (drive / "0.theirs").touch()
    assert list(read_video(drive)) == ["drive"]
    assert list(read_video(drive / "0.theirs")) == ["0.theirs"]
    with pytest.raises(VideoError, match=r"0\.lost cannot be read here: No module named 'no_bags'"):
        read_video(drive / "0.lost")
