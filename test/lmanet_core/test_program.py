"""The end of programs."""

from pathlib import Path

import pytest

from lmanet_core.program import require_writable, run_program


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
