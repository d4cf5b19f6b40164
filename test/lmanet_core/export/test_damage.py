"""Files that a disk or a copy has damaged: the error is the file's own, and nothing else."""

import random
from pathlib import Path

import pytest
from export_cases import TINY

from lmanet_core import CheckpointError, build_model, load, save_checkpoint
from lmanet_core.checkpoint import checkpoint_fingerprint, load_provenance
from lmanet_core.runtime import GraphFileError
from lmanet_core.runtime.engine_file import EngineInfo, read_engine, write_engine
from lmanet_core.runtime.graph_info import read_onnx_info
from lmanet_core.runtime.network_file import read_network_file

TRIALS = 150


@pytest.fixture(scope="module")
def files(tiny_network, tiny_onnx, tmp_path_factory):
    """One of each kind."""
    folder = tmp_path_factory.mktemp("files")
    save_checkpoint(build_model(TINY), folder / "tiny.safetensors", work_size=(64, 64))
    info = read_network_file(tiny_network)[0]
    engine = EngineInfo(info, "tensorrt", "10.3", ("sm_87",), (640, 480))
    write_engine(folder / "tiny.engine", engine, bytes(range(256)) * 8)
    (folder / "tiny.onnx").write_bytes(tiny_onnx.read_bytes())
    (folder / "tiny.lmanet").write_bytes(tiny_network.read_bytes())
    return folder


def read_checkpoint(path: Path):
    return load_provenance(path), checkpoint_fingerprint(path)


READERS = {
    "tiny.lmanet": read_network_file,
    "tiny.safetensors": read_checkpoint,
    "tiny.onnx": read_onnx_info,
    "tiny.engine": read_engine,
}


@pytest.mark.parametrize("name", READERS)
def test_a_flipped_bit_is_found_or_changes_nothing(files, name, tmp_path):
    content = (files / name).read_bytes()
    expected = READERS[name](files / name)
    choose = random.Random(0)
    # The ends, where files say what they hold, and anywhere.
    places = [*range(60), *range(len(content) - 400, len(content)), *range(len(content))]
    for _ in range(TRIALS):
        # Of equal chance each.
        part = choose.choice([places[:60], places[60:460], places[460:]])
        damaged = bytearray(content)
        damaged[choose.choice(part)] ^= 1 << choose.randrange(8)
        assert_refused_or_same(READERS[name], tmp_path / name, bytes(damaged), expected)


@pytest.mark.parametrize("name", READERS)
def test_a_cut_file_is_refused(files, name, tmp_path):
    content = (files / name).read_bytes()
    for length in (0, 3, 10, 100, len(content) // 3, len(content) - 90, len(content) - 1):
        assert_refused_or_same(READERS[name], tmp_path / name, content[:length], None)


def assert_refused_or_same(read, path, content, expected):
    path.write_bytes(content)
    try:
        found = read(path)
    except (GraphFileError, CheckpointError) as error:
        message = str(error)
    else:
        # There are entries that nobody reads, such as the dates of what is in an archive.
        assert found == expected
        return
    assert str(path) in message
    assert "\n" not in message


def test_damaged_weights_are_not_run(files, tmp_path):
    damaged = bytearray((files / "tiny.safetensors").read_bytes())
    damaged[-5] ^= 1
    (tmp_path / "a.safetensors").write_bytes(damaged)
    with pytest.raises(CheckpointError, match=r"a\.safetensors is damaged"):
        load(tmp_path / "a.safetensors")
