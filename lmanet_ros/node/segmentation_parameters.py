"""Parameters of the segmentation node."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass

from rclpy.node import Node

from lmanet_core.network.model_config import MAX_MEMORY_SIZE
from lmanet_ros.node.parameter_fields import (
    ANY_TIME,
    AUTO,
    DURABILITIES,
    RELIABILITIES,
    START,
    UNCONFIGURED,
    ParameterError,
    changed_parameters,
    check_topics,
    check_word,
    declare,
    parameter,
)

__all__ = [
    "ANY_TIME",
    "START",
    "UNCONFIGURED",
    "NodeParameters",
    "ParameterError",
    "changed_parameters",
    "declare_parameters",
    "parse_palette",
]

MAX_THREADS = 1024
MAX_BATCH = 64
IMAGE_SIZE = (-1, -1)
"""The `work_size` that is the image's own."""
_PALETTE_ENTRY = re.compile(r"(?P<name>[^=]*[^=\s])\s*=\s*#(?P<color>[0-9a-fA-F]{6})")
_OWN = "the image's own"


@dataclass(frozen=True)
class NodeParameters:
    """What the user sets; a field's default gives the parameter its type.

    Raises:
        ParameterError: a value does not make sense.
    """

    autostart: bool = parameter(
        True, "Whether the node configures and activates itself.", change=START
    )
    checkpoint: str = parameter(
        "", "Path of a .safetensors checkpoint or name of shipped weights; empty: shipped default."
    )
    model_file: str = parameter(
        "",
        "Path of a file that `lmanet export` made; empty: none, run the checkpoint in PyTorch, or "
        "the shipped default, where no GPU is, in its exported form.",
        former_name="engine",
    )
    backend: str = parameter(
        "auto", "auto, torch, openvino, onnxruntime, tensorrt or tensorrt_rtx; see `model_file`."
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
        "[width, height] at which the network runs; [0, 0]: as many pixels as the "
        "checkpoint records, in the image's proportions; [-1, -1]: the image's own size.",
    )
    output_size: tuple[int, int] = parameter(
        (0, 0), "[width, height] of what is published; [0, 0]: the image's own size."
    )
    threads: int = parameter(
        0, "Threads that compute on the CPU; 0: one for each core.", limits=(0, MAX_THREADS)
    )
    image_topics: tuple[str, ...] = parameter(
        ("image",), "Topic of each camera; with several, outputs are in a namespace per camera."
    )
    max_batch: int = parameter(
        0,
        "Cameras whose frames the network takes at once, at most; 0: all where that is faster.",
        limits=(0, MAX_BATCH),
    )
    compressed: bool = parameter(
        False, "Subscribe to the topics' `/compressed` siblings instead of the topics themselves."
    )
    image_reliability: str = parameter(
        AUTO, "auto (reliable if all publishers are), reliable or best_effort."
    )
    image_durability: str = parameter(
        AUTO, "auto (transient_local if all publishers are), volatile or transient_local."
    )
    lazy: bool = parameter(
        False,
        "Whether to let go of a camera as long as nobody subscribes to any of its outputs.",
        change=ANY_TIME,
    )
    max_frame_gap: float = parameter(
        1.0,
        "Seconds between the stamps of two frames beyond which the memory starts anew; a network "
        "that takes longer for a few steps is given the time of those; 0: never.",
        limits=(0.0, 1e6),
        change=ANY_TIME,
    )
    max_rate: float = parameter(
        0.0,
        "Frames per second that are segmented of each camera at most; 0: as many as possible.",
        limits=(0.0, 1e4),
        change=ANY_TIME,
    )
    min_confidence: float = parameter(
        0.0,
        "Confidence below which a pixel's label becomes 255, unlabeled; 0: none does.",
        limits=(0.0, 1.0),
        change=ANY_TIME,
    )
    jpeg_quality: int = parameter(80, "Of ~/overlay/compressed.", limits=(1, 100), change=ANY_TIME)
    overlay_opacity: float = parameter(
        0.5,
        "How much of the class colours covers the image in ~/overlay.",
        limits=(0.0, 1.0),
        change=ANY_TIME,
    )
    palette: str = parameter(
        "",
        "Colours instead of the checkpoint's: 'road=#804080, traffic light=#faaa1e'.",
        change=ANY_TIME,
    )
    diagnostics_rate: float = parameter(
        1.0, "Diagnostics per second.", limits=(0.01, 100.0), change=ANY_TIME
    )
    silence_timeout: float = parameter(
        2.0,
        "Seconds without a frame after which diagnostics report an error; 0: never.",
        limits=(0.0, 1e6),
        change=ANY_TIME,
    )
    warn_latency: float = parameter(
        1.0,
        "Seconds from receipt to results, 95th percentile, that diagnostics warn of; 0: never.",
        limits=(0.0, 1e6),
        change=ANY_TIME,
    )
    error_latency: float = parameter(
        5.0, "The same, reported as an error; 0: never.", limits=(0.0, 1e6), change=ANY_TIME
    )
    warn_output_rate: float = parameter(
        0.0,
        "Results per second below which diagnostics warn; 0: never.",
        limits=(0.0, 1e4),
        change=ANY_TIME,
    )

    def __post_init__(self) -> None:
        check_word("image_reliability", self.image_reliability, RELIABILITIES)
        check_word("image_durability", self.image_durability, DURABILITIES)
        _check_size("work_size", self.work_size, {(0, 0): "the checkpoint's", IMAGE_SIZE: _OWN})
        _check_size("output_size", self.output_size, {(0, 0): _OWN})
        check_topics("image_topics", self.image_topics)
        parse_palette(self.palette)


def declare_parameters(node: Node) -> NodeParameters:
    """Declare the segmentation node's parameters on a node and read their values.

    Raises:
        ParameterError: a value is of the wrong type, out of range or without sense.
    """
    return declare(node, NodeParameters)


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
