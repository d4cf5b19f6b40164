"""Arrows point one way: which folder may not import which."""

import ast
from pathlib import Path

import pytest

PROJECT = Path(__file__).parents[1]
NODE = "lmanet_ros.node"
NEVER_IMPORTED = {
    "lmanet_core": ("rclpy", "lmanet_ros", "training"),
    "lmanet_core/training": ("lmanet_core.benchmark", "lmanet_core.command"),
    "lmanet_ros": ("lmanet_core.training", "lmanet_core.models", "lmanet_core.ops", "training"),
    "lmanet_ros/messages": (NODE,),
    # The way of an image, backwards.
    "lmanet_ros/node/inference": (f"{NODE}.arrival",),
    "lmanet_ros/node/publishing": (f"{NODE}.arrival", f"{NODE}.inference"),
    "lmanet_ros/node/reporting": (f"{NODE}.arrival", f"{NODE}.inference", f"{NODE}.publishing"),
}


def imported_modules(file: Path) -> set[str]:
    """Modules that are imported anywhere in a file, in functions too."""
    names = set()
    for node in ast.walk(ast.parse(file.read_text())):
        if isinstance(node, ast.Import):
            names |= {alias.name for alias in node.names}
        elif isinstance(node, ast.ImportFrom):
            # `from package import module` may be either.
            names |= {f"{node.module}.{alias.name}" for alias in node.names}
    return names


@pytest.mark.parametrize(("folder", "forbidden"), NEVER_IMPORTED.items())
def test_no_arrow_runs_back(folder, forbidden):
    files = list((PROJECT / folder).rglob("*.py"))
    assert files
    prefixes = tuple(f"{name}." for name in forbidden)
    back = [
        f"{file.relative_to(PROJECT)} imports {name}"
        for file in files
        for name in sorted(imported_modules(file))
        if f"{name}.".startswith(prefixes)
    ]
    assert not back


WRITERS = ("lmanet_core/output/files.py", "lmanet_core/benchmark/")
"""What writes files itself; the benchmarks' are temporary, or the system's."""


def test_files_are_written_in_one_place():
    """By `lmanet_core.output.files`: whole or not at all."""
    files = [
        file for part in ("lmanet_core", "lmanet_ros") for file in (PROJECT / part).rglob("*.py")
    ]
    calls = [
        f"{file.relative_to(PROJECT)}:{node.lineno} calls {node.func.attr}"
        for file in [*files, *(PROJECT / "training").glob("*.py")]
        if not str(file.relative_to(PROJECT)).startswith(WRITERS)
        for node in ast.walk(ast.parse(file.read_text()))
        if isinstance(node, ast.Call) and isinstance(node.func, ast.Attribute)
        if node.func.attr in ("imwrite", "imread", "write_text", "write_bytes", "tofile", "dump")
    ]
    assert not calls
