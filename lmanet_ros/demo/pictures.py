"""What the demo has seen: a contact sheet, a map and a video."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from contextlib import suppress
from pathlib import Path

import cv2
import numpy as np
from tqdm import tqdm

from lmanet_core import CITYSCAPES, ClassTable, VideoSegmenter
from lmanet_core.cloud.birds_eye_view import MapFromAbove, Place, draw_from_above
from lmanet_core.output.files import replacing, write_picture
from lmanet_core.output.pictures import blend, contact_sheet, legend
from lmanet_ros.demo.single_frame import single_frame_labels
from lmanet_ros.evaluation.answers import AnsweredFrame
from lmanet_ros.evaluation.one_recording import Evaluated

OPACITY = 0.5
SHEET_ROWS = 5
CODEC = cv2.VideoWriter.fourcc(*"mp4v")


def write_contact_sheet(evaluated: Evaluated, path: Path, single_frame: VideoSegmenter) -> None:
    """Write frames from all parts of a recording with what the node says about them, beside what
    its network says without a memory.

    Args:
        evaluated: what the node has answered, at least one frame.
        path: image file to write.
        single_frame: the node's network; it is made to forget before each frame.
    """
    answered = evaluated.summary["frames"]["answered"]
    count = min(SHEET_ROWS, answered)
    # From the middles of equal parts: the very first frame has no memory yet.
    chosen = {int((row + 0.5) * answered / count) for row in range(count)}
    classes = single_frame.classes
    rows = [
        {
            "input": answer.image,
            "single frame": classes.colorize(single_frame_labels(single_frame, answer.image)),
            "with memory": classes.colorize(answer.predicted),
            **_last_panel(answer, classes),
        }
        for number, answer in enumerate(evaluated.answers())
        if number in chosen
    ]
    sheet = contact_sheet([list(row.values()) for row in rows], list(rows[0]))
    sheet = np.vstack([sheet, legend(classes, sheet.shape[1])])
    write_picture(path, sheet)


def write_map(
    path: Path, maps: Mapping[str, MapFromAbove], way: Sequence[Place], classes: ClassTable
) -> None:
    """Write what the labels make of the ground, seen from above, with the way of the camera."""
    write_picture(path, draw_from_above(maps, way, classes))


def write_video(evaluated: Evaluated, path: Path, rate: float) -> bool:
    """Write all answered frames with what the node says about them as an MPEG-4 video.

    Args:
        evaluated: what the node has answered.
        path: `.mp4` file to write.
        rate: frames per second.

    Returns:
        False if OpenCV cannot write such videos here.

    Raises:
        OSError: the video cannot be written.
    """
    with suppress(_CannotEncodeError), replacing(path) as unfinished:
        written = _write_frames(evaluated, unfinished, rate, path.name)
        # OpenCV does not say when it cannot write a frame.
        if _count_frames(unfinished) != written:
            raise OSError(f"{path}: not all frames could be written; is the disk full?")
        return True
    return False


class _CannotEncodeError(Exception):
    """OpenCV has not the codec here."""


def _write_frames(evaluated: Evaluated, path: Path, rate: float, title: str) -> int:
    """Number of frames written."""
    writer, count = cv2.VideoWriter(), 0
    try:
        for answer in tqdm(evaluated.answers(), title, unit="frame"):
            panels = _panels(answer, evaluated.playback.classes)
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
    """Number of frames of a video file; 0 if it cannot be read."""
    capture = cv2.VideoCapture(str(path))
    try:
        return max(0, int(capture.get(cv2.CAP_PROP_FRAME_COUNT)))
    finally:
        capture.release()


def _panels(answer: AnsweredFrame, classes: ClassTable) -> dict[str, np.ndarray]:
    """Titled pictures of a frame."""
    return {
        "input": answer.image,
        "labels": classes.colorize(answer.predicted),
        **_overlay(answer, classes),
        **_last_panel(answer, classes),
    }


def _last_panel(answer: AnsweredFrame, classes: ClassTable) -> dict[str, np.ndarray]:
    if answer.true is None:
        return _overlay(answer, classes)
    return {"exact labels": CITYSCAPES.colorize(answer.true)}


def _overlay(answer: AnsweredFrame, classes: ClassTable) -> dict[str, np.ndarray]:
    return {"overlay": blend(answer.image, classes.colorize(answer.predicted), OPACITY)}
