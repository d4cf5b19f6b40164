"""The benchmark of a CUDA device, as far as it goes without one."""

import json

import pytest

from lmanet_core.benchmark import gpu_tiles, ops_cases
from lmanet_core.command.__main__ import main
from lmanet_core.ops.implementations.fused_cuda_tiles import Tiles


def test_a_dry_run_goes_through_everything_and_writes_it(tmp_path, monkeypatch, capsys):
    # Compiling it takes longer than all the rest.
    monkeypatch.delitem(ops_cases.IMPLEMENTATIONS, "flex")
    assert main(["benchmark", "gpu", "--dry-run", "--output", str(tmp_path)]) == 0
    sections = json.loads((tmp_path / "gpu.json").read_text())
    assert all(row["good"] for row in sections["correctness"])
    assert {row["implementation"] for row in sections["operator"]} >= {"tiled", "shifts"}
    assert [row["S"] for row in sections["networks"]] == [0, 1, 2, 3, 4, 5, 3, 3, 3]
    assert all(row["step ms"] > 0 for row in sections["networks"])
    assert all(row["step without replay ms"] > 0 for row in sections["networks"])
    assert {row["implementation"] for row in sections["labels"]} == {"fused", "PyTorch"}
    assert sections["tiles"][-1]["keep"].startswith("(80, 4, 6): Tiles(")
    assert sections["skipped for want of time"] == []
    assert (tmp_path / "gpu.md").read_text() in capsys.readouterr().out


def test_without_a_device_it_says_what_does_without(monkeypatch):
    monkeypatch.setattr("torch.cuda.is_available", lambda: False)
    with pytest.raises(SystemExit, match="--dry-run"):
        main(["benchmark", "gpu"])


def test_what_there_is_no_time_for_is_left_out_and_named(monkeypatch, capsys):
    assert main(["benchmark", "gpu", "--dry-run", "--seconds", "0"]) == 0
    text = capsys.readouterr().out
    assert "## correctness" in text
    assert "## networks" not in text
    assert "| erfnet 64x32: S=3, window global |" in text
    assert "| operator, tiny: tiled |" in text


def test_the_search_for_tiles_finds_the_fastest_and_lists_what_does_not_run():
    begin = Tiles(rows=8, columns=8, step=64, warps=4, stages=2)

    def milliseconds(tiles: Tiles) -> float:
        if tiles.rows * tiles.columns * tiles.stages > 300:
            raise RuntimeError("out of shared memory\nand more")
        return abs(tiles.rows - 16) + abs(tiles.step - 32) + abs(tiles.warps - 8) + tiles.stages

    tried = dict(gpu_tiles.search(begin, milliseconds, lambda: True))
    assert gpu_tiles.fastest(tried) == Tiles(rows=16, columns=8, step=32, warps=8, stages=1)
    assert "RuntimeError: out of shared memory" in tried.values()
    assert list(dict(gpu_tiles.search(begin, milliseconds, lambda: False))) == [begin]
    assert gpu_tiles.fastest({begin: "RuntimeError: no device"}) is None
