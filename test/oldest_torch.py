"""Installs the package beside the oldest PyTorch that it supports, and tests it there.

    python test/oldest_torch.py [--folder FOLDER]

That release is made for CPUs on PyTorch's own index and in Debian 13, whose packages run from a
folder on any Debian. Where neither can be had a line says why, and nothing has failed; `make
test-oldest-torch` calls it.
"""

import argparse
import os
import re
import shutil
import subprocess
import sys
import urllib.request
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

CHECKOUT = Path(__file__).resolve().parent.parent
INDEX = "https://download.pytorch.org/whl/cpu"
PYTHONS = ("python3.10", "python3.11", "python3.12", "python3.13")
"""That PyTorch 2.6 has wheels for, the oldest first."""
SUITE = "trixie"
KEYRING = Path("/usr/share/keyrings/debian-archive-keyring.gpg")
PACKAGES = ("python3-torch", "python3-numpy", "python3-pil", "python3-yaml", "python3-safetensors",
            "python3-pip", "python3-pytest", "python3-hypothesis")  # fmt: skip
TESTS = ("ops/test_local_attention.py", "ops/test_registration.py", "runtime/test_segmenter.py")


class UnavailableError(Exception):
    """This PyTorch is not to be had there; the text says why."""


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("--folder", type=Path, default=CHECKOUT / "build" / "oldest_torch")
    folder = parser.parse_args().folder.resolve()
    (release,) = re.findall(r'"torch>=([\d.]+)"', (CHECKOUT / "setup.py").read_text())
    reasons = []
    for make_environment in (from_wheels, from_debian):
        shutil.rmtree(folder, ignore_errors=True)
        folder.mkdir(parents=True)
        try:
            return run_tests(make_environment(folder, release), folder)
        except UnavailableError as reason:
            reasons.append(str(reason))
    print(f"oldest PyTorch: skipped: {'; '.join(reasons)}")
    return 0


def from_wheels(folder: Path, release: str) -> Path:
    """A virtual environment with the wheel for CPUs, of the oldest Python that is here.

    Raises:
        UnavailableError: the index cannot be reached, or no such Python is here.
    """
    try:
        urllib.request.urlopen(f"{INDEX}/torch/", timeout=30).close()
    except OSError as error:
        raise UnavailableError(f"PyTorch's index cannot be reached ({error})") from error
    for name in PYTHONS:
        python = shutil.which(name)
        if python and try_to_run(python, "-c", "import ensurepip, venv"):
            break
    else:
        raise UnavailableError(f"none of {', '.join(PYTHONS)} is here with venv")
    must_run(python, "-m", "venv", folder / "venv")
    python = folder / "venv" / "bin" / "python"
    wheel = f"torch=={release}.0+cpu"
    if not try_to_run(python, "-m", "pip", "install", "--quiet", "--extra-index-url", INDEX, wheel):
        raise UnavailableError(f"pip cannot install {wheel}")
    return python


def from_debian(folder: Path, release: str) -> Path:
    """A program that runs Debian's Python, with its PyTorch, out of the folder.

    Raises:
        UnavailableError: no Debian, or no such release, can be reached.
    """
    if not KEYRING.exists() or not shutil.which("apt-get"):
        raise UnavailableError("the packages of Debian need apt-get and Debian's keyring")
    # The mirror that this machine uses.
    targets = ("apt-get", "indextargets", "--format", "$(REPO_URI)", "Created-By: Packages")
    listed = subprocess.run(targets, capture_output=True, text=True, check=False).stdout
    mirrors = [uri for uri in listed.split() if uri.rstrip("/").endswith("/debian")]
    if not mirrors:
        raise UnavailableError("no mirror of Debian is configured")
    (folder / "sources.list").write_text(f"deb [signed-by={KEYRING}] {mirrors[0]} {SUITE} main\n")
    # As if nothing were installed: state and cache of its own, so that the machine's stay.
    for name in ("state/lists/partial", "cache/archives/partial"):
        (folder / name).mkdir(parents=True)
    (folder / "status").touch()
    settings = {
        "Dir::State": folder / "state",
        "Dir::State::status": folder / "status",
        "Dir::Cache": folder / "cache",
        "Dir::Etc::sourcelist": folder / "sources.list",
        "Dir::Etc::sourceparts": "-",
        "APT::Install-Recommends": "false",
        "APT::Sandbox::User": "root",
        "Acquire::Languages": "none",
    }
    apt_get = ("apt-get", "-qq", *(f"-o{name}={value}" for name, value in settings.items()))
    for step in (("update",), ("install", "--yes", "--download-only", *PACKAGES)):
        if not try_to_run(*apt_get, *step):
            raise UnavailableError(f"'apt-get {step[0]}' fails for Debian {SUITE}")
    archives = list((folder / "cache" / "archives").glob("*.deb"))
    with ThreadPoolExecutor(2) as threads:
        list(threads.map(lambda archive: must_run("dpkg-deb", "-x", archive, folder), archives))
    shutil.rmtree(folder / "cache")
    python = program_of(folder)
    if not try_to_run(python, "-c", f"import torch; assert '{release}.' in torch.__version__"):
        raise UnavailableError(f"Debian {SUITE} has no working PyTorch {release}")
    return python


def program_of(root: Path) -> Path:
    """A script that starts the Python in a root folder, with the libraries and the loader there."""
    libraries = root / "usr" / "lib" / "x86_64-linux-gnu"
    folders = (libraries, libraries / "blas", libraries / "lapack", root / "usr" / "lib")
    script = root / "python"
    script.write_text(f"""#!/bin/sh
export PYTHONHOME={root}/usr
exec {libraries}/ld-linux-x86-64.so.2 --library-path {":".join(map(str, folders))} \\
    --argv0 "$0" {root}/usr/bin/python3 "$@"
""")
    script.chmod(0o755)
    return script


def run_tests(python: Path, folder: Path) -> int:
    """Install the package, see what it says of the machine, and run the tests that show it."""
    # In Debian's folder the folder's own packages may be replaced.
    options = ("--quiet", "--no-warn-script-location", "--root-user-action", "ignore")
    environment = {**os.environ, "PIP_BREAK_SYSTEM_PACKAGES": "1"}
    install = (python, "-m", "pip", "install", *options, f"{CHECKOUT}[torch,test]")
    subprocess.run(install, env=environment, check=True)
    # Elsewhere than in the checkout, which would be imported in place of what is installed.
    must_run(python, "-m", "lmanet_core.command", "doctor", cwd=folder)
    tests = [CHECKOUT / "test" / "lmanet_core" / test for test in TESTS]
    command = (python, "-m", "pytest", "-q", "-c", CHECKOUT / "pyproject.toml", *tests)
    return subprocess.run(command, cwd=folder, check=False).returncode


def try_to_run(*command: str | Path) -> bool:
    """Whether it succeeds within five minutes."""
    try:
        return subprocess.run(command, check=False, timeout=300).returncode == 0
    except subprocess.TimeoutExpired:
        return False


def must_run(*command: str | Path, cwd: Path | None = None) -> None:
    subprocess.run(command, cwd=cwd, check=True)


if __name__ == "__main__":
    sys.exit(main())
