"""What an exported file says of itself: all that is needed to run it, and where it is from."""

from __future__ import annotations

import hashlib
import json
import math
from dataclasses import MISSING, asdict, dataclass, field, fields, replace
from pathlib import Path
from typing import Any

from lmanet_core.network.classes import ClassTable
from lmanet_core.network.model_config import ModelConfig
from lmanet_core.network.size_rule import SizeRule
from lmanet_core.program.extras import needs_extra

FORMAT = "lmanet-graph-3"
METADATA_KEY = "lmanet"
"""The entry of an ONNX file's metadata that holds a `GraphInfo`."""
CHECKSUM_KEY = "lmanet_sha256"
"""Key of the last entry in the file: the SHA-256 of everything before it."""


class GraphFileError(ValueError):
    """An exported file cannot be used; the message says which, why, and how to make a good one."""


@dataclass(frozen=True)
class GraphInfo:
    """An exported graph, see `lmanet_core.export.graph`.

    Attributes:
        model: `lmanet_core.checkpoint.fingerprint` of the network.
        operator: the form of local attention: 'plugin', 'tiled', or 'fused', which is the kernel of
            this library between two graphs; '' without memory.
        precision: 'fp32', 'fp16' or 'int8', of the convolutions; the memory is of 'fp32' for int8.
        work_size: (width, height) at which the network runs.
        side_multiple: 0, or of what all sides must be multiples: then the graph takes images of any
            size, and runs at about `work_pixels`, in the image's proportions.
        memory_size: S, slots of the memory; 0: the graph takes and gives no memory.
        write_interval: n; the first frame and every n-th after it enter the memory.
        feature_size: (width, height) of features, keys and values at `work_size`.
        feature_channels: C.
        key_channels: Dk.
        value_channels: Dv.
        config: the network's `ModelConfig`, as `to_dict` gives it; its `memory_size` is the
            checkpoint's, not this graph's.
        provenance: the checkpoint's.
        logits_size: (width, height) of the logits at `work_size`, which are interpolated bilinearly
            where labels are made; None: `work_size`, as of files that do not say it.
        corners_aligned: whether corners of such logits are those of the labels.
        channels_last: whether all that is between the graphs of a network file has its channels
            innermost, and is there once, also where it is values and features; else as in files
            that do not say it, see `lmanet_core.runtime.backends.split_graph`.
        work_pixels: how many pixels, as asked for; those of `work_size` may differ, whose sides
            are rounded already.
        agreement: only of an int8 network: the share of pixels that get the same label as in fp32,
            on frames that it was not calibrated with.
    """

    model: str
    operator: str
    precision: str
    work_size: tuple[int, int]
    side_multiple: int
    memory_size: int
    write_interval: int
    feature_size: tuple[int, int]
    feature_channels: int
    key_channels: int
    value_channels: int
    config: dict[str, Any]
    provenance: dict[str, Any] = field(default_factory=dict)
    logits_size: tuple[int, int] | None = None
    corners_aligned: bool = False
    channels_last: bool = False
    work_pixels: int = 0
    agreement: float | None = None

    @property
    def classes(self) -> ClassTable:
        """What the labels mean."""
        return ModelConfig.from_dict(self.config).classes

    @property
    def passes_values(self) -> bool:
        """Whether values, those to read by and those to be remembered, are the features."""
        return self.config["value_channels"] is None

    def network_size(self, image_size: tuple[int, int]) -> tuple[int, int]:
        """(width, height) at which the network runs for an image of this (width, height)."""
        if self.side_multiple == 0:
            return self.work_size
        return SizeRule(self.side_multiple).fit(image_size, self.work_pixels)

    def at(self, work_size: tuple[int, int]) -> GraphInfo:
        """The graph at another work size, both sides multiples of `side_multiple`."""
        if work_size == self.work_size:
            return self

        def scaled(size: tuple[int, int]) -> tuple[int, int]:
            width, height = (
                now * of // whole
                for now, of, whole in zip(work_size, size, self.work_size, strict=True)
            )
            return width, height

        return replace(
            self,
            work_size=work_size,
            feature_size=scaled(self.feature_size),
            logits_size=self.logits_size and scaled(self.logits_size),
        )

    def to_json(self) -> str:
        """One line, the inverse of `from_json`."""
        return json.dumps({"format": FORMAT, **asdict(self)})

    @classmethod
    def from_json(cls, text: str) -> GraphInfo:
        """Read what `to_json` wrote.

        Raises:
            ValueError: it is something else.
        """
        info = cls(**read_record(text, FORMAT, cls))
        if not info.work_pixels:
            # A file of before, which has the rounded sides alone.
            info = replace(info, work_pixels=math.prod(info.work_size))
        try:
            ModelConfig.from_dict(info.config)
        except TypeError as error:
            raise ValueError(f"bad config: {error}") from None
        return info


def read_record(text: str, expected_format: str, layout: type) -> dict[str, Any]:
    """The fields of a dataclass from a JSON object that has them, and an entry `format`.

    Fields that have defaults may be missing: they are younger than the file.

    Raises:
        ValueError: the text is something else.
    """
    values = json.loads(text)
    if not isinstance(values, dict) or values.pop("format", None) != expected_format:
        raise ValueError(f"expected a record of the format {expected_format!r}")
    names = {field.name for field in fields(layout)}
    needed = {f.name for f in fields(layout) if f.default is f.default_factory is MISSING}
    if not needed <= set(values) <= names:
        raise ValueError(f"expected the entries {sorted(names)}, got {sorted(values)}")
    return {name: tuple(v) if isinstance(v, list) else v for name, v in values.items()}


def with_checksum(model: bytes) -> bytes:
    """A serialized ONNX model with an entry in its metadata by which damage is found."""
    import onnx

    value = hashlib.sha256(model).hexdigest()
    entry = onnx.StringStringEntryProto(key=CHECKSUM_KEY, value=value)
    # Messages that follow each other are one message.
    return model + onnx.ModelProto(metadata_props=[entry]).SerializeToString()


def _without_checksum(content: bytes) -> bytes:
    return content[: len(content) - len(with_checksum(b""))]


def read_onnx_info(path: Path) -> GraphInfo:
    """What an ONNX file says of itself.

    Raises:
        GraphFileError: it was not written by `lmanet export`, or is damaged.
        MissingExtraError: the package onnx is missing.
    """
    with needs_extra("export", "model_file, an ONNX file,"):
        import onnx
        from google.protobuf.message import DecodeError
    remedy = "make it anew with: lmanet export CHECKPOINT " + str(path)
    try:
        content = path.read_bytes()
        proto = onnx.load_model_from_string(content)
    except (DecodeError, OSError, ValueError) as error:
        raise GraphFileError(f"{path} is not a readable ONNX file ({error}); {remedy}") from None
    metadata = {entry.key: entry.value for entry in proto.metadata_props}
    if CHECKSUM_KEY in metadata and content != with_checksum(_without_checksum(content)):
        raise GraphFileError(f"{path} is damaged, its checksum is another; {remedy}")
    if METADATA_KEY not in metadata:
        raise GraphFileError(
            f"{path} has no metadata of lmanet: another program wrote it, or its end is missing; "
            f"{remedy}"
        )
    try:
        return GraphInfo.from_json(metadata[METADATA_KEY])
    except ValueError as error:
        raise GraphFileError(f"{path} has bad metadata: {error}; {remedy}") from None
