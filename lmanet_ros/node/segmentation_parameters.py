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
        "Path of a file that `lmanet export` wrote. Empty: the checkpoint runs in PyTorch; the "
        "shipped default runs in its exported form, without PyTorch, where there is no GPU.",
        former_name="engine",
    )
    backend: str = parameter(
        "auto",
        "What runs the network: auto, torch, or a runtime of exported files, which `lmanet doctor` "
        "lists; auto: what fits `model_file`.",
    )
    device: str = parameter("auto", "Device of the network: auto, cpu, cuda or cuda:N.")
    precision: str = parameter(
        "auto",
        "Precision of the network: auto, fp32, bf16 or fp16; in PyTorch fp16 needs a CUDA device.",
    )
    memory_size: int = parameter(
        -1,
        "Number of past frames to remember; -1: as the checkpoint says; 0: no memory.",
        limits=(-1, MAX_MEMORY_SIZE),
    )
    work_size: tuple[int, int] = parameter(
        (0, 0),
        "[width, height] at which the network runs. [0, 0]: as many pixels as the checkpoint "
        "records (832x416 for `street`), in the image's proportions; the image's size if it "
        "records none. [-1, -1]: the image's size.",
    )
    output_size: tuple[int, int] = parameter(
        (0, 0), "[width, height] of all outputs; [0, 0]: the image's size."
    )
    threads: int = parameter(
        0,
        "Number of threads that compute on the CPU; 0: one for each core.",
        limits=(0, MAX_THREADS),
    )
    image_topics: tuple[str, ...] = parameter(
        ("image",),
        "Topic of each camera. Each of several cameras has a memory of its own, and its outputs in "
        "a namespace: /front/image_raw is answered on ~/front/labels.",
    )
    max_batch: int = parameter(
        0,
        "Most frames, of as many cameras, that the network takes at once. 0: all that wait, on a "
        "CUDA device in PyTorch, where that is faster; one by one elsewhere.",
        limits=(0, MAX_BATCH),
    )
    compressed: bool = parameter(
        False,
        "Whether to subscribe to `<topic>/compressed` (sensor_msgs/CompressedImage) instead of "
        "`<topic>`.",
    )
    image_reliability: str = parameter(
        AUTO,
        "Reliability of the subscription: auto, reliable or best_effort; auto: reliable while all "
        "publishers are.",
    )
    image_durability: str = parameter(
        AUTO,
        "Durability of the subscription: auto, volatile or transient_local; auto: transient_local "
        "while all publishers are, so that latched images are received.",
    )
    max_frame_gap: float = parameter(
        1.0,
        "Seconds between the stamps of two frames beyond which the memory is emptied; 0.0: never. "
        "It counts as at least three steps of the network, so that a slow one keeps its memory.",
        limits=FOREVER,
        change=ANY_TIME,
    )
    max_rate: float = parameter(
        0.0,
        "Most frames per second that are segmented of each camera; 0.0: as many as possible.",
        limits=ANY_RATE,
        change=ANY_TIME,
    )
    min_confidence: float = parameter(
        0.0,
        "Confidence below which a pixel's label becomes 255, 'unlabeled'; 0.0: never.",
        limits=(0.0, 1.0),
        change=ANY_TIME,
    )
    overlay_opacity: float = parameter(
        0.5,
        "Opacity of the class colours in ~/overlay: 0.0 shows the image alone, 1.0 the colours.",
        limits=(0.0, 1.0),
        change=ANY_TIME,
    )
    jpeg_quality: int = parameter(
        80,
        "JPEG quality of ~/overlay/compressed; ~/color/compressed has no loss.",
        limits=(1, 100),
        change=ANY_TIME,
    )
    palette: str = parameter(
        "",
        "Colours of classes in place of the checkpoint's: 'road=#804080, traffic light=#faaa1e'.",
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
