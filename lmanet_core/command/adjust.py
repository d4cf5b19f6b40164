"""`lmanet adjust`: small corrections of a trained network, without training it again.

lmanet adjust mine.safetensors better.safetensors --raise-logit train=1.0 --close-gates 1.2
"""

from __future__ import annotations

import argparse
import math
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from lmanet_core.checkpoint import (
    PRECISIONS,
    load,
    load_precision,
    load_provenance,
    load_work_size,
    save_checkpoint,
)
from lmanet_core.data.corruption import CorruptionConfig
from lmanet_core.data.datasets import DATASETS, open_dataset
from lmanet_core.data.street_dataset import StreetsConfig, open_streets
from lmanet_core.data.video import Video
from lmanet_core.program.extras import needs_extra
from lmanet_core.program.progress import progress_bar
from lmanet_core.program.run_program import require_writable
from lmanet_core.program.settings import build, check_at_least
from lmanet_core.training.training_config import read_settings

if TYPE_CHECKING:
    from lmanet_core.models import LMANet

HELP = "correct a trained network without training: class logits, memory gates, frame quality"
EXTRA = "torch"
STREET_FRAMES = (15, 30, 45, 60)
"""Frames that are taken of each synthetic street: to build one takes longer than to render them."""
DESCRIPTION = """\
Correct a trained network without training it again. Each step may be had alone; what was done is
written into the checkpoint's provenance.

    lmanet adjust mine.safetensors better.safetensors --raise-logit train=1.0
    lmanet adjust mine.safetensors better.safetensors --close-gates 1.2
    lmanet adjust mine.safetensors better.safetensors --fit-quality \\
        --dataset cityscapes --root cityscapes --split holdout
"""


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Declare the verb's options."""
    parser.add_argument("network", help=".safetensors file or name of shipped weights")
    parser.add_argument("output", type=Path, metavar="OUT", help="file to write, .safetensors")
    parser.add_argument(
        "--raise-logit",
        type=class_and_number,
        action="append",
        default=[],
        metavar="CLASS=NUMBER",
        help="raise the logit of a class that is found too seldom, or lower it by a negative "
        "number; may be given several times",
    )
    parser.add_argument(
        "--close-gates",
        type=finite_number,
        metavar="NUMBER",
        help="lower the logits of the gates that let the memory in: labels are then less steady "
        "and nearer to those of the single frame; a negative number opens them",
    )
    parser.add_argument(
        "--fit-quality",
        action="store_true",
        help="fit what tells good frames from corrupted ones anew, without labels, on images and "
        "corrupted copies of them",
    )
    parser.add_argument(
        "--precision",
        choices=PRECISIONS,
        help="number format of the weights in OUT; default: as in NETWORK",
    )
    fit = parser.add_argument_group("of --fit-quality")
    fit.add_argument("--dataset", choices=DATASETS.names(), help="data set of the images")
    fit.add_argument("--root", type=Path, help="folder of the data set")
    fit.add_argument(
        "--split",
        default="val",
        help="part of the data set, best one that the network was not trained on; "
        "default: %(default)s",
    )
    fit.add_argument(
        "--images",
        type=int,
        default=160,
        help="number of images, evenly spread over the data set; default: %(default)s",
    )
    fit.add_argument(
        "--street-images",
        type=int,
        default=0,
        help="number of images of synthetic streets besides; default: %(default)s",
    )
    fit.add_argument(
        "--corruption-config",
        type=Path,
        help="training configuration whose data.corrupted_copy says how every second copy is "
        "corrupted; the others have noise, blur, light, compression or a covered part, and so have "
        "all without this option",
    )
    fit.add_argument("--seed", type=int, default=0, help="of the corruptions; default: %(default)s")


def class_and_number(text: str) -> tuple[str, float]:
    """CLASS=NUMBER -> (class, number), as an argparse type."""
    name, _, number = text.rpartition("=")
    try:
        return name, finite_number(number)
    except argparse.ArgumentTypeError:
        raise argparse.ArgumentTypeError(f"expected CLASS=NUMBER, got {text!r}") from None


def finite_number(text: str) -> float:
    """A number, as an argparse type."""
    try:
        if math.isfinite(number := float(text)):
            return number
    except ValueError:
        pass
    raise argparse.ArgumentTypeError(f"expected a number, got {text!r}")


def run(arguments: argparse.Namespace) -> None:
    """Write the corrected network.

    Raises:
        CheckpointError, DatasetError: network or data cannot be used.
        ValueError: there is nothing to do, or the network has not what is to be corrected.
    """
    check_options(arguments)
    require_writable(arguments.output, folder=False)
    model, done = load(arguments.network), []
    from lmanet_core.models.surgery import with_closed_gates, with_raised_logits

    if raised := dict(arguments.raise_logit):
        model = with_raised_logits(model, raised)
        done += [f"logit of '{name}' raised by {amount:g}" for name, amount in raised.items()]
    if arguments.close_gates is not None:
        model = with_closed_gates(model, arguments.close_gates)
        done.append(f"gates closed by {arguments.close_gates:g}")
    if arguments.fit_quality:
        done.append(f"quality of frames fitted on {fit_quality(arguments, model)}")
    provenance = load_provenance(arguments.network)
    before = [provenance["adjusted"]] if "adjusted" in provenance else []
    import torch

    precision = arguments.precision or load_precision(arguments.network)
    save_checkpoint(
        model,
        arguments.output,
        dtype=getattr(torch, PRECISIONS[precision]),
        provenance=provenance | {"adjusted": "; ".join([*before, *done])},
        work_size=load_work_size(arguments.network),
    )
    print(f"written to {arguments.output}: {'; '.join(done)}")


def check_options(arguments: argparse.Namespace) -> None:
    """Refuse options that do nothing together."""
    if not (arguments.raise_logit or arguments.close_gates is not None or arguments.fit_quality):
        raise ValueError("nothing to do: expected --raise-logit, --close-gates or --fit-quality")
    has_images = arguments.dataset is not None or arguments.street_images > 0
    if arguments.fit_quality and not has_images:
        raise ValueError("--fit-quality needs images: give --dataset and --root, or a number of "
                         "--street-images")  # fmt: skip
    if has_images and not arguments.fit_quality:
        raise ValueError("--dataset and --street-images are for --fit-quality, which is missing")
    check_at_least(1, **{"--images": arguments.images})
    check_at_least(0, **{"--street-images": arguments.street_images})


def fit_quality(arguments: argparse.Namespace, model: LMANet) -> str:
    """Fit it in place and say on what."""
    with needs_extra("train", "fitting the quality of frames"):
        import tqdm  # noqa: F401
    from lmanet_core.training.frame_quality_fit import (
        fit_frame_quality_on_images,
        frame_quality_of,
    )

    frame_quality_of(model)
    work_size = load_work_size(arguments.network)
    corruptions = [CorruptionConfig()]
    if arguments.corruption_config is not None:
        corruptions.insert(0, read_corruptions(arguments.corruption_config))
    chosen = choose_images(arguments, work_size)
    images = [image for source in chosen.values() for image in source]
    with progress_bar(total=len(images), unit="image") as progress:

        def read() -> Iterator[np.ndarray]:
            for video, index in images:
                yield video.image(index)
                progress.update()

        told = fit_frame_quality_on_images(model, read(), corruptions, arguments.seed, work_size)
    print(f"told right: {told.good:.1%} of the images, {told.corrupted:.1%} of corrupted copies")
    sources = " and ".join(f"{len(source)} images of {name}" for name, source in chosen.items())
    ways = f", {arguments.corruption_config.name}" if arguments.corruption_config else ""
    return f"{sources}, no labels{ways}, seed {arguments.seed}"


def choose_images(
    arguments: argparse.Namespace, work_size: tuple[int, int] | None
) -> dict[str, list[tuple[Video, int]]]:
    """Frames of videos by what they are of: the data set, the synthetic street."""
    chosen: dict[str, list[tuple[Video, int]]] = {}
    if arguments.dataset is not None:
        dataset = open_dataset(arguments.dataset, arguments.root, arguments.split)
        frames = [(video, index) for video in dataset.videos for index in range(len(video))]
        numbers = np.linspace(0, len(frames) - 1, min(arguments.images, len(frames)))
        name = f"{arguments.dataset} {arguments.split}"
        chosen[name] = [frames[number] for number in numbers.round().astype(int)]
    if arguments.street_images:
        number = math.ceil(arguments.street_images / len(STREET_FRAMES))
        config = StreetsConfig(number, frames=STREET_FRAMES[-1] + 1)
        streets = open_streets("holdout", work_size, config).videos
        frames = [(street, index) for street in streets for index in STREET_FRAMES]
        chosen["synthetic streets"] = frames[: arguments.street_images]
    return chosen


def read_corruptions(config: Path) -> CorruptionConfig:
    """How a training configuration corrupts copies.

    Raises:
        ValueError: it does not say, or there is no such file.
    """
    data = read_settings(config).get("data")
    section = data.get("corrupted_copy") if isinstance(data, dict) else None
    if section is None:
        raise ValueError(
            f"{config} does not say how copies are corrupted: expected a section "
            "data.corrupted_copy, as in training/configs/street_robust.yaml"
        )
    return build(CorruptionConfig, section, f"{config}: data.corrupted_copy")
