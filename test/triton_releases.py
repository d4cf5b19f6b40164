"""Runs the tests of the CUDA kernels with releases of Triton, each in a folder of its own.

    python test/triton_releases.py [--releases 3.2.0 3.6.0] [--folder FOLDER] [options of pytest]

By default all of them, from that of the oldest PyTorch that is supported (2.6) on; `make
test-triton` calls it.
"""

import argparse
import os
import subprocess
import sys
from pathlib import Path

RELEASES = ("3.2.0", "3.3.1", "3.4.0", "3.5.1", "3.6.0", "3.7.0", "3.8.0", "3.9.0")
"""Of PyTorch 2.6, 2.7, 2.8, 2.9, 2.10 and 2.11, and those since."""
TESTS = (
    "ops/test_fused_cuda.py",
    "ops/test_fused_cuda_compile.py",
    "ops/test_classify_cuda.py",
    "export/test_plugin.py",
)
CHIPS = "not (80 or 86 or 89 or 100 or 110)"


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("--releases", nargs="+", default=RELEASES)
    parser.add_argument("--folder", type=Path, default=Path("build/triton"))
    arguments, options = parser.parse_known_args()
    passed = {
        release: run_tests(arguments.folder / release, release, options)
        for release in arguments.releases
    }
    for release, good in passed.items():
        print(f"Triton {release}: {'passed' if good else 'FAILED'}")
    return 0 if all(passed.values()) else 1


def run_tests(folder: Path, release: str, options: list[str]) -> bool:
    """Install a release if it is not there, and run the tests with it in front of all others."""
    if not folder.exists():
        pip = (sys.executable, "-m", "pip", "install", "--quiet", "--no-deps")
        subprocess.run([*pip, "--target", folder, f"triton=={release}"], check=True)
    print(f"Triton {release}", flush=True)
    tests = [f"test/lmanet_core/{test}" for test in TESTS]
    environment = {**os.environ, "PYTHONPATH": str(folder.resolve())}
    command = [sys.executable, "-m", "pytest", "-q", *(options or ["-k", CHIPS]), *tests]
    return subprocess.run(command, env=environment, check=False).returncode == 0


if __name__ == "__main__":
    sys.exit(main())
