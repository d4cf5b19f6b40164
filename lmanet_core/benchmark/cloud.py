"""What it costs to make points of labels and depth, or of labels and a lidar's cloud."""

from __future__ import annotations

import argparse
from collections.abc import Callable
from statistics import median
from time import thread_time

import cv2
import numpy as np

from lmanet_core.cloud.camera_model import CameraModel
from lmanet_core.cloud.depth import depth_in_metres, organized_points
from lmanet_core.cloud.lidar import seen_points
from lmanet_core.cloud.points import POINT, packed_colors, take
from lmanet_core.cloud.selection import (
    GROUND_CLASSES,
    OBSTACLE_CLASSES,
    Selection,
    known_names,
    label_table,
)
from lmanet_core.cloud.transform import Transform
from lmanet_core.cloud.voxels import thin
from lmanet_core.data.synthetic import StreetConfig, StreetVideo
from lmanet_core.network.classes import CITYSCAPES
from lmanet_core.output.markdown import markdown_table
from lmanet_core.program.arguments import image_size

HELP = "points that know their class: of depth and of a lidar, on one core"
SIZES = ((512, 256), (1280, 720))
DISTORTION = (-0.1, 0.02, 0.001, 0.0, 0.0)
LIDAR_POINTS = 65536
VOXEL = 0.1
WARM_UP = 5


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Declare the benchmark's options on its sub-command."""
    parser.add_argument("--sizes", type=image_size, nargs="+", default=list(SIZES))
    parser.add_argument("--repeats", type=int, default=30)
    parser.set_defaults(run=run)


def run(arguments: argparse.Namespace) -> None:
    """Measure and print a table as Markdown."""
    threads = cv2.getNumThreads()
    cv2.setNumThreads(1)
    try:
        rows = []
        for size in arguments.sizes:
            for name, run_once in cases(size).items():
                times = _processor_times(run_once, arguments.repeats)
                figures = (f"{value:.2f}" for value in (median(times), min(times)))
                rows.append([f"{size[0]}x{size[1]}", name, *figures])
    finally:
        cv2.setNumThreads(threads)
    print(markdown_table(["size", "what", "ms, median", "ms, least"], rows))


def _processor_times(run_once: Callable[[], object], repeats: int) -> list[float]:
    """Milliseconds of one core: what other programs take meanwhile does not count."""
    times = []
    for _ in range(WARM_UP + repeats):
        begin = thread_time()
        run_once()
        times.append(1e3 * (thread_time() - begin))
    return times[WARM_UP:]


def cases(size: tuple[int, int]) -> dict[str, Callable[[], object]]:
    """What is timed at a size, by name: a frame of the synthetic street with depth each."""
    frame = StreetVideo(1, StreetConfig(size=size), depth=True).next_frame()
    assert frame.depth is not None
    labels = frame.labels
    confidence = np.random.default_rng(0).integers(64, 256, labels.shape, np.uint8)
    millimetres = (frame.depth * 1000).clip(0, 65535).astype(np.uint16)
    half = np.ascontiguousarray(millimetres[::2, ::2])
    colors, points = packed_colors(CITYSCAPES), np.empty(labels.shape, POINT)
    bent = CameraModel(size, frame.camera.focal, frame.camera.center, DISTORTION)
    selections = [
        Selection(label_table(CITYSCAPES, known_names(CITYSCAPES, names)), 0.5, 0.3, 20.0)
        for names in (OBSTACLE_CLASSES, GROUND_CLASSES)
    ]
    lidar = np.random.default_rng(0).uniform((-40, -2, -40), (40, 2, 40), (LIDAR_POINTS, 3))
    xyz, level = lidar.astype(np.float32), Transform(np.eye(3), np.zeros(3))

    def of_depth(camera: CameraModel = frame.camera, measured: np.ndarray = millimetres) -> None:
        depth = depth_in_metres(measured, size)
        rays = camera.rays(size)
        organized_points(points, rays, depth, labels, confidence, colors)
        distance = depth * rays.length
        for selection in selections:
            take(points.reshape(-1), selection.indices(labels, confidence, distance))

    return {
        "points, obstacles and ground of depth": of_depth,
        "the same, lens with distortion": lambda: of_depth(bent),
        "the same, depth of half the size": lambda: of_depth(measured=half),
        f"voxels of {VOXEL} m besides": lambda: thin(points, VOXEL),
        f"{LIDAR_POINTS} points of a lidar": lambda: seen_points(
            xyz, level, frame.camera, labels, confidence, colors
        ),
    }
