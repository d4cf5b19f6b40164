"""`lmanet adapt`: the network's normalisation follows a camera, from its video alone.

lmanet adapt street drive.mp4 mine.safetensors
"""

from __future__ import annotations

import argparse
import copy
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from lmanet_core.checkpoint import load, load_provenance, load_work_size, save_checkpoint
from lmanet_core.command.export import DEFAULT_SIZE
from lmanet_core.data.video_files import read_video
from lmanet_core.program.extras import needs_extra
from lmanet_core.program.run_program import require_writable

if TYPE_CHECKING:
    from lmanet_core.models import LMANet
    from lmanet_core.training.batch_statistics import LabelFreeScore

HELP = "fit a network to one's own camera from its video, without labels, in seconds"
EXTRA = "torch"
SHARES = (0.1, 0.05)
"""Shares that are tried in this order; the first one that passes the comparison is taken."""
PAIRS = 15
"""Pairs of neighbouring frames that the networks are compared on."""
FEWEST_FRAMES = 12
NETWORK_FILE_SUFFIX = ".lmanet"


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Declare the verb's options."""
    parser.add_argument("checkpoint", help=".safetensors file or name of shipped weights")
    parser.add_argument("video", type=Path, help="video file, folder of images, or rosbag2")
    parser.add_argument(
        "output",
        type=Path,
        metavar="OUT",
        help="file to write: .safetensors, or .lmanet for a network file, which needs no PyTorch",
    )
    parser.add_argument(
        "--image-topic", default="", help="camera topic of a rosbag2; default: its only one"
    )
    parser.add_argument(
        "--frames",
        type=int,
        default=60,
        help="number of frames to learn from, out of the first two thirds of the video; "
        "default: %(default)s",
    )
    parser.add_argument(
        "--share",
        type=float,
        help="how far the statistics move towards those of the video: 0 not at all, 1 all the way; "
        f"default: the first of {', '.join(map(str, SHARES))} that passes the comparison",
    )


def run(arguments: argparse.Namespace) -> None:
    """Write the adapted network, if it is no worse on the last third of the video.

    Raises:
        ValueError: checkpoint, video or an option cannot be used, or nothing is gained.
    """
    if arguments.frames < 1:
        raise ValueError(f"--frames must be at least 1, got {arguments.frames}")
    if arguments.share is not None and not 0 < arguments.share <= 1:
        raise ValueError(f"--share must be in 0..1 and not 0, got {arguments.share}")
    require_writable(arguments.output, folder=False)
    from lmanet_core.training.batch_statistics import adapt_statistics, score_without_labels

    model = load(arguments.checkpoint)
    if arguments.output.suffix == NETWORK_FILE_SUFFIX:
        with needs_extra("export", "writing a network file"):
            import onnxscript  # noqa: F401
    work_size = load_work_size(arguments.checkpoint)
    seen, held_out = _choose_frames(arguments)
    before = score_without_labels(model, held_out, work_size)
    print(f"{'as it is':>12}: {_told(before)}")
    for share in SHARES if arguments.share is None else (arguments.share,):
        adapted = copy.deepcopy(model)
        adapt_statistics(adapted, seen, share, work_size)
        after = score_without_labels(adapted, held_out, work_size)
        print(f"{f'share {share:g}':>12}: {_told(after)}")
        if after.is_not_below(before):
            _write(adapted, arguments, share, work_size)
            print(f"written to {arguments.output}")
            return
    raise ValueError(
        f"{arguments.output} was not written: adapted to {arguments.video}, the network is much "
        f"less sure or less steady on the last third of it; {arguments.checkpoint} fits it better "
        "as it is"
    )


def _choose_frames(
    arguments: argparse.Namespace,
) -> tuple[list[np.ndarray], list[tuple[np.ndarray, np.ndarray]]]:
    """Frames to follow, and from behind them pairs of neighbours to judge by."""
    count = sum(1 for _ in read_video(arguments.video, arguments.image_topic))
    if count < FEWEST_FRAMES:
        raise ValueError(
            f"{arguments.video}: expected a video of at least {FEWEST_FRAMES} frames, got {count}"
        )
    end = 2 * count // 3
    followed = _spread(0, end - 1, arguments.frames)
    first_of_pair = _spread(end, count - 2, PAIRS)
    wanted = followed | first_of_pair | {first + 1 for first in first_of_pair}
    frames = {
        number: frame
        for number, frame in enumerate(read_video(arguments.video, arguments.image_topic))
        if number in wanted
    }
    pairs = [(frames[first], frames[first + 1]) for first in sorted(first_of_pair)]
    return [frames[number] for number in sorted(followed)], pairs


def _spread(first: int, last: int, count: int) -> set[int]:
    """`count` numbers, evenly spread over the range; all of them if there are fewer."""
    return set(np.linspace(first, last, min(count, last - first + 1)).round().astype(int).tolist())


def _told(score: LabelFreeScore) -> str:
    temporal_consistency = score.temporal_consistency
    steady = "-" if temporal_consistency is None else f"{100 * temporal_consistency:.2f}"
    return f"confidence {100 * score.confidence:.2f} %, temporal consistency {steady} %"


def _write(
    model: LMANet,
    arguments: argparse.Namespace,
    share: float,
    work_size: tuple[int, int] | None,
) -> None:
    provenance = load_provenance(arguments.checkpoint) | {
        "adapted": f"normalisation statistics, {share:g} of {arguments.video.name}"
    }
    if arguments.output.suffix != NETWORK_FILE_SUFFIX:
        save_checkpoint(model, arguments.output, provenance=provenance, work_size=work_size)
        return
    from lmanet_core.export import can_take_any_size, export_network

    export_network(
        model,
        arguments.output,
        work_size=work_size or DEFAULT_SIZE,
        any_size=can_take_any_size(model),
        provenance=provenance,
    )
