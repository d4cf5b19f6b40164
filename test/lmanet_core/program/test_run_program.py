"""The end of programs."""

import subprocess
import sys
from importlib.util import find_spec
from pathlib import Path

import pytest

from lmanet_core.program.run_program import INTERRUPTED, require_writable, run_program


def raise_(error: BaseException) -> None:
    raise error


@pytest.mark.parametrize(
    ("error", "line"),
    [
        (ValueError("no such thing"), "tool: no such thing"),
        (PermissionError(13, "Permission denied", "/data/x"), "tool: /data/x: Permission denied"),
        (
            ModuleNotFoundError("No module named 'mcap'", name="mcap"),
            "tool: this needs the package mcap, which is not installed; it comes with the extra "
            "'evaluation': pip install '.[evaluation]' in the folder of this repository",
        ),
    ],
)
def test_what_a_user_can_mend_is_one_line_and_status_1(capsys, error, line):
    assert run_program("tool", lambda: raise_(error), extra="evaluation") == 1
    assert capsys.readouterr().err == f"{line}\n"


def test_a_status_passes_through_and_nothing_is_success():
    assert run_program("tool", lambda: 3) == 3
    assert run_program("tool", lambda: None) == 0
    assert run_program("tool", lambda: raise_(KeyboardInterrupt())) == 130


INTERRUPTED_IMPORT = """
import runpy, signal, sys
class CtrlC:
    def find_spec(self, name, *more):
        if name == {module!r}:
            signal.raise_signal(signal.SIGINT)
sys.meta_path.insert(0, CtrlC())
sys.argv = ["program"]
runpy.run_module({program!r}, run_name="__main__")
"""


@pytest.mark.parametrize(
    ("program", "module"),
    [
        ("lmanet_core.command", "lmanet_core.command.export"),
        ("lmanet_ros.evaluate_bag", "lmanet_ros.processes"),
        ("lmanet_ros.make_bag", "rclpy"),
        ("lmanet_ros.demo", "lmanet_ros.demo.pictures"),
    ],
)
def test_ctrl_c_among_the_imports_of_a_program_ends_it_without_a_word(program, module):
    if program.startswith("lmanet_ros") and find_spec("rclpy") is None:
        pytest.skip("rclpy is not installed")
    script = INTERRUPTED_IMPORT.format(program=program, module=module)
    ended = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True)
    assert (ended.returncode, ended.stderr, ended.stdout) == (INTERRUPTED, "", "")


@pytest.mark.parametrize(
    "error", [RuntimeError("a bug"), ModuleNotFoundError("gone", name="lmanet_core.gone")]
)
def test_bugs_are_not_hidden(error):
    with pytest.raises(type(error)):
        run_program("tool", lambda: raise_(error))


def test_what_cannot_be_written_is_found_before_the_work(tmp_path: Path):
    file = tmp_path / "file"
    file.touch()
    for path, folder in ((file, True), (file / "below", True), (tmp_path, False)):
        with pytest.raises(OSError, match=str(path)):
            require_writable(path, folder=folder)
    for path, folder in ((file, False), (tmp_path / "a" / "b", True), (tmp_path / "c", False)):
        require_writable(path, folder=folder)
    assert list(tmp_path.iterdir()) == [file]
