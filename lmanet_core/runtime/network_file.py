"""Network files: the graphs of a network around its local attention, and a record of what they are.

What `lmanet export` writes for CPUs, by convention `*.lmanet`: a ZIP archive that holds

    lmanet.json     `GraphInfo`
    before.onnx     image -> query, key, features, query_value, value
    after.onnx      read, features, filled, query_value -> logits

where values that are the features themselves are left out, or, without memory, `frame.onnx`, image
-> logits. In int8 each graph is an OpenVINO model, a file `.xml` and one `.bin`. In between, this
library's kernel reads the memory, and at the end it turns logits into labels, enlarging those that
the graphs give smaller; see `lmanet_core.export.graph` for shapes.
"""

from __future__ import annotations

import lzma
import struct
import zipfile
import zlib
from collections.abc import Collection, Mapping
from pathlib import Path

from lmanet_core.output.files import replacing
from lmanet_core.runtime.graph_info import GraphFileError, GraphInfo

RECORD = "lmanet.json"
ARCHIVE_DAMAGE = (
    OSError,
    EOFError,
    ValueError,
    KeyError,
    OverflowError,
    MemoryError,
    RuntimeError,  # NotImplementedError, too: a damaged entry seems to be encrypted, for example.
    struct.error,
    zipfile.BadZipFile,
    zlib.error,
    lzma.LZMAError,
)
"""Errors that `zipfile` raises for damaged bytes."""
_MAGIC = b"PK\x03\x04"


def is_network_file(path: Path) -> bool:
    """Whether a file begins like a ZIP archive, which no other exported file does."""
    with path.open("rb") as file:
        return file.read(len(_MAGIC)) == _MAGIC


def write_network_file(path: Path, info: GraphInfo, graphs: Mapping[str, bytes]) -> None:
    """Write a network file.

    Args:
        path: file to write.
        info: the record.
        graphs: contents by name, such as 'before.onnx'.
    """
    # Weights are noise: packing them takes time and saves nothing.
    with replacing(path) as file, zipfile.ZipFile(file, "w", zipfile.ZIP_STORED) as archive:
        archive.writestr(RECORD, info.to_json())
        for name, content in graphs.items():
            archive.writestr(name, content)


def read_network_file(path: Path) -> tuple[GraphInfo, dict[str, bytes]]:
    """The record and the graphs of a network file.

    Raises:
        GraphFileError: the file is not a network file, or is damaged.
    """
    remedy = f"make it anew with: lmanet export CHECKPOINT {path}"
    try:
        # Checks what it reads against the archive's checksums.
        with zipfile.ZipFile(path) as archive:
            contents = {name: archive.read(name) for name in archive.namelist()}
    except ARCHIVE_DAMAGE as error:
        raise GraphFileError(f"{path} is truncated or damaged ({error}); {remedy}") from None
    try:
        info = GraphInfo.from_json(contents.pop(RECORD).decode())
    except (KeyError, ValueError) as error:
        raise GraphFileError(
            f"{path} is no network file of this release ({error}); {remedy}"
        ) from None
    if not _is_complete(info, contents):
        raise GraphFileError(f"{path} is damaged: of its graphs it has {list(contents)}; {remedy}")
    return info, contents


def _is_complete(info: GraphInfo, names: Collection[str]) -> bool:
    """Whether all graphs are there: a ZIP whose list of entries is damaged may seem to lack one."""
    stems = ("before", "after") if info.operator else ("frame",)
    return all(
        f"{stem}.onnx" in names or {f"{stem}.xml", f"{stem}.bin"} <= set(names) for stem in stems
    )
