"""Checkpoints: safetensors files whose metadata says what network the tensors belong to.

Nothing is ever unpickled, so a checkpoint cannot run code. Only `load` and `save_checkpoint`, which
have to do with a network, need PyTorch.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from lmanet_core.network.model_config import ModelConfig
from lmanet_core.output.files import write_bytes
from lmanet_core.program.extras import needs_extra

if TYPE_CHECKING:
    import torch
    from torch import Tensor

    from lmanet_core.models import LMANet

FORMAT = "lmanet-1"
CHECKSUM = "sha256"
"""The entry of the metadata by which damage is found."""
_LENGTH_BYTES = 8
"""Bytes at the start of a safetensors file that hold the length of its header."""
DEFAULT_WEIGHTS = "street"
WEIGHTS_FOLDER = Path(__file__).parent / "weights"
_EXPORTED = (".lmanet", ".onnx", ".engine")
"""What names of exported files end in."""
PRECISIONS = {"fp32": "float32", "fp16": "float16"}
"""Number formats of the weights in a file -> PyTorch's name of them."""
MOST_LISTED = 10
"""Tensors that a message names; of more it tells the number."""


class CheckpointError(ValueError):
    """A checkpoint cannot be used; the message says which file and why."""


def shipped_weights() -> list[str]:
    """Names of the weights that come with the package, as `load` takes them."""
    return sorted(path.stem for path in WEIGHTS_FOLDER.glob("*.safetensors"))


def save_checkpoint(
    model: LMANet,
    path: str | Path,
    *,
    dtype: torch.dtype | None = None,
    provenance: Mapping[str, Any] | None = None,
    work_size: tuple[int, int] | None = None,
) -> None:
    """Write a model's weights, configuration, class names and palette.

    Args:
        model: the network; its own dtype and device do not matter.
        path: file to write, by convention `*.safetensors`.
        dtype: type of the floating-point tensors in the file, None: float32; float16 halves it.
        provenance: anything JSON can hold about data, command and figures.
        work_size: (width, height) whose number of pixels the network is best run at.

    Raises:
        OSError: the file cannot be written.

    Example:
        >>> import tempfile
        >>> from lmanet_core import ModelConfig, build_model
        >>> folder = tempfile.TemporaryDirectory()
        >>> model = build_model(ModelConfig(memory_size=1, window_size=3))
        >>> save_checkpoint(model, f"{folder.name}/mine.safetensors", provenance={"data": "none"})
        >>> load_provenance(f"{folder.name}/mine.safetensors")
        {'data': 'none'}
    """
    import torch
    from safetensors.torch import save

    dtype = dtype or torch.float32
    tensors = {
        name: (tensor.to(dtype) if tensor.is_floating_point() else tensor).cpu()
        for name, tensor in model.state_dict().items()
    }
    # Cloned: parts of a network may share a tensor, of which the file holds a copy for each.
    tensors = {
        name: tensor.clone(memory_format=torch.contiguous_format)
        for name, tensor in tensors.items()
    }
    metadata = {
        "format": FORMAT,
        "config": json.dumps(model.config.to_dict()),
        "provenance": json.dumps(dict(provenance or {})),
    }
    if work_size is not None:
        metadata["work_size"] = json.dumps(work_size)
    metadata[CHECKSUM] = _checksum(save(tensors, metadata))
    write_bytes(path, save(tensors, metadata))


def load(path_or_name: str | Path | None = None) -> LMANet:
    """Load a model, on the CPU, in float32 and eval mode.

    Args:
        path_or_name: a file, or the name of shipped weights; None: the shipped default.

    Raises:
        CheckpointError: there is no such file, or it is not a checkpoint of this project, or its
            tensors do not fit the network that its configuration describes.
        MissingExtraError: PyTorch is not installed.

    Example:
        >>> load("street").config.backbone
        'efficientnet_lite0'
    """
    path = find_checkpoint(path_or_name)
    with needs_extra("torch", "running a checkpoint"):
        from lmanet_core.models import build_model
    config = _config(path, _metadata(path))
    tensors: dict[str, Tensor] = _tensors(path, "pt")
    try:
        model = build_model(config)
    except ValueError as error:
        raise CheckpointError(f"{path}: {error}") from None
    _check_tensors(path, expected=model.state_dict(), found=tensors)
    _check_whole(path)
    model.load_state_dict(tensors)
    return model.eval()


def load_config(path_or_name: str | Path | None = None) -> ModelConfig:
    """The configuration of a network, without building it.

    Args:
        path_or_name: as `load` takes it.

    Raises:
        CheckpointError: there is no such file, or it is not a checkpoint of this project.
    """
    path = find_checkpoint(path_or_name)
    return _config(path, _metadata(path))


def load_provenance(path_or_name: str | Path | None = None) -> dict[str, Any]:
    """What `save_checkpoint` was told about where the weights come from.

    Args:
        path_or_name: as `load` takes it.

    Raises:
        CheckpointError: there is no such file, or it is not a checkpoint of this project.

    Example:
        >>> load_provenance("street")["config"]
        'training/configs/street.yaml'
    """
    return _entry(path_or_name, "provenance", "{}", dict)


def load_work_size(path_or_name: str | Path | None = None) -> tuple[int, int] | None:
    """(width, height) whose number of pixels a network is best run at; None: not recorded.

    Args:
        path_or_name: as `load` takes it.

    Raises:
        CheckpointError: there is no such file, or it is not a checkpoint of this project.
    """
    return _entry(
        path_or_name, "work_size", "null", lambda size: size and (int(size[0]), int(size[1]))
    )


def load_precision(path_or_name: str | Path | None = None) -> str:
    """The number format of a checkpoint's weights, one of `PRECISIONS`.

    Args:
        path_or_name: as `load` takes it.

    Raises:
        CheckpointError: there is no such file, or it is not a checkpoint of this project.
    """
    path = find_checkpoint(path_or_name)
    _metadata(path)
    from safetensors import safe_open

    with safe_open(path, framework="np") as file:
        formats = {file.get_slice(name).get_dtype() for name in file.keys()}  # noqa: SIM118
    return "fp16" if "F16" in formats and "F32" not in formats else "fp32"


def _entry(
    path_or_name: str | Path | None, name: str, default: str, convert: Callable[[Any], Any]
) -> Any:
    """What the metadata have under a name, as JSON, in the form that it ought to have."""
    path = find_checkpoint(path_or_name)
    text = _metadata(path).get(name, default)
    try:
        return convert(json.loads(text))
    except (TypeError, ValueError, LookupError) as error:
        raise CheckpointError(f"{path}: bad {name} in the metadata: {error}") from None


def find_checkpoint(path_or_name: str | Path | None = None) -> Path:
    """The file that holds a checkpoint.

    Args:
        path_or_name: as `load` takes it.

    Raises:
        CheckpointError: there is no such file.
    """
    path_or_name = DEFAULT_WEIGHTS if path_or_name is None else path_or_name
    path = Path(path_or_name)
    if path.is_file():
        return path
    # A name, not part of a path: of '/mine' nobody means '/mine.safetensors'.
    if str(path_or_name) in shipped_weights():
        return WEIGHTS_FOLDER / f"{path_or_name}.safetensors"
    beside = path.with_name(f"{path.name}.safetensors")
    hint = f"; did you mean '{beside}'?" if path.name and beside.is_file() else ""
    raise CheckpointError(
        f"no checkpoint '{path_or_name}': expected the path of a .safetensors file "
        f"or one of the shipped weights {shipped_weights()}{hint}"
    )


def checkpoint_hash(path_or_name: str | Path | None = None) -> str:
    """SHA-256 of a checkpoint file, in hexadecimal digits.

    Args:
        path_or_name: as `load` takes it.

    Raises:
        CheckpointError: there is no such file.
    """
    return hashlib.sha256(find_checkpoint(path_or_name).read_bytes()).hexdigest()


def checkpoint_fingerprint(path_or_name: str | Path) -> str:
    """`fingerprint` of the network that a checkpoint is of, without building it.

    Args:
        path_or_name: as `load` takes it.

    Raises:
        CheckpointError: there is no such file, or it is not a checkpoint of this project.
    """
    path = find_checkpoint(path_or_name)
    config = load_config(path)
    _check_whole(path)
    arrays = {
        # As `load` gives them.
        name: array.astype(np.float32) if array.dtype.kind == "f" else array
        for name, array in _tensors(path, "np").items()
    }
    return _digest(config, arrays)


def fingerprint(model: LMANet) -> str:
    """SHA-256 of a network's configuration and weights, in hexadecimal digits."""
    state = model.state_dict()
    return _digest(model.config, {name: tensor.cpu().numpy() for name, tensor in state.items()})


def _digest(config: ModelConfig, arrays: Mapping[str, np.ndarray]) -> str:
    digest = hashlib.sha256(json.dumps(config.to_dict(), sort_keys=True).encode())
    for name, array in sorted(arrays.items()):
        digest.update(f"{name} {array.dtype} {array.shape}".encode())
        digest.update(array.tobytes())
    return digest.hexdigest()


def _config(path: Path, metadata: Mapping[str, str]) -> ModelConfig:
    try:
        return ModelConfig.from_dict(json.loads(metadata["config"]))
    except (KeyError, TypeError, ValueError) as error:
        raise CheckpointError(f"{path}: bad model configuration in the metadata: {error}") from None


def _metadata(path: Path) -> dict[str, str]:
    """Metadata of a file that this project wrote."""
    # Where there is no checkpoint to read, nothing of the library needs this package.
    from safetensors import SafetensorError, safe_open

    try:
        with safe_open(path, framework="np") as file:
            metadata = file.metadata() or {}
    except (SafetensorError, OSError) as error:
        if path.suffix in _EXPORTED:
            raise CheckpointError(
                f"{path} is an exported file, which the node, evaluate_bag and the demo take as "
                "`model_file`; expected the checkpoint that it was made of"
            ) from None
        raise CheckpointError(
            f"{path} is not a readable safetensors file ({error}). Checkpoints of other formats, "
            "such as PyTorch .pth files, are not opened because unpickling can run code; "
            "`lmanet convert` turns published ones into this format"
        ) from None
    if metadata.get("format") != FORMAT:
        raise CheckpointError(
            f"{path}: expected the metadata entry format = '{FORMAT}', "
            f"got {metadata.get('format')!r}; the file was not written by lmanet"
        )
    return metadata


def _tensors(path: Path, framework: str) -> dict[str, Any]:
    """Tensors of PyTorch ('pt') or of numpy ('np')."""
    from safetensors import safe_open

    with safe_open(path, framework=framework) as file:
        return {name: file.get_tensor(name) for name in file.keys()}  # noqa: SIM118


def _check_whole(path: Path) -> None:
    """Compare the content with its checksum, which older checkpoints have not."""
    expected = _metadata(path).get(CHECKSUM)
    if expected is not None and expected != _checksum(path.read_bytes()):
        raise CheckpointError(f"{path} is damaged, its checksum is another: copy or make it anew")


def _checksum(content: bytes) -> str:
    """SHA-256 of all that a safetensors file holds, but for this entry of its metadata."""
    end = _LENGTH_BYTES + int.from_bytes(content[:_LENGTH_BYTES], "little")
    header = json.loads(content[_LENGTH_BYTES:end])
    header["__metadata__"].pop(CHECKSUM, None)
    # Its entries come in any order.
    digest = hashlib.sha256(json.dumps(header, sort_keys=True).encode())
    digest.update(memoryview(content)[end:])
    return digest.hexdigest()


def _check_tensors(path: Path, expected: Mapping[str, Tensor], found: Mapping[str, Tensor]) -> None:
    problems = [f"missing {name}" for name in expected if name not in found]
    problems += [f"unknown {name}" for name in found if name not in expected]
    problems += [
        f"{name} is {tuple(found[name].shape)}, expected {tuple(tensor.shape)}"
        for name, tensor in expected.items()
        if name in found and found[name].shape != tensor.shape
    ]
    if problems:
        raise CheckpointError(
            f"{path}: tensors do not fit the network in its metadata: {list_some(problems)}"
        )


def list_some(items: Sequence[str]) -> str:
    """The first of many, and how many more there are."""
    more = f"; and {len(items) - MOST_LISTED} more" if len(items) > MOST_LISTED else ""
    return "; ".join(items[:MOST_LISTED]) + more
