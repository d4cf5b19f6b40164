"""Data and settings of small runs."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
from training_miniature import run_settings, write_frames


@pytest.fixture(scope="session")
def frames(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Root of a data set 'camvid' whose splits train and val have one video of eight frames."""
    root = tmp_path_factory.mktemp("camvid")
    write_frames(root, "train")
    write_frames(root, "val")
    return root


@pytest.fixture
def settings(frames: Path) -> dict[str, Any]:
    """Settings of a run with all kinds of stages, each of a few steps."""
    return run_settings(frames)
