"""What all tests share: two workers that do not disturb each other, and miniatures of data sets."""

from __future__ import annotations

import os
import signal
import sys
from functools import cache
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import cv2
import numpy as np
import pytest

from lmanet_core.data.standard_corruptions import CORRUPTIONS

SIZE = (64, 32)
CAMVID_TRAIN = [
    # One drive of four seconds, one with a gap.
    *(f"0001TP_{number:06}.png" for number in range(6690, 6810, 30)),
    *(f"0006R0_f{number:05}.png" for number in (930, 960, 990, 1200, 1231, 1260, 1290)),
]
CAMVID_VAL = [f"0016E5_{number:05}.png" for number in range(7959, 7995, 2)]
CITYSCAPES_FRAMES = {
    "train": ["aachen_000000_000019", "aachen_000001_000019", "hamburg_000000_000042"],
    "val": ["frankfurt_000000_000294", "lindau_000000_000019"],
    "test": ["berlin_000000_000019"],
}

# A shell's background job ignores Ctrl-C, and what is started from it would inherit that.
signal.signal(signal.SIGINT, signal.default_int_handler)

ROS_TESTS = "test/lmanet_ros/"
IS_WORKER = "PYTEST_XDIST_WORKER" in os.environ
if IS_WORKER:
    # Before OpenMP is loaded: threads that wait leave the cores to the other worker.
    os.environ.setdefault("OMP_WAIT_POLICY", "passive")


@pytest.hookimpl(optionalhook=True)
def pytest_xdist_make_scheduler(config: pytest.Config, log: Any) -> Any:
    """One worker has all tests with nodes, from the start; the other files go where one is free."""
    from xdist.scheduler import LoadScopeScheduling

    class OneWorkerForRos(LoadScopeScheduling):
        def _split_scope(self, nodeid: str) -> str:
            return ROS_TESTS if nodeid.startswith(ROS_TESTS) else nodeid.split("::")[0]

    # Where most tests are is begun first.
    config.option.loadscopereorder = True
    return OneWorkerForRos(config, log)


def pytest_runtest_setup(item: pytest.Item) -> None:
    if IS_WORKER and not item.nodeid.startswith(ROS_TESTS):
        _give_way()


@cache
def _give_way() -> None:
    """To nodes, which have deadlines. For good: a worker that is done with them gets no more."""
    os.nice(10)


def write_picture(file: Path, picture: np.ndarray) -> None:
    file.parent.mkdir(parents=True, exist_ok=True)
    cv2.imwrite(str(file), picture)


def drawn_labels(random: np.random.Generator, values: int) -> np.ndarray:
    """(H, W) uint8 patches of 0..values - 1."""
    patches = random.integers(values, size=(4, 8), dtype=np.uint8)
    return cv2.resize(patches, SIZE, interpolation=cv2.INTER_NEAREST)


def drawn_image(random: np.random.Generator) -> np.ndarray:
    return random.integers(256, size=(SIZE[1], SIZE[0], 3), dtype=np.uint8)


@pytest.fixture
def camvid(tmp_path: Path) -> Path:
    """Root of a miniature CamVid."""
    random = np.random.default_rng(0)
    root = tmp_path / "camvid"
    for part, names in {"train": CAMVID_TRAIN, "val": CAMVID_VAL}.items():
        for name in names:
            write_picture(root / part / name, drawn_image(random))
            write_picture(root / f"{part}annot" / name, drawn_labels(random, 12))
    return root


@pytest.fixture
def cityscapes(tmp_path: Path) -> Path:
    """Root of a miniature Cityscapes with gtFine, leftImg8bit and leftImg8bit_sequence."""
    random = np.random.default_rng(0)
    root = tmp_path / "cityscapes"
    for split, frames in CITYSCAPES_FRAMES.items():
        for frame in frames:
            city, sequence, number = frame.split("_")
            for index in range(30):
                name = f"{city}_{sequence}_{int(number) - 19 + index:06}_leftImg8bit.png"
                image = drawn_image(random)
                write_picture(root / "leftImg8bit_sequence" / split / city / name, image)
                if index == 19:
                    write_picture(root / "leftImg8bit" / split / city / name, image)
            labels = root / "gtFine" / split / city / f"{frame}_gtFine_labelIds.png"
            write_picture(labels, drawn_labels(random, 34))
            for other in ("color.png", "instanceIds.png"):
                write_picture(labels.with_name(f"{frame}_gtFine_{other}"), drawn_image(random))
    return root


@pytest.fixture
def davis(tmp_path: Path) -> Path:
    """Root of a miniature DAVIS with two videos to train on and one to validate on."""
    random = np.random.default_rng(0)
    root = tmp_path / "davis"
    for split, videos in {"train": ["bear", "boat"], "val": ["cows"]}.items():
        for video in videos:
            for number in range(5):
                write_picture(root / f"JPEGImages/{video}/{number:05}.jpg", drawn_image(random))
                mask = 255 * drawn_labels(random, 2)
                write_picture(root / f"Annotations/{video}/{number:05}.png", mask)
        (root / f"{split}.txt").write_text("".join(f"{video}\n" for video in videos))
    return root


@pytest.fixture
def corruptions_stand_in(monkeypatch: pytest.MonkeyPatch) -> None:
    """In place of the package `imagecorruptions`: noise, drawn in both of that one's ways."""

    def unseeded(image: Any, severity: int) -> np.ndarray:
        return np.clip(image + np.random.normal(0, 20 * severity, np.shape(image)), 0, 255)

    def seeded(image: Any, severity: int, seed: int | None = None) -> np.ndarray:
        random = np.random.default_rng(seed)
        return np.clip(image + random.normal(0, 20 * severity, np.shape(image)), 0, 255)

    ways = dict.fromkeys(CORRUPTIONS, unseeded) | {"impulse_noise": seeded}
    package = SimpleNamespace(corruption_dict=ways)
    monkeypatch.setitem(sys.modules, "imagecorruptions", package)
