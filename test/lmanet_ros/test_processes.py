"""Processes that programs of this package start, and what is passed on to them."""

import os
import signal
import subprocess
import sys
from xml.etree import ElementTree

import pytest
import rclpy
from ros_harness import DEADLINE

from lmanet_ros.processes import (
    PROFILE_VARIABLES,
    YamlText,
    as_yaml,
    give_room_to_large_images,
    uninterrupted,
    without_ros_arguments,
)

PARENT = """
import sys, time
from lmanet_ros.processes import start
start(["sleep", "1000"])
print("started", flush=True)
time.sleep(1000)
"""


@pytest.mark.parametrize("end", [signal.SIGTERM, signal.SIGKILL])
def test_they_end_with_who_has_started_them(end):
    parent = subprocess.Popen([sys.executable, "-c", PARENT], stdout=subprocess.PIPE, text=True)
    assert parent.stdout.readline() == "started\n"
    parent.send_signal(end)
    # Both have the pipe open: it ends when the child has ended, too.
    parent.communicate(timeout=DEADLINE)


def test_what_is_not_to_be_interrupted_is_done_before_a_signal_ends_the_rest():
    done = []

    @uninterrupted()
    def step():
        signal.raise_signal(signal.SIGINT)
        done.append("step")

    with pytest.raises(KeyboardInterrupt):
        step()
    assert done == ["step"]
    # And as it was before.
    with pytest.raises(KeyboardInterrupt):
        signal.raise_signal(signal.SIGINT)


def test_ros_takes_what_is_between_its_marks_and_nothing_that_looks_alike():
    own = ["program", "-p", "precision:=fp32", "a:=b"]
    assert without_ros_arguments([*own, "--ros-args", "-r", "a:=b", "--", "bag"]) == [*own, "bag"]
    assert without_ros_arguments([*own, "--ros-args", "-p", "x:=1"]) == own


def received(argument: str) -> object:
    """The value of a parameter that a node gets from its command line."""
    node = rclpy.create_node(
        "receiver",
        cli_args=["--ros-args", "-p", f"value:={argument}"],
        automatically_declare_parameters_from_overrides=True,
    )
    try:
        return node.get_parameter("value").value
    finally:
        node.destroy_node()


@pytest.mark.parametrize(
    "text",
    [
        "run #3/e.safetensors",
        "run: 4/e.safetensors",
        "2024",
        "1e3",
        "true",
        "~",
        "[a, b]",
        "*.safetensors",
        'it\'s a "b" \\ c',
        "größe/🚗.safetensors",
        " blank ",
    ],
)
def test_texts_stay_texts(text):
    assert received(as_yaml(text)) == text


def test_other_values_keep_their_type_and_what_users_type_is_yaml():
    for value in (True, 3, 0.5, ["image"]):
        assert received(as_yaml(value)) == value
    assert received(as_yaml(YamlText("0.5"))) == 0.5
    assert received(as_yaml(YamlText("erfnet"))) == "erfnet"


def test_large_images_have_room_unless_the_user_has_chosen_profiles(monkeypatch):
    before, since = PROFILE_VARIABLES
    monkeypatch.setenv(before, "mine.xml")
    # Set and deleted, so that what is set here ends with the test.
    monkeypatch.setenv(since, "")
    monkeypatch.delenv(since)
    give_room_to_large_images()
    assert os.environ[before] == "mine.xml"
    profile = ElementTree.parse(os.environ[since])
    (size,) = (element.text for element in profile.iter() if "segment_size" in element.tag)
    assert int(size) >= 16 * 2**20
