"""Nodes as processes of their own."""

from __future__ import annotations

import ctypes
import json
import os
import signal
import socket
import subprocess
import sys
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager, suppress
from functools import partial
from pathlib import Path
from tempfile import NamedTemporaryFile
from types import FrameType
from typing import Any

import rclpy
import yaml
from rclpy.signals import SignalHandlerOptions

from lmanet_ros.ros_releases import stay_on_this_machine

END_TIMEOUT = 10.0
TAIL_LINES = 20
LARGE_IMAGES = Path(__file__).with_name("large_images.xml")
PROFILE_VARIABLES = ("FASTRTPS_DEFAULT_PROFILES_FILE", "FASTDDS_DEFAULT_PROFILES_FILE")
"""Where Fast DDS looks for its profiles, before its release 3 and since."""
PR_SET_PDEATHSIG = 1
"""Option of Linux' prctl(2)."""
# Loaded here: between fork and exec as little as possible is to happen.
_LIBC = ctypes.CDLL(None)


class ProcessError(ChildProcessError):
    """A process ended that should not have; the message has the last of what it said."""


class YamlText(str):
    """A value as a user has typed it for `-p`: its type is what YAML makes of it."""


def as_yaml(value: object) -> str:
    """A parameter's value as `--ros-args -p` takes it."""
    # JSON is YAML; what libyaml does not know of it are the escapes beyond 16 bits.
    return value if isinstance(value, YamlText) else json.dumps(value, ensure_ascii=False)


def without_ros_arguments(args: Sequence[str]) -> list[str]:
    """A command line without what is between `--ros-args` and `--` or the end.

    rclpy's own also takes away what looks like a remap rule of ROS 1, `precision:=fp32`.
    """
    kept, of_ros = [], False
    for argument in args:
        if argument == "--ros-args":
            of_ros = True
        elif of_ros:
            of_ros = argument != "--"
        else:
            kept.append(argument)
    return kept


class NodeProcess:
    """A node of this package, started with parameters; what it says goes into a file.

    Args:
        name: module in `lmanet_ros` and name of the node.
        parameters: ROS parameters by name; texts stay texts, whatever they look like in YAML.
        log_folder: where `<name>.log` is written.
        params_files: YAML files with parameters; what comes first gives way.
        namespace: namespace of the node.
        checkout: folder with the version of this project that is started; None: this one.
    """

    def __init__(
        self,
        name: str,
        parameters: Mapping[str, object],
        log_folder: Path,
        params_files: Sequence[Path] = (),
        namespace: str = "",
        checkout: Path | None = None,
    ) -> None:
        self.name = name
        self._log = log_folder / f"{name}{namespace.replace('/', '_')}.log"
        command = [sys.executable, "-m", f"lmanet_ros.{name}", "--ros-args"]
        for parameter, value in parameters.items():
            command += ["-p", f"{parameter}:={as_yaml(value)}"]
        for file in params_files:
            command += ["--params-file", str(file)]
        if namespace:
            command += ["-r", f"__ns:={namespace}"]
        environment = os.environ | ({"PYTHONPATH": str(checkout)} if checkout else {})
        with self._log.open("wb") as log:
            self._process = start(
                command, cwd=checkout, env=environment, stdout=log, stderr=subprocess.STDOUT
            )

    @property
    def pid(self) -> int:
        """Identifier of the process."""
        return self._process.pid

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
def uninterrupted() -> Iterator[None]:
    """SIGINT and SIGTERM wait until the end, so that nothing is left half done.

    Where the program handles them, that is; what ends it at once still does. For the main thread.
    """
    came: list[tuple[int, FrameType | None]] = []
    handlers = {number: signal.getsignal(number) for number in (signal.SIGINT, signal.SIGTERM)}
    handled = {number: handler for number, handler in handlers.items() if callable(handler)}
    try:
        for number in handled:
            signal.signal(number, lambda *signal_and_frame: came.append(signal_and_frame))
        yield
    finally:
        for number, handler in handled.items():
            signal.signal(number, handler)
        for arrived, frame in came:
            handled[signal.Signals(arrived)](arrived, frame)


def start(command: Sequence[str], **options: Any) -> subprocess.Popen[bytes]:
    """Start a process that ends when this one does, even if that is killed.

    Args:
        command: program and arguments.
        **options: of `subprocess.Popen`.
    """
    return subprocess.Popen(command, **options, preexec_fn=partial(_end_with, os.getpid()))


def _end_with(parent: int) -> None:
    """In a child: ask Linux for SIGTERM when the parent ends, which may have happened already."""
    _LIBC.prctl(PR_SET_PDEATHSIG, signal.SIGTERM)
    if os.getppid() != parent:
        os._exit(1)


def _read_yaml(file: Path) -> Any:
    try:
        return yaml.safe_load(file.read_text())
    except (OSError, ValueError, yaml.YAMLError):
        return None  # The node says what is wrong with it.


def _for_all_names(tree: Any, parameters: Mapping[str, object], indent: str = "") -> Iterator[str]:
    """Lines of a file that sets parameters wherever another one, `tree`, sets any.

    Of the names in files that fit a node, ROS takes the last one's value, and what the command line
    says is under the name '/**', which may come first.
    """
    for key, value in tree.items() if isinstance(tree, dict) and parameters else ():
        if key == "ros__parameters":
            yield f"{indent}{key}:\n"
            yield from (f"{indent}  {json.dumps(n)}: {as_yaml(v)}\n" for n, v in parameters.items())
        elif isinstance(value, dict):
            yield f"{indent}{json.dumps(str(key))}:\n"
            yield from _for_all_names(value, parameters, f"{indent}  ")


@contextmanager
def started(
    name: str,
    parameters: Mapping[str, object],
    log_folder: Path,
    params_file: Path | None = None,
    **options: Any,
) -> Iterator[NodeProcess]:
    """Run a node while the context lasts.

    Args:
        name, parameters, log_folder, options: as of `NodeProcess`.
        params_file: YAML file with parameters; `parameters` win, whatever it calls the node.
    """
    with NamedTemporaryFile("w", suffix=".yaml") as overrides:
        sections = _read_yaml(params_file) if params_file else None
        overrides.writelines(_for_all_names(sections, parameters))
        overrides.flush()
        files = [params_file] if params_file else []
        files += [Path(overrides.name)] if overrides.tell() else []
        process = NodeProcess(name, parameters, log_folder, files, **options)
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


def give_room_to_large_images() -> None:
    """Have Fast DDS hand them over in one piece, unless the user has chosen its profiles."""
    for variable in PROFILE_VARIABLES:
        os.environ.setdefault(variable, str(LARGE_IMAGES))


@contextmanager
def own_network() -> Iterator[None]:
    """ROS in this process and those it starts, where nobody else talks into."""
    stay_on_this_machine()
    give_room_to_large_images()
    with own_domain() as domain:
        os.environ["ROS_DOMAIN_ID"] = str(domain)
        # Ctrl-C is to raise KeyboardInterrupt, not to shut ROS down beneath a recorder, and what
        # the program was called with is no remap rule.
        init_ros(args=[], signal_handler_options=SignalHandlerOptions.NO)
        try:
            yield
        finally:
            rclpy.try_shutdown()


@contextmanager
def own_domain() -> Iterator[int]:
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
