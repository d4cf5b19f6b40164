"""What programs pass on to the nodes that they start, and how these end."""

import signal
import subprocess
import sys

import pytest
import rclpy
from ros_harness import DEADLINE

from lmanet_ros.processes import YamlText, as_yaml


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


PARENT = """
import subprocess, time
from lmanet_ros.processes import end_with_this_process
subprocess.Popen(["sleep", "1000"], preexec_fn=end_with_this_process())
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
