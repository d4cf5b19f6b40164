"""Processes that programs of this package start."""

import signal
import subprocess
import sys

import pytest
from ros_harness import DEADLINE

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
