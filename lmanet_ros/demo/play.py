"""The demo: a street or a video is recorded, played to the node, scored and pictured."""

from __future__ import annotations

import argparse
import sys
from collections.abc import Iterator
from itertools import islice

from lmanet_core import CITYSCAPES
from lmanet_core.checkpoint import DEFAULT_WEIGHTS
from lmanet_core.cloud.birds_eye_view import Place
from lmanet_core.data.street_dataset import RenderedVideo
from lmanet_core.data.video_files import VideoError, read_video
from lmanet_core.network.resizing import resize_image
from lmanet_core.output.files import write_json
from lmanet_core.program.run_program import require_writable
from lmanet_core.runtime import open_segmenter
from lmanet_ros.bags.labelled_bag import (
    FIRST_STAMP,
    BagFormat,
    RecordedFrame,
    nanoseconds,
    write_bag,
)
from lmanet_ros.demo import pictures
from lmanet_ros.demo.single_frame import score_single_frames
from lmanet_ros.demo.summary import format_summary, summarize
from lmanet_ros.evaluation.one_recording import EvaluationConfig, evaluate
from lmanet_ros.evaluation.playback import Mode
from lmanet_ros.messages.node_outputs import PICTURES
from lmanet_ros.street import STREET_SIZE, street_config

STREET_WORK_SIZE = (640, 320)
"""Size of the network for the street, at which the default answers more frames than at its own."""
MAX_VIDEO_PIXELS = 640 * 480
"""Larger videos are scaled down, for machines without a GPU."""
SENSOR = {"noise": 16.0, "flicker": 0.05, "occlusion_rate": 2.0}
"""What the street's camera suffers from: what a memory is for."""
FILES = (
    "contact_sheet.png, from_above.png (of the street), demo.mp4, summary.json, bag/ (what is "
    "played, MCAP rosbag2), evaluation/ (report.html, predictions/, log)"
)


def play(arguments: argparse.Namespace) -> None:
    """Play a video to the node, score and picture its answers; options are those of `verb`."""
    output = arguments.output
    require_writable(output, folder=True)
    # Whatever is wrong with the arguments shows before anything is started.
    asked = {"checkpoint": arguments.checkpoint, "model_file": arguments.model_file}
    network = {name: file for name, file in asked.items() if file}
    network = network or {"checkpoint": DEFAULT_WEIGHTS}
    small = network == {"checkpoint": DEFAULT_WEIGHTS} and not arguments.video
    work_size = STREET_WORK_SIZE if small else None
    single_frame = open_segmenter(
        network.get("checkpoint"), model_file=network.get("model_file", ""), work_size=work_size
    )
    size = arguments.size or _fitting_size(arguments.video)
    way: list[Place] = []
    frames = _video(arguments, size) if arguments.video else _street(arguments, size, way)
    output.mkdir(parents=True, exist_ok=True)
    # Before anything is played, for the node needs the processor.
    write_bag(output / "bag", frames, None if arguments.video else CITYSCAPES, BagFormat())

    config = EvaluationConfig(
        output / "bag",
        mode=Mode(live=True, rate=arguments.rate),
        outputs=PICTURES,
        parameters=network | ({"work_size": list(work_size)} if work_size else {}),
    )
    evaluated = evaluate(config, output / "evaluation")
    alone, maps = score_single_frames(evaluated, single_frame, way)
    summary = {
        # As it has been called from the first: others read it.
        **{"engine" if name == "model_file" else name: file for name, file in network.items()},
        "runs_on": f"{single_frame.backend.name} {single_frame.backend.precision}",
        "video": arguments.video,
        "size": f"{size[0]}x{size[1]}",
        "rate": arguments.rate,
        **summarize(evaluated.summary, alone),
    }
    write_json(output / "summary.json", summary)
    pictures.write_contact_sheet(evaluated, output / "contact_sheet.png", single_frame)
    if maps:
        pictures.write_map(output / "from_above.png", maps, way, single_frame.classes)
    rate = arguments.rate * summary["answered"] / summary["frames"]["published"]
    if not pictures.write_video(evaluated, output / "demo.mp4", rate):
        print("OpenCV cannot write MPEG-4 videos here: no demo.mp4", file=sys.stderr)
    print(f"\n{format_summary(summary)}\n\nin {output}/: {FILES}")


def _street(
    arguments: argparse.Namespace, size: tuple[int, int], way: list[Place]
) -> Iterator[RecordedFrame]:
    """Frames of the synthetic street; `way` takes the places up from which they are seen."""
    config = street_config(size, arguments.rate, SENSOR)
    street = RenderedVideo(arguments.seed, arguments.frames, config, depth=True)
    for index in range(len(street)):
        frame = street.frame(index)
        way.append(Place(frame.pose.right, frame.pose.ahead, frame.pose.heading))
        stamp = nanoseconds(FIRST_STAMP + index / arguments.rate)
        yield RecordedFrame(stamp, frame.image, frame.labels, frame.camera, frame.depth)


def _video(arguments: argparse.Namespace, size: tuple[int, int]) -> Iterator[RecordedFrame]:
    for index, image in enumerate(islice(read_video(arguments.video), arguments.frames)):
        stamp = nanoseconds(FIRST_STAMP + index / arguments.rate)
        yield RecordedFrame(stamp, resize_image(image, size))


def _fitting_size(video: str | None) -> tuple[int, int]:
    """(width, height) of the frames to play, when the user does not say."""
    if not video:
        return STREET_SIZE
    frame = next(read_video(video), None)
    if frame is None:
        raise VideoError(f"there are no frames in {video}")
    height, width = frame.shape[:2]
    scale = min(1.0, (MAX_VIDEO_PIXELS / (width * height)) ** 0.5)
    return max(1, round(scale * width)), max(1, round(scale * height))
