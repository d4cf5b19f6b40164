"""The process: how it starts, refuses to start, and ends."""

import re
import signal
import sys
import time
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path

import pytest
from ros_harness import (
    NODE_COMMAND,
    NODE_NAME,
    NodeProcess,
    connected,
    image_message,
    promptly,
    running_node,
    street,
    wait_until,
)


@contextmanager
def starting(*arguments: str) -> Iterator[NodeProcess]:
    process = NodeProcess([*NODE_COMMAND, "--ros-args", *arguments])
    try:
        yield process
    finally:
        process.end()


def assert_ends_cleanly(process: NodeProcess, *numbers: signal.Signals) -> None:
    with promptly():
        for number in numbers:
            process.signal(number)
        assert process.wait() == 0, process.output
    assert "Traceback" not in process.output


SIGNALS = {
    "ctrl_c": [signal.SIGINT],
    "sigterm": [signal.SIGTERM],
    "ctrl_c_under_ros2_launch": [signal.SIGINT, signal.SIGINT, signal.SIGTERM],
}


def test_a_signal_ends_the_node(checkpoint):
    with ExitStack() as stack:
        # All at once: most of the time goes into starting Python.
        processes = {
            name: stack.enter_context(running_node(checkpoint, "-r", f"__ns:=/{name}"))
            for name in SIGNALS
        }
        for name, process in processes.items():
            options = {"node_name": f"/{name}{NODE_NAME}", "topic": f"/{name}/image"}
            client = stack.enter_context(connected(process, **options))
            client.ask(image_message(street()))
            assert_ends_cleanly(process, *SIGNALS[name])


def test_ctrl_c_ends_the_node_while_the_network_runs(checkpoint):
    slow = ("-p", "work_size:=[3072, 1536]", "-p", "memory_size:=0")
    with running_node(checkpoint, *slow) as process, connected(process) as client:
        client.send(image_message(street()))
        client.wait_for_count("received", 1)
        assert_ends_cleanly(process, signal.SIGINT)


@pytest.mark.parametrize("program", ["segmentation_node", "video_publisher"])
def test_a_signal_ends_a_program_while_it_starts(checkpoint, program):
    delays = [0.0, 0.3, 0.6, 0.9, 1.2, 1.5]
    command = [sys.executable, "-m", f"lmanet_ros.{program}"]
    if program == "segmentation_node":
        command += ["--ros-args", "-p", f"checkpoint:={checkpoint}"]
    with ExitStack() as stack:
        # All at once: most of the time goes into starting Python.
        processes = []
        for _ in delays:
            processes.append(NodeProcess(command))
            stack.callback(processes[-1].end)
        for process in processes:
            # From its first line on the program is responsible, not Python.
            wait_until(lambda process=process: waits_for_signals(process), "the program to begin")
        begin = time.monotonic()
        for index, (process, delay) in enumerate(zip(processes, delays, strict=True)):
            wait_until(lambda delay=delay: time.monotonic() > begin + delay, "the moment")
            process.signal((signal.SIGINT, signal.SIGTERM)[index % 2])
        for process in processes:
            assert process.wait() == 0, process.output
            assert "Traceback" not in process.output
            assert "ERROR" not in process.output


def waits_for_signals(process: NodeProcess) -> bool:
    status = Path(f"/proc/{process.pid}/status").read_text()
    mask = int(re.search(r"SigBlk:\s+(\w+)", status)[1], 16)
    return bool(mask >> (signal.SIGTERM - 1) & 1)


def test_a_bad_value_stops_the_start_and_is_named(checkpoint, tmp_path):
    params_file = tmp_path / "params.yaml"
    params_file.write_text("/**: {ros__parameters: {memory_size: [}}")
    empty_lists = {name: tmp_path / f"{name}.yaml" for name in ("image_topics", "work_size")}
    for name, file in empty_lists.items():
        file.write_text(f"/**: {{ros__parameters: {{{name}: []}}}}")
    good = ("-p", f"checkpoint:={checkpoint}")
    reliability = "qos_overrides./image.subscription.reliability"
    cases = {
        "parameter 'memory_size': expected an integer in -1..64, got 99": ["-p", "memory_size:=99"],
        "parameter 'checkpoint': no checkpoint '/no/such.safetensors'": [
            "-p",
            "checkpoint:=/no/such.safetensors",
        ],
        "parameter precision must be one of": [*good, "-p", "precision:=fp64"],
        "parameter device must be": [*good, "-p", "device:=tpu"],
        "parameter 'qos_overrides./image.subscription": [*good, "-p", f"{reliability}:=perhaps"],
        "parameter 'image_reliability': expected one of": ["-p", "image_reliability:=maybe"],
        **{
            f"parameter '{name}': expected": ["--params-file", str(file)]
            for name, file in empty_lists.items()
        },
        "cannot be told apart": [*good, "-p", "image_topics:=[image, /image]"],
        "a namespace must not end in '/'": ["-r", "__ns:=/front/"],
        str(params_file): [*good, "--params-file", str(params_file)],
    }
    with ExitStack() as stack:
        # All at once: most of the time goes into starting Python.
        processes = {
            expected: stack.enter_context(starting(*arguments))
            for expected, arguments in cases.items()
        }
        for expected, process in processes.items():
            assert process.wait() == 1, process.output
            assert expected in process.output
            assert "segmentation_node cannot start: " in process.output
            assert "Traceback" not in process.output


def test_help_is_given_and_what_ros_would_ignore_is_refused():
    cases = {
        ("segmentation_node", "--help"): (0, "max_rate:=0.0\n      Most frames per second"),
        ("video_publisher", "-h"): (0, "video:="),
        ("segmentation_node", "-p", "max_rat:=3.0"): (2, "mean: --ros-args -p max_rate:=3.0"),
        ("segmentation_node", "--checkpoint", "x"): (2, "--ros-args -p checkpoint:=VALUE"),
        ("video_publisher", "drive.mp4"): (2, "unknown argument 'drive.mp4'"),
        ("video_publisher", "--ros-args", "-p", "vidoe:=drive.mp4"): (1, "did you mean 'video'?"),
    }
    with ExitStack() as stack:
        processes = {}
        for program, *arguments in cases:
            process = NodeProcess([sys.executable, "-m", f"lmanet_ros.{program}", *arguments])
            stack.callback(process.end)
            processes[(program, *arguments)] = process
        for case, process in processes.items():
            status, text = cases[case]
            assert process.wait() == status, process.output
            assert text in process.output
            assert status == 0 or process.output.count("\n") == 1


def test_a_network_that_is_typed_takes_the_place_of_a_file_s(tmp_path):
    file = tmp_path / "robot.yaml"
    file.write_text("/**: {ros__parameters: {checkpoint: street-camvid}}")
    with starting("--params-file", str(file), "-p", "engine:=/no/mine.lmanet") as process:
        assert process.wait() == 1
    assert "parameter 'engine' is called 'model_file' now" in process.output
    assert "parameter 'model_file': /no/mine.lmanet is no file" in process.output
