"""`lmanet evaluate`: score a network on a data set, frame by frame as a robot would see it.

lmanet evaluate --dataset synthetic --frames 4 --streets 1 --checkpoint street
"""

from __future__ import annotations

import argparse
import json
from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING, Any

import cv2
import numpy as np

from lmanet_core import VideoSegmenter, load, load_provenance
from lmanet_core.checkpoint import load_work_size
from lmanet_core.data.corruption import CorruptionConfig, corrupt_dataset
from lmanet_core.data.datasets import DATASETS, open_dataset
from lmanet_core.data.label_mapping import coarse_labels, known_label_mapping, read_label_mapping
from lmanet_core.data.standard_corruptions import (
    CORRUPTIONS,
    SEVERITIES,
    with_standard_corruption,
)
from lmanet_core.data.street_dataset import StreetsConfig, open_streets
from lmanet_core.data.synthetic import StreetConfig
from lmanet_core.data.video import VideoDataset
from lmanet_core.evaluation import Evaluation, SegmentedFrame, evaluate, streamed_frames
from lmanet_core.evaluation.paired_comparison import compare
from lmanet_core.evaluation.picture_sheet import PictureSheet
from lmanet_core.evaluation.robustness import evaluate_corruptions
from lmanet_core.evaluation.run_lengths import evaluate_run_lengths
from lmanet_core.output.files import write_json
from lmanet_core.program.arguments import add_renamed, image_size, window_size
from lmanet_core.program.progress import progress_bar
from lmanet_core.program.run_program import require_writable

if TYPE_CHECKING:
    from lmanet_core.models import LMANet

HELP = "score a network on a data set, clean or corrupted; compare two results"
EXTRA = "train"
DESCRIPTION = """\
Score a network on a data set, frame by frame as a robot would see it.

    lmanet evaluate --dataset camvid --root data/camvid --split val --checkpoint street \\
        --memory-size 4 --json result.json

Without --dataset it drives down synthetic streets that training never sees. Two results side by
side, with an interval for the gain:

    lmanet evaluate --compare single.json memory-1.json,memory-2.json,memory-3.json

How it bears the field's standard corruptions, single frames beside the memory:

    lmanet evaluate --dataset camvid --root data/camvid --corruption all --severity 3 \\
        --json corruptions.json --plot corruptions.png

How many corrupted frames in a row it bridges, single frames beside memories of several sizes:

    lmanet evaluate --dataset camvid --root data/camvid --corrupt 0.5 --run-lengths 1 3 5 10 \\
        --memory-sizes 1 4 8 --plot runs.png
"""


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Declare the verb's options."""
    parser.add_argument("--dataset", choices=DATASETS.names(), default="synthetic")
    parser.add_argument("--root", type=Path, help="folder of the data set")
    parser.add_argument(
        "--labels", help="folder in --root with other labels than the data set's own"
    )
    parser.add_argument(
        "--split",
        default="val",
        help="part of the data set; default: val; camvid and synthetic also have holdout",
    )
    parser.add_argument("--checkpoint", help="file or shipped name; default: the shipped default")
    parser.add_argument(
        "--memory-size",
        type=int,
        help="past frames to remember; 0: single frame; default: as trained",
    )
    parser.add_argument(
        "--window-size",
        type=window_size,
        help="side of the attention window, odd, or 'global'; default: as trained",
    )
    parser.add_argument(
        "--size",
        type=image_size,
        help="size at which the network runs; default: as in the node, as many pixels as the "
        "checkpoint records, in the proportions of the stored images",
    )
    parser.add_argument(
        "--full-resolution",
        action="store_true",
        help="score at the size of the stored labels, not at --size",
    )
    changes = parser.add_mutually_exclusive_group()
    changes.add_argument(
        "--corrupt",
        type=float,
        default=0.0,
        metavar="SHARE",
        help="share of the frames that are corrupted (0..1): noise, blur, light and the like",
    )
    add_renamed(changes, "--worse", "--corrupt", type=float)
    changes.add_argument(
        "--corruption",
        choices=("all", *CORRUPTIONS),
        help="standard corruption, or all of them: single frames beside the memory, clean and "
        "corrupted; needs the extra 'corruptions'",
    )
    parser.add_argument(
        "--severity", type=int, choices=SEVERITIES, default=3, help="of --corruption"
    )
    parser.add_argument(
        "--share",
        type=float,
        default=1.0,
        help="share of the frames that --corruption corrupts (0..1)",
    )
    runs = parser.add_mutually_exclusive_group()
    runs.add_argument(
        "--run-length",
        type=int,
        default=1,
        help="number of frames in a row that are corrupted together; default: %(default)s",
    )
    runs.add_argument(
        "--run-lengths",
        type=int,
        nargs="+",
        metavar="N",
        help="score runs of each of these lengths: single frames beside the memory; it needs "
        "--corrupt, or one --corruption",
    )
    parser.add_argument(
        "--memory-sizes",
        type=int,
        nargs="+",
        default=[1, 4, 8],
        metavar="S",
        help="past frames that --run-lengths remembers; default: 1 4 8",
    )
    parser.add_argument(
        "--plot",
        type=picture_file,
        help="picture of the mIoU of each corruption, or over --run-lengths",
    )
    parser.add_argument("--precision", default="auto", help="auto, fp32, bf16 or fp16")
    parser.add_argument("--device", default="auto", help="auto, cpu, cuda or cuda:N")
    parser.add_argument(
        "--label-mapping",
        type=Path,
        help="YAML file for a network with other classes: a line 'class of the data set: [classes "
        "of the network]' each; known without: CamVid's 11 in Cityscapes' 19",
    )
    add_renamed(parser, "--meanings", "--label-mapping", type=Path)
    parser.add_argument("--json", type=Path, help="file for the figures")
    parser.add_argument(
        "--sheet",
        type=picture_file,
        help="picture with images, true labels, predictions and errors",
    )
    parser.add_argument(
        "--compare",
        nargs=2,
        metavar=("BEFORE", "AFTER"),
        help="compare two files that --json wrote, video by video, and run nothing; FILE,FILE,... "
        "is the mean of several seeds",
    )
    street = parser.add_argument_group("of the data set 'synthetic'")
    street.add_argument("--streets", type=int, default=10, help="number of streets")
    street.add_argument("--frames", type=int, default=30, help="number of frames of each street")
    street.add_argument("--noise", type=float, default=8.0, help="sensor noise in grey levels")
    street.add_argument(
        "--flicker", type=float, default=0.05, help="deviation of the exposure from frame to frame"
    )
    street.add_argument(
        "--motion-blur",
        type=float,
        default=0.0,
        help="share of the frame interval that the shutter is open, 0..1",
    )
    street.add_argument(
        "--occlusion-rate", type=float, default=0.5, help="covered patches per second"
    )


def picture_file(text: str) -> Path:
    if not cv2.haveImageWriter(text):
        raise argparse.ArgumentTypeError(f"expected a picture such as sheet.png, got {text!r}")
    return Path(text)


def run(arguments: argparse.Namespace) -> None:
    """Evaluate, or compare two evaluations.

    Raises:
        DatasetError, CheckpointError, ValueError: data, network or an option cannot be used.
        MissingExtraError: a package is missing.
    """
    if arguments.compare:
        compare_files(arguments)
        return
    for file in filter(None, (arguments.json, arguments.sheet, arguments.plot)):
        require_writable(file, folder=False)
    dataset = find_dataset(arguments)
    model = find_model(arguments)
    lookup = find_lookup(arguments, dataset, model)
    if arguments.run_lengths:
        run_run_lengths(arguments, dataset, model, lookup)
    elif arguments.corruption:
        run_corruptions(arguments, dataset, model, lookup)
    else:
        run_once(arguments, dataset, model, lookup)


def run_once(
    arguments: argparse.Namespace,
    dataset: VideoDataset,
    model: LMANet,
    lookup: np.ndarray | None,
) -> None:
    if arguments.corrupt:
        dataset = corrupt_dataset(
            dataset, CorruptionConfig(chance=arguments.corrupt, run_length=arguments.run_length)
        )
    segmenter = make_segmenter(arguments, model, arguments.memory_size)
    sheet = PictureSheet(len(dataset.labelled_frames), dataset.classes)
    with progress_bar(total=_frames(dataset), unit="frame") as progress:

        def on_frame(frame: SegmentedFrame) -> None:
            progress.update()
            sheet.add(frame)

        evaluation = evaluate(segmenter, dataset, on_frame, lookup)
    print(table(evaluation))
    if arguments.json:
        write_figures(arguments, segmenter, asdict(evaluation))
    if arguments.sheet:
        sheet.save(arguments.sheet)


def run_corruptions(
    arguments: argparse.Namespace,
    dataset: VideoDataset,
    model: LMANet,
    lookup: np.ndarray | None,
) -> None:
    if arguments.sheet:
        raise ValueError("--sheet shows one evaluation: leave it out, or --corruption")
    names = CORRUPTIONS if arguments.corruption == "all" else (arguments.corruption,)
    segmenters = {"single": make_segmenter(arguments, model, 0)}
    if model.memory is not None and arguments.memory_size != 0:
        segmenters["memory"] = make_segmenter(arguments, model, arguments.memory_size)
    frames = (1 + len(names)) * _frames(dataset)
    with progress_bar(total=frames, unit="frame") as progress:
        robustness = evaluate_corruptions(
            segmenters,
            dataset,
            names,
            arguments.severity,
            arguments.share,
            arguments.run_length,
            progress.update,
            lookup,
        )
    print(robustness.table())
    if arguments.json:
        write_figures(arguments, list(segmenters.values())[-1], robustness.to_dict())
    if arguments.plot:
        robustness.plot(arguments.plot)


def run_run_lengths(
    arguments: argparse.Namespace,
    dataset: VideoDataset,
    model: LMANet,
    lookup: np.ndarray | None,
) -> None:
    if model.memory is None:
        raise ValueError("--run-lengths is about the memory: this is a single-frame network")
    if arguments.sheet:
        raise ValueError("--sheet shows one evaluation: leave it out, or --run-lengths")
    name = arguments.corruption
    if name == "all" or not (name or arguments.corrupt):
        raise ValueError("--run-lengths needs --corrupt SHARE, or --corruption with one name")

    def corrupt(length: int) -> VideoDataset:
        if name:
            severity, share = arguments.severity, arguments.share
            return with_standard_corruption(dataset, name, severity, share, length)
        config = CorruptionConfig(chance=arguments.corrupt, run_length=length)
        return corrupt_dataset(dataset, config)

    title = f"{name}, severity {arguments.severity}" if name else "noise, blur, light and the like"
    segmenters = {"single": make_segmenter(arguments, model, 0)}
    for size in arguments.memory_sizes:
        segmenters[f"S = {size}"] = make_segmenter(arguments, model, size)
    frames = len(arguments.run_lengths) * _frames(dataset)
    with progress_bar(total=frames, unit="frame") as progress:
        curve = evaluate_run_lengths(
            segmenters, corrupt, arguments.run_lengths, title, progress.update, lookup
        )
    print(curve.table())
    if arguments.json:
        write_figures(arguments, list(segmenters.values())[-1], curve.to_dict())
    if arguments.plot:
        curve.plot(arguments.plot)


def make_segmenter(
    arguments: argparse.Namespace, model: LMANet, memory_size: int | None
) -> VideoSegmenter:
    work_size = arguments.size if arguments.full_resolution else None
    known = load_work_size(arguments.checkpoint) if arguments.size is None else None
    # Imported here: without PyTorch the program says which extra brings it.
    from lmanet_core.runtime.pytorch.torch_backend import TorchBackend

    backend = TorchBackend(
        model,
        memory_size,
        arguments.precision,
        arguments.device,
        work_size,
        # As their authors evaluate them, at any size.
        antialias=True if "converted_from" in load_provenance(arguments.checkpoint) else None,
        work_pixels=known and known[0] * known[1],
    )
    return VideoSegmenter(backend)


def _frames(dataset: VideoDataset) -> int:
    return sum(map(streamed_frames, dataset.videos))


def compare_files(arguments: argparse.Namespace) -> None:
    print(compare(*(read_figures(files) for files in arguments.compare)))


def read_figures(files: str) -> list[dict[str, Any]]:
    try:
        return [json.loads(Path(file).read_text()) for file in files.split(",")]
    except (OSError, json.JSONDecodeError) as error:
        raise ValueError(f"{files} cannot be read: {error}") from None


def find_dataset(arguments: argparse.Namespace) -> VideoDataset:
    size = None if arguments.full_resolution else arguments.size
    if arguments.dataset != "synthetic":
        return open_dataset(
            arguments.dataset, arguments.root, arguments.split, size, arguments.labels
        )
    street = StreetConfig(
        noise=arguments.noise,
        flicker=arguments.flicker,
        motion_blur=arguments.motion_blur,
        occlusion_rate=arguments.occlusion_rate,
    )
    config = StreetsConfig(arguments.streets, arguments.frames, street)
    return open_streets(arguments.split, size, config)


def find_lookup(
    arguments: argparse.Namespace, dataset: VideoDataset, model: LMANet
) -> np.ndarray | None:
    """The network's labels as those of the data set; None where they are the same."""
    classes, of_network = dataset.classes, model.config.classes
    if arguments.label_mapping is not None:
        return coarse_labels(classes, of_network, read_label_mapping(arguments.label_mapping))
    if classes.names == of_network.names:
        return None
    return coarse_labels(classes, of_network, known_label_mapping(classes, of_network))


def find_model(arguments: argparse.Namespace) -> LMANet:
    model = load(arguments.checkpoint)
    if arguments.window_size is None:
        return model
    from lmanet_core.models.surgery import with_window_size

    return with_window_size(
        model, None if arguments.window_size == "global" else arguments.window_size
    )


def table(evaluation: Evaluation) -> str:
    """Percent, one line for each figure."""
    figures = {
        **evaluation.iou,
        "mIoU": evaluation.miou,
        "temporal consistency": evaluation.temporal_consistency,
        "VC_8": evaluation.vc8,
        "VC_16": evaluation.vc16,
    }
    lines = [
        f"{name:>20} {'-' if share is None else f'{100 * share:.2f}':>6}"
        for name, share in figures.items()
    ]
    return "\n".join([*lines, f"{'frames':>20} {evaluation.frames:>6}"])


def write_figures(
    arguments: argparse.Namespace, segmenter: VideoSegmenter, evaluation: dict[str, Any]
) -> None:
    settings = vars(arguments) | {
        "root": arguments.root and str(arguments.root.resolve()),
        "memory_size": segmenter.backend.memory_size,
        # That of the last image, where they differ.
        "network_size": segmenter.network_size,
    }
    for name in ("json", "sheet", "plot"):
        del settings[name]
    write_json(arguments.json, evaluation | {"settings": settings})
