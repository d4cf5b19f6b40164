"""What a recording looks like: a video and a contact sheet."""

from __future__ import annotations

from contextlib import suppress
from pathlib import Path

import cv2
import numpy as np
from tqdm import tqdm

from lmanet_core import CITYSCAPES, ClassTable, VideoSegmenter
from lmanet_core.cloud.birds_eye_view import draw_from_above
from lmanet_core.output.files import replacing, write_picture
from lmanet_core.output.pictures import contact_sheet, legend
from lmanet_ros.demo.bag import AnsweredFrame, answered_frames
from lmanet_ros.demo.scoring import Score

SHEET_ROWS = 5
CODEC = cv2.VideoWriter.fourcc(*"mp4v")


def write_contact_sheet(
    bag: Path, path: Path, answered: int, single_frame: VideoSegmenter, classes: ClassTable
) -> None:
    """Write frames from all parts of a recording with what the node says about them, beside what
    its network says without a memory.

    Args:
        bag: the recording.
        path: image file to write.
        answered: number of frames in the recording that were answered, at least 1.
        single_frame: the node's network; it is made to forget before each frame.
        classes: of both.
    """
    count = min(SHEET_ROWS, answered)
    # From the middles of equal parts: the very first frame has no memory yet.
    chosen = {int((row + 0.5) * answered / count) for row in range(count)}
    frames = [frame for index, frame in enumerate(answered_frames(bag)) if index in chosen]

    def alone(image: np.ndarray) -> np.ndarray:
        single_frame.reset()
        return classes.colorize(single_frame.step(image, confidence=False).labels)

    rows = [
        {
            "input": frame.image,
            "single frame": alone(frame.image),
            "with memory": frame.color,
            **_last_panel(frame),
        }
        for frame in frames
    ]
    sheet = contact_sheet([list(row.values()) for row in rows], list(rows[0]))
    sheet = np.vstack([sheet, legend(classes, sheet.shape[1])])
    write_picture(path, sheet)


def write_map(path: Path, score: Score) -> None:
    """Write what the labels make of the ground, seen from above, with the way of the camera.

    Args:
        path: image file to write.
        score: with maps, at least one frame of each.
    """
    titles = {"exact": "exact labels", "node": "with memory", "single_frame": "single frame"}
    maps = {title: score.maps[name] for name, title in titles.items()}
    picture = draw_from_above(maps, score.way, score.classes)
    write_picture(path, picture)


def write_video(bag: Path, path: Path, rate: float) -> bool:
    """Write all answered frames with what the node says about them as an MPEG-4 video.

    Args:
        bag: the recording.
        path: `.mp4` file to write.
        rate: frames per second.

    Returns:
        False if OpenCV cannot write such videos here.

    Raises:
        OSError: the video cannot be written.
    """
    with suppress(_CannotEncodeError), replacing(path) as unfinished:
        written = _write_frames(bag, unfinished, rate, path.name)
        # OpenCV does not say when it cannot write a frame.
        if _count_frames(unfinished) != written:
            raise OSError(f"{path}: not all frames could be written; is the disk full?")
        return True
    return False


class _CannotEncodeError(Exception):
    """OpenCV has not the codec here."""


def _write_frames(bag: Path, path: Path, rate: float, title: str) -> int:
    """Number of frames written."""
    writer, count = cv2.VideoWriter(), 0
    try:
        for frame in tqdm(answered_frames(bag), title, unit="frame"):
            panels = _panels(frame)
            sheet = contact_sheet([list(panels.values())], list(panels))
            # The codec wants even sides.
            sheet = sheet[: sheet.shape[0] // 2 * 2, : sheet.shape[1] // 2 * 2]
            size = (sheet.shape[1], sheet.shape[0])
            if not writer.isOpened() and not writer.open(str(path), CODEC, rate, size):
                raise _CannotEncodeError
            writer.write(cv2.cvtColor(sheet, cv2.COLOR_RGB2BGR))
            count += 1
    finally:
        writer.release()
    return count


def _count_frames(path: Path) -> int:
    """Of a video file; 0 if it cannot be read."""
    capture = cv2.VideoCapture(str(path))
    try:
        return max(0, int(capture.get(cv2.CAP_PROP_FRAME_COUNT)))
    finally:
        capture.release()


def _panels(frame: AnsweredFrame) -> dict[str, np.ndarray]:
    """Titled pictures of a frame."""
    panels = {"input": frame.image, "labels": frame.color, "overlay": frame.overlay}
    return panels | _last_panel(frame)


def _last_panel(frame: AnsweredFrame) -> dict[str, np.ndarray]:
    if frame.ground_truth is None:
        return {"overlay": frame.overlay}
    return {"exact labels": CITYSCAPES.colorize(frame.ground_truth)}
