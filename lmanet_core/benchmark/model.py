"""What the memory costs: a streaming step with it against the single-frame network."""

from __future__ import annotations

import argparse
from dataclasses import replace
from pathlib import Path

import numpy as np
import torch

from lmanet_core.checkpoint import load
from lmanet_core.models import build_model
from lmanet_core.output.files import write_json
from lmanet_core.program.arguments import image_size
from lmanet_core.program.timing import time_in_turns
from lmanet_core.runtime import open_segmenter

HELP = "VideoSegmenter.step with memory against the single-frame network"


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Declare the benchmark's options on its sub-command."""
    parser.add_argument("--size", type=image_size, default=(512, 256), help="WIDTHxHEIGHT")
    parser.add_argument("--checkpoint", help="file or name of shipped weights; default: shipped")
    parser.add_argument("--memory-size", type=int, help="frames remembered; default: the model's")
    parser.add_argument("--precision", default="auto", help="auto, fp32, bf16 or fp16")
    parser.add_argument("--device", default="auto", help="auto, cpu or cuda")
    parser.add_argument("--repeats", type=int, default=20)
    parser.add_argument("--json", type=Path, help="file for the figures")
    parser.set_defaults(run=run)


def run(arguments: argparse.Namespace) -> None:
    """Time both networks in turns and print, or write, milliseconds and their ratio."""
    model = load(arguments.checkpoint)
    single = build_model(replace(model.config, memory_size=0))
    options = {"precision": arguments.precision, "device": arguments.device}
    with_memory = open_segmenter(model, memory_size=arguments.memory_size, **options)
    single_frame = open_segmenter(single, **options)
    width, height = arguments.size
    image = np.random.default_rng(0).integers(0, 256, (height, width, 3), dtype=np.uint8)
    for _ in range(with_memory.backend.memory_size):
        with_memory.step(image)

    medians = time_in_turns(
        {
            "single_frame": lambda: single_frame.step(image),
            "lmanet": lambda: with_memory.step(image),
        },
        arguments.repeats,
    )
    figures = {
        "size": f"{width}x{height}",
        "memory_size": with_memory.backend.memory_size,
        "window_size": model.config.window_size,
        "precision": with_memory.backend.precision,
        "device": with_memory.backend.device,
        "threads": torch.get_num_threads(),
        "single_frame_ms": round(medians["single_frame"], 2),
        "lmanet_ms": round(medians["lmanet"], 2),
        "ratio": round(medians["lmanet"] / medians["single_frame"], 3),
    }
    for name, value in figures.items():
        print(f"{name:16} {value}")
    if arguments.json:
        write_json(arguments.json, figures)
