"""Programs in an environment that lacks packages, which this one has."""

from __future__ import annotations

import os
from pathlib import Path

HIDING = """
import sys

class Hidden:
    def find_spec(self, name, path=None, target=None):
        if name.partition(".")[0] in {packages!r}:
            raise ModuleNotFoundError(f"No module named {{name!r}}", name=name)

def find_spec(name, package=None, original=__import__("importlib.util").util.find_spec):
    return None if name.partition(".")[0] in {packages!r} else original(name, package)

sys.meta_path.insert(0, Hidden())
__import__("importlib.util").util.find_spec = find_spec
"""


def without_packages(folder: Path, *packages: str) -> dict[str, str]:
    """What to set in the environment of Python programs to which packages seem to be missing.

    Args:
        folder: to make; Python runs a file in it at its start.
        packages: names of modules.
    """
    folder.mkdir(parents=True, exist_ok=True)
    (folder / "sitecustomize.py").write_text(HIDING.format(packages=set(packages)))
    return {"PYTHONPATH": os.pathsep.join([str(folder), os.environ.get("PYTHONPATH", "")])}
