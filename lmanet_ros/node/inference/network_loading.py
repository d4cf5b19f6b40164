"""The network as the node's parameters ask for it."""

from __future__ import annotations

from pathlib import Path
from typing import NamedTuple

from lmanet_core import CheckpointError, VideoSegmenter, open_segmenter
from lmanet_core.checkpoint import DEFAULT_WEIGHTS, load_work_size
from lmanet_core.program.extras import MissingExtraError
from lmanet_core.runtime import GraphFileError
from lmanet_ros.node.parameter_fields import ParameterError
from lmanet_ros.node.segmentation_parameters import IMAGE_SIZE, NodeParameters


class Network(NamedTuple):
    """A network that runs, and what is to be told of it."""

    segmenter: VideoSegmenter
    name: str
    """Name that the user asked for: a file's path, or the name of shipped weights."""
    file: Path
    """What runs, which may be the exported form of the shipped weights."""
    description: str
    """What runs, for a log line."""


def load_network(parameters: NodeParameters) -> Network:
    """Load what the parameters ask for.

    Raises:
        ParameterError: a parameter cannot be used, or does not fit the others.
    """
    try:
        segmenter = open_segmenter(
            parameters.checkpoint or None,
            model_file=parameters.model_file,
            backend=parameters.backend,
            memory_size=None if parameters.memory_size < 0 else parameters.memory_size,
            precision=parameters.precision,
            device=parameters.device,
            work_size=_work_size(parameters),
            work_pixels=0 if parameters.work_size == IMAGE_SIZE else None,
            output_size=parameters.output_size if any(parameters.output_size) else None,
            threads=parameters.threads,
        )
    except CheckpointError as error:
        raise ParameterError(f"parameter 'checkpoint': {error}") from None
    except GraphFileError as error:
        raise ParameterError(f"parameter 'model_file': {error}") from None
    except MissingExtraError as error:
        name = "model_file" if parameters.model_file else "checkpoint"
        raise ParameterError(f"parameter {name!r}: {error}") from None
    except ValueError as error:
        # The message begins with the name of the argument, which is that of the parameter.
        raise ParameterError(f"parameter {error}") from None
    assert segmenter.file is not None
    name = parameters.model_file or parameters.checkpoint or DEFAULT_WEIGHTS
    classes, backend = segmenter.classes, segmenter.backend
    description = (
        f"{name} "
        f"({len(classes)} classes: {', '.join(classes.names)}) "
        f"at {_describe_size(parameters)}, "
        f"a memory of {backend.memory_size} frames, "
        f"local attention: {backend.attention}, "
        f"on {backend.device} in {backend.precision}; "
        f"backend {backend.name}: {segmenter.reason}"
    )
    return Network(segmenter, name, segmenter.file, description)


def _work_size(parameters: NodeParameters) -> tuple[int, int] | None:
    """(width, height) asked for; None: none is."""
    asked_for = any(parameters.work_size) and parameters.work_size != IMAGE_SIZE
    return parameters.work_size if asked_for else None


def _describe_size(parameters: NodeParameters) -> str:
    if size := _work_size(parameters):
        return f"{size[0]}x{size[1]}"
    if parameters.model_file:
        return "the size that the file records"
    known = load_work_size(parameters.checkpoint or None)
    if known is None or parameters.work_size == IMAGE_SIZE:
        return "the images' own size"
    return f"as many pixels as {known[0]}x{known[1]}, in the images' proportions"
