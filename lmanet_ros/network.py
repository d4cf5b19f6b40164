"""The network as the node's parameters ask for it."""

from __future__ import annotations

import torch

from lmanet_core import ClassTable, VideoSegmenter, load
from lmanet_core.checkpoint import DEFAULT_WEIGHTS, load_training_size
from lmanet_core.ops import default_implementation
from lmanet_core.runtime import GraphFileError, open_segmenter
from lmanet_ros.parameters import IMAGE_SIZE, NodeParameters, ParameterError

DEFAULT_THREADS = torch.get_num_threads()


def load_network(parameters: NodeParameters) -> tuple[VideoSegmenter, ClassTable, str]:
    """Load what the parameters ask for.

    Returns:
        A stream on the network, its classes, and what runs in the words of a log line.

    Raises:
        ParameterError: a parameter cannot be used, or does not fit the others.
    """
    torch.set_num_threads(parameters.threads or DEFAULT_THREADS)
    checkpoint = parameters.checkpoint or DEFAULT_WEIGHTS
    try:
        model = load(checkpoint)
        work_size = _work_size(parameters, checkpoint)
    except ValueError as error:
        raise ParameterError(f"parameter 'checkpoint': {error}") from None
    try:
        segmenter, choice = open_segmenter(
            model,
            engine=parameters.engine,
            backend=parameters.backend,
            memory_size=None if parameters.memory_size < 0 else parameters.memory_size,
            precision=parameters.precision,
            device=parameters.device,
            work_size=work_size,
            output_size=parameters.output_size if any(parameters.output_size) else None,
        )
    except GraphFileError as error:
        raise ParameterError(f"parameter 'engine': {error}") from None
    except ValueError as error:
        # The message begins with the name of the argument, which is that of the parameter.
        raise ParameterError(f"parameter {error}") from None
    classes = model.config.classes
    size = f"{work_size[0]}x{work_size[1]}" if work_size else "the images' own size"
    words = (
        f"{checkpoint} ({len(classes)} classes: {', '.join(classes.names)}) "
        f"at {'the size of the engine' if parameters.engine else size}, "
        f"a memory of {segmenter.memory_size} frames, {_attention(segmenter)}, "
        f"on {segmenter.device} in {segmenter.dtype}; backend {choice.backend}: {choice.reason}"
    )
    return segmenter, classes, words


def _work_size(parameters: NodeParameters, checkpoint: str) -> tuple[int, int] | None:
    """(width, height) asked for or known from training; None: the image's own, or the engine's."""
    if any(parameters.work_size):
        return None if parameters.work_size == IMAGE_SIZE else parameters.work_size
    return None if parameters.engine else load_training_size(checkpoint)


def _attention(segmenter: VideoSegmenter) -> str:
    if segmenter.memory_size == 0:
        return "no attention"
    if segmenter.backend != "torch":
        return "attention as exported"
    return f"{default_implementation(segmenter.device, segmenter.dtype)} attention"
