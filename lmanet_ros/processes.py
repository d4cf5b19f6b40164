"""Nodes as processes of their own."""

from __future__ import annotations

import json
import os
import signal
import socket
import subprocess
import sys
from collections.abc import Iterator, Mapping
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any

import rclpy
from rclpy.signals import SignalHandlerOptions

END_TIMEOUT = 10.0
TAIL_LINES = 20


class ProcessError(RuntimeError):
    """A process ended that should not have; the message has the last of what it said."""


class YamlText(str):
    """A value as a user has typed it for `-p`: its type is what YAML makes of it."""


def as_yaml(value: object) -> str:
    """A parameter's value as `--ros-args -p` takes it."""
    # JSON is YAML; what libyaml does not know of it are the escapes beyond 16 bits.
    return value if isinstance(value, YamlText) else json.dumps(value, ensure_ascii=False)


class NodeProcess:
    """A node of this package, started with parameters; what it says goes into a file.

    Args:
        name: module in `lmanet_ros` and name of the node.
        parameters: ROS parameters by name; texts stay texts, whatever they look like in YAML.
        log_folder: where `<name>.log` is written.
        params_file: YAML file with parameters; `parameters` go first.
    """

    def __init__(
        self,
        name: str,
        parameters: Mapping[str, object],
        log_folder: Path,
        params_file: Path | None = None,
    ) -> None:
        self.name = name
        self._log = log_folder / f"{name}.log"
        command = [sys.executable, "-m", f"lmanet_ros.{name}", "--ros-args"]
        if params_file:
            command += ["--params-file", str(params_file)]
        for parameter, value in parameters.items():
            command += ["-p", f"{parameter}:={as_yaml(value)}"]
        with self._log.open("wb") as log:
            self._process = subprocess.Popen(command, stdout=log, stderr=subprocess.STDOUT)

    def is_running(self) -> bool:
        """Whether it still runs.

        Raises:
            ProcessError: it has ended with a status other than 0.
        """
        status = self._process.poll()
        if status:
            lines = self._log.read_text(errors="replace").splitlines()
            tail = "\n".join(f"  {line}" for line in lines[-TAIL_LINES:])
            raise ProcessError(f"{self.name} ended with status {status}; it said:\n{tail}")
        return status is None

    def end(self) -> None:
        """End it as Ctrl-C does, with force if that is of no use."""
        if self._process.poll() is None:
            self._process.send_signal(signal.SIGINT)
        try:
            self._process.wait(END_TIMEOUT)
        except subprocess.TimeoutExpired:
            self._process.kill()
            self._process.wait()


@contextmanager
def started(
    name: str,
    parameters: Mapping[str, object],
    log_folder: Path,
    params_file: Path | None = None,
) -> Iterator[NodeProcess]:
    """Run a node while the context lasts; the arguments are those of `NodeProcess`."""
    process = NodeProcess(name, parameters, log_folder, params_file)
    try:
        yield process
    finally:
        process.end()


def init_ros(**arguments: Any) -> None:
    """`rclpy.init`, whose errors the user can mend.

    Raises:
        ProcessError: an argument is none of ROS, or the log folder below HOME cannot be written.
    """
    try:
        rclpy.init(**arguments)
    except RuntimeError as error:
        raise ProcessError(f"ROS does not start: {error}") from None


@contextmanager
def own_network() -> Iterator[None]:
    """ROS in this process and those it starts, where nobody else talks into."""
    os.environ["ROS_AUTOMATIC_DISCOVERY_RANGE"] = "LOCALHOST"
    with _own_domain() as domain:
        os.environ["ROS_DOMAIN_ID"] = str(domain)
        # Ctrl-C is to raise KeyboardInterrupt, not to shut ROS down beneath a recorder.
        init_ros(signal_handler_options=SignalHandlerOptions.NO)
        try:
            yield
        finally:
            rclpy.try_shutdown()


@contextmanager
def _own_domain() -> Iterator[int]:
    """A ROS domain that no other program of this package on this machine has."""
    with socket.socket(socket.AF_UNIX) as lock:
        # Domains up to 101 keep clear of the ports that Linux hands out to others.
        for offset in range(101):
            domain = 1 + (os.getpid() + offset) % 101
            # A name without a file, which Linux frees when the process ends, however it does.
            with suppress(OSError):
                lock.bind(f"\0lmanet_ros_domain_{domain}")
                break
        else:
            raise ProcessError("all ROS domains from 1 to 101 are in use on this machine")
        yield domain
