"""What training costs: the loader alone against the network, and each stage per labelled frame."""

from __future__ import annotations

import argparse
from pathlib import Path

import torch

from lmanet_core.output.files import write_json
from lmanet_core.output.markdown import markdown_table
from lmanet_core.program.timing import time_in_turns

HELP = "samples/s of the loader against training, and each stage per labelled frame"


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Declare the benchmark's options on its sub-command."""
    parser.add_argument("--config", type=Path, required=True, help="YAML file of the training")
    parser.add_argument("--repeats", type=int, default=5)
    parser.add_argument(
        "--batches", type=int, default=20, help="number of batches that the loader is timed over"
    )
    parser.add_argument("--json", type=Path, help="file for the figures")
    parser.set_defaults(run=run)


def run(arguments: argparse.Namespace) -> None:
    """Time all stages of a configuration and print, or write, the figures.

    'To single frame' compares with the last stage on single frames whose images have the same size.
    """
    # Here because the other benchmarks do without the packages that training needs.
    from lmanet_core.benchmark.training_stage import open_stages

    stages = open_stages(arguments.config)
    milliseconds = time_in_turns(
        {stage.name: stage.step for stage in stages}, arguments.repeats, warm_up=1
    )
    per_frame = {stage.name: milliseconds[stage.name] / stage.supervised_frames for stage in stages}
    rows = []
    for stage in stages:
        single = [s.name for s in stages if s.clip_shape == (1, *stage.clip_shape[1:])]
        ratio = per_frame[stage.name] / per_frame[single[-1]] if single else None
        rows.append(
            {
                "stage": stage.name,
                "clip": "x".join(map(str, stage.clip_shape)),
                "loader samples/s": round(stage.loader_rate(arguments.batches), 2),
                "training samples/s": round(1e3 * stage.batch_size / milliseconds[stage.name], 2),
                "ms per supervised frame": round(per_frame[stage.name], 1),
                "to single frame": ratio and round(ratio, 2),
            }
        )
    print(f"{torch.get_num_threads()} threads, device {stages[0].device}\n")
    print(markdown_table(list(rows[0]), [list(row.values()) for row in rows]))
    if arguments.json:
        write_json(arguments.json, rows)
