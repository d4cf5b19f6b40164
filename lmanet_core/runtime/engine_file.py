"""Engine files: a TensorRT plan behind a record of what it is.

TensorRT trusts the plans that it is given, so a file is checked in full before it gets there:

    8 bytes    MAGIC
    4 bytes    length of the record, little endian
    record     `EngineInfo`, JSON
    32 bytes   SHA-256 of the record and the plan
    plan       as TensorRT serialised it
"""

from __future__ import annotations

import hashlib
import json
from dataclasses import asdict, dataclass
from pathlib import Path

from lmanet_core.output.files import write_bytes
from lmanet_core.runtime.graph_info import GraphFileError, GraphInfo, read_record

MAGIC = b"LMANETE1"
FORMAT = "lmanet-engine-2"
ENGINE_RUNTIMES = ("tensorrt", "tensorrt_rtx")
"""Python packages that build engines and run them, the one that is asked for first."""
_LENGTH_BYTES = 4
_HASH_BYTES = hashlib.sha256().digest_size


@dataclass(frozen=True)
class EngineInfo:
    """What an engine was built of, by what and for what.

    Attributes:
        graph: the graph; its `operator` is the form of attention in the engine.
        runtime: the Python package that runs it, one of `ENGINE_RUNTIMES`.
        version: that package's version.
        gpus: compute capabilities that it runs on, such as 'sm_87'.
        largest_image: (width, height), the most that a camera image may have.
    """

    graph: GraphInfo
    runtime: str
    version: str
    gpus: tuple[str, ...]
    largest_image: tuple[int, int]

    def to_json(self) -> str:
        """One line, the inverse of `from_json`."""
        return json.dumps({"format": FORMAT, **asdict(self), "graph": self.graph.to_json()})

    @classmethod
    def from_json(cls, text: str) -> EngineInfo:
        """Read what `to_json` wrote.

        Raises:
            ValueError: it is something else.
        """
        values = read_record(text, FORMAT, cls)
        return cls(**values | {"graph": GraphInfo.from_json(values["graph"])})


def is_engine(path: Path) -> bool:
    """Whether a file begins like an engine file."""
    with path.open("rb") as file:
        return file.read(len(MAGIC)) == MAGIC


def write_engine(path: Path, info: EngineInfo, plan: bytes) -> None:
    """Write an engine file."""
    record = info.to_json().encode()
    length = len(record).to_bytes(_LENGTH_BYTES, "little")
    digest = hashlib.sha256(record + plan).digest()
    write_bytes(path, MAGIC + length + record + digest + plan)


def read_engine(path: Path) -> tuple[EngineInfo, bytes]:
    """The record and the plan of an engine file.

    Raises:
        GraphFileError: the file is no engine file, truncated or damaged.
    """
    remedy = f"build it anew with: lmanet export CHECKPOINT {path} --format tensorrt"
    try:
        content = path.read_bytes()
    except OSError as error:
        raise GraphFileError(f"{path} cannot be read ({error}); {remedy}") from None
    if not content.startswith(MAGIC):
        raise GraphFileError(f"{path} is no engine file of lmanet; {remedy}")
    begin = len(MAGIC) + _LENGTH_BYTES
    end = begin + int.from_bytes(content[len(MAGIC) : begin], "little")
    plan = content[end + _HASH_BYTES :]
    try:
        info = EngineInfo.from_json(content[begin:end].decode())
    except (ValueError, TypeError) as error:
        raise GraphFileError(f"{path} has a damaged record ({error}); {remedy}") from None
    if hashlib.sha256(content[begin:end] + plan).digest() != content[end : end + _HASH_BYTES]:
        raise GraphFileError(f"{path} is truncated or damaged; {remedy}")
    return info, plan
