"""The network as the node's parameters ask for it."""

from __future__ import annotations

from lmanet_core import CheckpointError, VideoSegmenter
from lmanet_core.checkpoint import DEFAULT_WEIGHTS, load_training_size
from lmanet_core.extras import MissingExtraError
from lmanet_core.runtime import GraphFileError, open_segmenter
from lmanet_core.runtime.attention import describe_attention
from lmanet_ros.parameters import IMAGE_SIZE, NodeParameters, ParameterError


def load_network(parameters: NodeParameters) -> tuple[VideoSegmenter, str]:
    """Load what the parameters ask for.

    Returns:
        A stream on the network, and what runs in the words of a log line.

    Raises:
        ParameterError: a parameter cannot be used, or does not fit the others.
    """
    try:
        work_size = _work_size(parameters)
        segmenter, choice = open_segmenter(
            parameters.checkpoint or None,
            engine=parameters.engine,
            backend=parameters.backend,
            memory_size=None if parameters.memory_size < 0 else parameters.memory_size,
            precision=parameters.precision,
            device=parameters.device,
            work_size=work_size,
            output_size=parameters.output_size if any(parameters.output_size) else None,
            threads=parameters.threads,
        )
    except CheckpointError as error:
        raise ParameterError(f"parameter 'checkpoint': {error}") from None
    except GraphFileError as error:
        raise ParameterError(f"parameter 'engine': {error}") from None
    except MissingExtraError as error:
        name = "engine" if parameters.engine else "checkpoint"
        raise ParameterError(f"parameter {name!r}: {error}") from None
    except ValueError as error:
        # The message begins with the name of the argument, which is that of the parameter.
        raise ParameterError(f"parameter {error}") from None
    classes = segmenter.classes
    size = f"{work_size[0]}x{work_size[1]}" if work_size else "the images' own size"
    words = (
        f"{parameters.engine or parameters.checkpoint or DEFAULT_WEIGHTS} "
        f"({len(classes)} classes: {', '.join(classes.names)}) "
        f"at {'the size of the engine' if parameters.engine else size}, "
        f"a memory of {segmenter.memory_size} frames, "
        f"local attention: {describe_attention(segmenter)}, "
        f"on {segmenter.device} in {segmenter.precision}; "
        f"backend {choice.backend}: {choice.reason}"
    )
    return segmenter, words


def _work_size(parameters: NodeParameters) -> tuple[int, int] | None:
    """(width, height) asked for or known from training; None: the image's own, or the engine's."""
    if any(parameters.work_size):
        return None if parameters.work_size == IMAGE_SIZE else parameters.work_size
    return None if parameters.engine else load_training_size(parameters.checkpoint or None)
