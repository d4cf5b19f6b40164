"""What the labels of a network mean, read from its file without opening the network."""

from __future__ import annotations

from pathlib import Path

from lmanet_core.checkpoint import load_config
from lmanet_core.network.classes import ClassTable
from lmanet_core.runtime.engine_file import is_engine, read_engine
from lmanet_core.runtime.graph_info import GraphInfo, read_onnx_info
from lmanet_core.runtime.network_file import is_network_file, read_network_file


def network_classes(path_or_name: str | Path | None = None) -> ClassTable:
    """The class table of a network.

    Args:
        path_or_name: a checkpoint or the name of shipped weights, as `lmanet_core.load` takes them,
            or a file that `lmanet export` wrote; None: the shipped default.

    Raises:
        CheckpointError: there is no such file, or it is of another kind.
        GraphFileError: the exported file is damaged.
        MissingExtraError: a package is missing, for ONNX files.
    """
    info = find_graph_info(Path(path_or_name or ""))
    return load_config(path_or_name).classes if info is None else info.classes


def find_graph_info(path: Path) -> GraphInfo | None:
    """What a file that `lmanet export` wrote says of itself; None for all other paths.

    Raises:
        GraphFileError: the exported file is damaged.
        MissingExtraError: a package is missing, for ONNX files.
    """
    if not path.is_file():
        return None
    if is_engine(path):
        return read_engine(path)[0].graph
    if is_network_file(path):
        return read_network_file(path)[0]
    return read_onnx_info(path) if path.suffix == ".onnx" else None
