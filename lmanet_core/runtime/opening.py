"""A stream of a network, opened on what runs it best here."""

from __future__ import annotations

import math
import warnings
from pathlib import Path
from typing import TYPE_CHECKING

from lmanet_core.checkpoint import find_checkpoint, load, load_work_size
from lmanet_core.network.size_rule import check_pixels
from lmanet_core.runtime.backend_choice import Choice, choose_backend
from lmanet_core.runtime.exported_file import FileOptions, open_exported_file
from lmanet_core.runtime.segmenter import VideoSegmenter
from lmanet_core.runtime.shipped import find_shipped_export
from lmanet_core.runtime.threads import default_threads

if TYPE_CHECKING:
    from lmanet_core.models import LMANet


def open_segmenter(
    network: LMANet | str | Path | None = None,
    *,
    model_file: str | Path = "",
    backend: str = "auto",
    memory_size: int | None = None,
    precision: str = "auto",
    device: str = "auto",
    work_size: tuple[int, int] | None = None,
    output_size: tuple[int, int] | None = None,
    work_pixels: int | None = None,
    threads: int = 0,
    engine: str | Path = "",
) -> VideoSegmenter:
    """Open a stream on the best backend for it. With a file for CPUs, nothing imports PyTorch.

    Args:
        network: a model, or a checkpoint as `lmanet_core.load` takes it; None: what `model_file`
            holds or, without one, the shipped default. Where both are given, the file must be an
            export of the network. Of a model a copy is converted, the caller's stays as it is.
        model_file: file that `lmanet export` wrote; empty: the network itself runs, in PyTorch, or,
            on a machine without a GPU, the export that is shipped beside the default weights.
        backend: one of `lmanet_core.runtime.backend_names()`.
        memory_size: S, frames remembered; None: the network's own; 0: every frame on its own.
        precision: 'auto', 'fp32', 'bf16' or 'fp16' (CUDA only).
        device: 'auto', 'cpu', 'cuda' or 'cuda:N'.
        work_size: (width, height) at which the network runs; None: see `work_pixels`. Sides are
            rounded to the nearest that the network accepts, images resized if that changes them.
        output_size: (width, height) of labels and confidence; None: those of the image.
        work_pixels: instead of `work_size`, how many pixels images are brought to, about, in their
            own proportions; 0: as many as the image has, which files do not offer; None: as many as
            the checkpoint or the file records, else as the image has.
        threads: on the CPU; 0: one for each core, in PyTorch its own choice.
        engine: the former name of `model_file`.

    What is fixed in a file must be left out or be the same: of network files precision and device,
    the size only if they were exported for one; of others all.

    Raises:
        ValueError: an argument is out of range or does not fit the others; the message begins with
            its name.
        CheckpointError: the checkpoint cannot be used.
        GraphFileError: the file cannot be used here.
        MissingExtraError: a package is not installed.

    Example:
        >>> import lmanet_core, numpy as np
        >>> segmenter = lmanet_core.open_segmenter(work_size=(128, 64))  # the shipped network
        >>> result = segmenter.step(np.zeros((100, 200, 3), np.uint8))
        >>> result.labels.shape, result.labels.dtype
        ((100, 200), dtype('uint8'))
    """
    if engine:
        warnings.warn("engine is called model_file now", DeprecationWarning, stacklevel=2)
        model_file = model_file or engine
    check_pixels("work_size", work_size)
    check_pixels("output_size", output_size)
    path = Path(model_file) if str(model_file) else None
    shipped = None
    if path is None and work_pixels != 0 and (network is None or isinstance(network, str | Path)):
        shipped = find_shipped_export(network, backend=backend, device=device, precision=precision)
    choice = choose_backend(backend, shipped.file if shipped else path)
    if shipped is not None:
        path, network, choice = shipped.file, None, Choice(choice.backend, shipped.reason)
    if path is not None:
        threads = threads or default_threads()
        options = FileOptions(memory_size, precision, device, work_size, work_pixels, threads)
        opened = open_exported_file(path, choice.backend, network, options)
        return VideoSegmenter(opened, output_size=output_size, reason=choice.reason, file=path)
    if network is None or isinstance(network, str | Path):
        path, model = find_checkpoint(network), load(network)
        known = load_work_size(network) if work_size is None and work_pixels is None else None
        work_pixels = math.prod(known) if known else work_pixels
    else:
        model = network
    # Whoever has a model has PyTorch; exported files do without.
    from lmanet_core.runtime.pytorch.torch_backend import TorchBackend

    if threads:
        import torch

        torch.set_num_threads(threads)
    torch_backend = TorchBackend(
        model, memory_size, precision, device, work_size, work_pixels=work_pixels or None
    )
    return VideoSegmenter(torch_backend, output_size=output_size, reason=choice.reason, file=path)
