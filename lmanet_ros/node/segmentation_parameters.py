"""Parameters of the segmentation node."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass

from lmanet_core.network.model_config import MAX_MEMORY_SIZE
from lmanet_ros.node.common_parameters import ANY_RATE, FOREVER, CommonParameters
from lmanet_ros.node.parameter_fields import (
    ANY_TIME,
    AUTO,
    DURABILITIES,
    RELIABILITIES,
    ParameterError,
    check_topics,
    check_word,
    parameter,
)

MAX_THREADS = 1024
MAX_BATCH = 64
IMAGE_SIZE = (-1, -1)
"""The `work_size` that is the image's own."""
_PALETTE_ENTRY = re.compile(r"(?P<name>[^=]*[^=\s])\s*=\s*#(?P<color>[0-9a-fA-F]{6})")
_OWN = "the image's own"


@dataclass(frozen=True)
class NodeParameters(CommonParameters):
    """What the user sets; a field's default gives the parameter its type.

    Raises:
        ParameterError: a value does not make sense.
    """

    checkpoint: str = parameter(
        "",
        "Path of a .safetensors checkpoint or name of shipped weights; empty: the shipped default.",
    )
    model_file: str = parameter(
        "",
        "Path of a file that `lmanet export` made of the checkpoint; empty: the checkpoint runs in "
        "PyTorch or, of the shipped default where no GPU is, its exported form, without PyTorch.",
        former_name="engine",
    )
    backend: str = parameter(
        "auto",
        "auto, torch, or a runtime of exported files, which `lmanet doctor` lists; auto: what "
        "`model_file` asks for.",
    )
    device: str = parameter("auto", "auto, cpu, cuda or cuda:N.")
    precision: str = parameter(
        "auto", "auto, fp32, bf16 or fp16; in PyTorch fp16 needs a CUDA device."
    )
    memory_size: int = parameter(
        -1,
        "Past frames to remember; -1: as many as the checkpoint was made for; 0: no memory.",
        limits=(-1, MAX_MEMORY_SIZE),
    )
    work_size: tuple[int, int] = parameter(
        (0, 0),
        "[width, height] at which the network runs; [0, 0]: as many pixels as the checkpoint "
        "records (832x416 for `street`), in the image's proportions, and the image's own size if "
        "it records none; [-1, -1]: always the image's own.",
    )
    output_size: tuple[int, int] = parameter(
        (0, 0), "[width, height] of all that is published; [0, 0]: the image's own size."
    )
    threads: int = parameter(
        0, "Threads that compute on the CPU; 0: one for each core.", limits=(0, MAX_THREADS)
    )
    image_topics: tuple[str, ...] = parameter(
        ("image",),
        "Topic of each camera. With several, each camera has a memory of its own and its outputs "
        "in a namespace: /front/image_raw is answered on ~/front/labels, and so on.",
    )
    max_batch: int = parameter(
        0,
        "Cameras whose frames the network takes at once, at most: those that wait when it is free; "
        "0: all where that is faster, which is PyTorch on a CUDA device, one by one elsewhere.",
        limits=(0, MAX_BATCH),
    )
    compressed: bool = parameter(
        False,
        "Whether to subscribe to `<topic>/compressed` (sensor_msgs/CompressedImage) instead of "
        "`<topic>`.",
    )
    image_reliability: str = parameter(
        AUTO,
        "How images are subscribed to: auto, reliable or best_effort; auto: reliably if all "
        "publishers are reliable, looked at again whenever a publisher comes or goes.",
    )
    image_durability: str = parameter(
        AUTO,
        "auto, volatile or transient_local; auto: latched images are received where all publishers "
        "latch.",
    )
    max_frame_gap: float = parameter(
        1.0,
        "Seconds between the stamps of two frames beyond which the memory starts anew, but never "
        "less than three of the network's steps, however long these take; 0.0: never.",
        limits=FOREVER,
        change=ANY_TIME,
    )
    max_rate: float = parameter(
        0.0,
        "Frames per second that are segmented of each camera at most; 0.0: as many as possible.",
        limits=ANY_RATE,
        change=ANY_TIME,
    )
    min_confidence: float = parameter(
        0.0,
        "Confidence below which a pixel's label becomes 255, 'unlabeled'; 0.0: none does.",
        limits=(0.0, 1.0),
        change=ANY_TIME,
    )
    overlay_opacity: float = parameter(
        0.5,
        "How much of the class colours covers the image in ~/overlay: 0.0 none, 1.0 all.",
        limits=(0.0, 1.0),
        change=ANY_TIME,
    )
    jpeg_quality: int = parameter(
        80,
        "Of ~/overlay/compressed; ~/color/compressed is without loss.",
        limits=(1, 100),
        change=ANY_TIME,
    )
    palette: str = parameter(
        "",
        "Colours instead of the checkpoint's: 'road=#804080, traffic light=#faaa1e'.",
        change=ANY_TIME,
    )

    def __post_init__(self) -> None:
        check_word("image_reliability", self.image_reliability, RELIABILITIES)
        check_word("image_durability", self.image_durability, DURABILITIES)
        _check_size("work_size", self.work_size, {(0, 0): "the checkpoint's", IMAGE_SIZE: _OWN})
        _check_size("output_size", self.output_size, {(0, 0): _OWN})
        check_topics("image_topics", self.image_topics)
        parse_palette(self.palette)


def parse_palette(text: str) -> dict[str, tuple[int, int, int]]:
    """Colours by class: 'road=#804080, traffic light=#faaa1e' -> {'road': (128, 64, 128), ...}.

    Raises:
        ParameterError: the text is of another form.
    """
    colors = {}
    for entry in filter(None, (part.strip() for part in text.split(","))):
        match = _PALETTE_ENTRY.fullmatch(entry)
        if not match:
            raise ParameterError(
                f"parameter 'palette': expected entries 'class=#rrggbb' with commas between "
                f"them, got {entry!r}"
            )
        red, green, blue = bytes.fromhex(match["color"])
        colors[match["name"]] = (red, green, blue)
    return colors


def _check_size(name: str, size: tuple[int, ...], others: Mapping[tuple[int, int], str]) -> None:
    if size in others or (len(size) == 2 and min(size) > 0):
        return
    meanings = " or ".join(f"{list(other)} for {what} size" for other, what in others.items())
    raise ParameterError(
        f"parameter '{name}': expected [width, height] or {meanings}, got {list(size)}"
    )
