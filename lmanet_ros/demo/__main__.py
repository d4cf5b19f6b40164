"""Command line of the demo: `python -m lmanet_ros.demo --help`."""

from __future__ import annotations

import argparse
import sys
from pathlib import Path
from typing import Any

from lmanet_core.program.run_program import program_needs, require_writable, run_program

with program_needs("demo", "ros"):
    from lmanet_core import CheckpointError
    from lmanet_core.checkpoint import DEFAULT_WEIGHTS
    from lmanet_core.data.video_files import VideoError, read_video
    from lmanet_core.output.files import write_json
    from lmanet_core.program.arguments import image_size
    from lmanet_core.program.extras import MissingExtraError
    from lmanet_core.runtime import GraphFileError, open_segmenter
    from lmanet_ros.demo import pictures, report
    from lmanet_ros.demo.scoring import score
    from lmanet_ros.demo.session import record
    from lmanet_ros.processes import ProcessError

STREET_SIZE = (512, 256)
STREET_WORK_SIZE = (640, 320)
"""At which the default keeps up with more of the street than at its own, larger one."""
USER_ERRORS = (
    CheckpointError,
    GraphFileError,
    MissingExtraError,
    ProcessError,
    VideoError,
    OSError,
)
MAX_VIDEO_PIXELS = 640 * 480
"""Larger videos are scaled down, for machines without a GPU."""
SENSOR = {"noise": 16.0, "flicker": 0.05, "occlusion_rate": 2.0}
"""What the street's camera suffers from: what a memory is for."""
FILES = (
    "contact_sheet.png, from_above.png (of the street), demo.mp4, summary.json, "
    "bag/ (MCAP rosbag2), *.log"
)


def main() -> int:
    arguments = _parse_arguments()
    return run_program("demo", lambda: _run(arguments), USER_ERRORS)


def _parse_arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(
        prog="python -m lmanet_ros.demo",
        description="Segment a video with the real node; record, score and picture what it says.",
    )
    parser.add_argument("--video", help="video file or folder of images; default: synthetic street")
    parser.add_argument("--output", type=Path, default=Path("demo_output"))
    parser.add_argument("--frames", type=int, default=200, help="at most")
    parser.add_argument("--rate", type=float, default=10.0, help="frames per second")
    parser.add_argument("--size", type=image_size, help="WIDTHxHEIGHT; default: fits the video")
    parser.add_argument(
        "--checkpoint", help=f"file or name of shipped weights; default: {DEFAULT_WEIGHTS}"
    )
    parser.add_argument(
        "--model-file", help="file of `lmanet export` to run in place of a checkpoint"
    )
    parser.add_argument("--engine", help=argparse.SUPPRESS)
    parser.add_argument("--seed", type=int, default=0, help="of the synthetic street")
    arguments = parser.parse_args()
    if arguments.frames < 1 or arguments.rate <= 0:
        parser.error("--frames and --rate must be more than 0")
    if arguments.engine:
        if arguments.model_file:
            parser.error("--engine is the former name of --model-file: expected one of both")
        print("demo: --engine is called --model-file now", file=sys.stderr)
        arguments.model_file = arguments.engine
    return arguments


def _run(arguments: argparse.Namespace) -> None:
    output, bag = arguments.output, arguments.output / "bag"
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
    width, height = arguments.size or _fitting_size(arguments.video)
    output.mkdir(parents=True, exist_ok=True)

    record(
        bag,
        node_parameters=network | ({"work_size": list(work_size)} if work_size else {}),
        publisher_parameters=_video(arguments) | {"width": width, "height": height},
        frames=arguments.frames,
        log_folder=output,
    )
    result = score(bag, single_frame)
    if not result.latencies:
        raise ProcessError(f"segmentation_node has answered no frame, see {output}/*.log")
    summary = {
        # As it has been called from the first: others read it.
        **{"engine" if name == "model_file" else name: file for name, file in network.items()},
        "runs_on": f"{single_frame.backend} {single_frame.backend.precision}",
        "video": arguments.video,
        "size": f"{width}x{height}",
        "rate": arguments.rate,
        **report.summarize(result),
    }
    write_json(output / "summary.json", summary)
    pictures.write_contact_sheet(
        bag, output / "contact_sheet.png", summary["answered"], single_frame, single_frame.classes
    )
    if result.way:
        pictures.write_map(output / "from_above.png", result)
    rate = arguments.rate * summary["answered"] / summary["frames"]["published"]
    if not pictures.write_video(bag, output / "demo.mp4", rate):
        print("OpenCV cannot write MPEG-4 videos here: no demo.mp4", file=sys.stderr)
    print(f"\n{report.format_summary(summary)}\n\nin {output}/: {FILES}")


def _video(arguments: argparse.Namespace) -> dict[str, Any]:
    """Parameters of the publisher that say what to play."""
    if arguments.video:
        return {"rate": arguments.rate, "video": arguments.video}
    return {"rate": arguments.rate, "seed": arguments.seed, "depth": True, **SENSOR}


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


if __name__ == "__main__":
    sys.exit(main())
