"""What an exported file says of itself, so that no one runs it with another network's memory."""

from __future__ import annotations

import hashlib
import json
from dataclasses import asdict, dataclass, fields
from pathlib import Path
from typing import Any

from lmanet_core.models import LMANet

FORMAT = "lmanet-graph-1"
METADATA_KEY = "lmanet"
"""The entry of an ONNX file's metadata that holds a `GraphInfo`."""


class GraphFileError(ValueError):
    """An exported file cannot be used; the message says which, why, and how to make a good one."""


@dataclass(frozen=True)
class GraphInfo:
    """An exported graph, see `lmanet_core.export.graph`.

    Attributes:
        model: `fingerprint` of the network.
        operator: 'plugin' or 'tiled', the form of local attention; '' without memory.
        precision: 'fp32' or 'fp16', of weights and features, and so of the memory.
        work_size: (width, height) at which the network runs.
        memory_size: S, slots of the memory; 0: the graph takes and gives no memory.
        write_interval: of the frames, the first and every so many-th after it enter the memory.
        feature_size: (width, height) of keys and values.
        key_channels: Dk.
        value_channels: Dv.
    """

    model: str
    operator: str
    precision: str
    work_size: tuple[int, int]
    memory_size: int
    write_interval: int
    feature_size: tuple[int, int]
    key_channels: int
    value_channels: int

    def to_json(self) -> str:
        """One line, the inverse of `from_json`."""
        return json.dumps({"format": FORMAT, **asdict(self)})

    @classmethod
    def from_json(cls, text: str) -> GraphInfo:
        """Read what `to_json` wrote.

        Raises:
            ValueError: it is something else.
        """
        return cls(**read_record(text, FORMAT, cls))


def read_record(text: str, expected_format: str, layout: type) -> dict[str, Any]:
    """The fields of a dataclass from a JSON object that has them, and an entry `format`.

    Raises:
        ValueError: the text is something else.
    """
    values = json.loads(text)
    if not isinstance(values, dict) or values.pop("format", None) != expected_format:
        raise ValueError(f"expected a record of the format {expected_format!r}")
    names = {field.name for field in fields(layout)}
    if names != set(values):
        raise ValueError(f"expected the entries {sorted(names)}, got {sorted(values)}")
    return {name: tuple(v) if isinstance(v, list) else v for name, v in values.items()}


def fingerprint(model: LMANet) -> str:
    """SHA-256 of a network's configuration and weights, in hexadecimal."""
    digest = hashlib.sha256(json.dumps(model.config.to_dict(), sort_keys=True).encode())
    for name, tensor in sorted(model.state_dict().items()):
        digest.update(f"{name} {tensor.dtype} {tuple(tensor.shape)}".encode())
        digest.update(tensor.cpu().contiguous().numpy().tobytes())
    return digest.hexdigest()


def read_onnx_info(path: Path) -> GraphInfo:
    """What an ONNX file says of itself.

    Raises:
        GraphFileError: it was not written by `lmanet export`, or is damaged.
        ValueError: the package onnx is missing.
    """
    try:
        import onnx
        from google.protobuf.message import DecodeError
    except ImportError:
        raise ValueError(
            "engine is an ONNX file, for which the package onnx is needed; pip install onnx"
        ) from None
    remedy = "make it anew with: lmanet export CHECKPOINT " + str(path)
    try:
        proto = onnx.load(str(path), load_external_data=False)
    except (DecodeError, OSError, ValueError) as error:
        raise GraphFileError(f"{path} is not a readable ONNX file ({error}); {remedy}") from None
    metadata = {entry.key: entry.value for entry in proto.metadata_props}
    if METADATA_KEY not in metadata:
        raise GraphFileError(
            f"{path} has no metadata of lmanet: another program wrote it, or its end is missing; "
            f"{remedy}"
        )
    try:
        return GraphInfo.from_json(metadata[METADATA_KEY])
    except ValueError as error:
        raise GraphFileError(f"{path} has bad metadata: {error}; {remedy}") from None
