"""How much a node's Python packages take on the disk."""

from __future__ import annotations

from collections.abc import Iterator
from importlib.metadata import Distribution, PackageNotFoundError, distribution
from pathlib import Path

from packaging.requirements import Requirement

PACKAGE = "lmanet_ros"


def environment_mib(*extras: str) -> float:
    """MiB of the files of all packages that this one needs, itself left out.

    Args:
        extras: extras of this package that count, too, as far as they are installed.
    """
    needed = {d.name: d for extra in ("", *extras) for d in _needed(PACKAGE, extra, set())}
    return sum(map(_bytes, needed.values())) / 2**20


def _needed(name: str, extra: str, seen: set[tuple[str, str]]) -> Iterator[Distribution]:
    """Packages that an extra of a package brings, and the packages that these need."""
    seen.add((name, extra))
    try:
        requirements = map(Requirement, distribution(name).requires or ())
    except PackageNotFoundError:
        return
    for requirement in requirements:
        if requirement.marker and not requirement.marker.evaluate({"extra": extra}):
            continue
        try:
            yield distribution(requirement.name)
        except PackageNotFoundError:
            continue
        for further in ("", *requirement.extras):
            if (requirement.name, further) not in seen:
                yield from _needed(requirement.name, further, seen)


def _bytes(package: Distribution) -> int:
    files = (Path(str(file.locate())) for file in package.files or ())
    return sum(file.stat().st_size for file in files if file.is_file())
