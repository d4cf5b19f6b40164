"""The conversion itself: every tensor of the file is used, or known to be of no use."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor

from lmanet_core.checkpoint import CheckpointError, list_some
from lmanet_core.conversion.published import PUBLISHED_NETWORKS, PublishedNetwork
from lmanet_core.models import LMANet, build_model
from lmanet_core.network.classes import CITYSCAPES, ClassTable
from lmanet_core.network.model_config import ModelConfig

BATCH_COUNTER = "num_batches_tracked"
"""Number of training steps of a batch normalisation: of no use, and unknown to old PyTorch."""


class ConversionError(CheckpointError):
    """A published checkpoint does not fit what is known of its network; the message lists why."""


@dataclass(frozen=True)
class Conversion:
    """A converted model and what became of the tensors that it has no place for."""

    title: str
    """What the file was recognised as."""
    model: LMANet
    """The network, in eval mode, float32, on the CPU."""
    left_out: tuple[str, ...]
    """Names of tensors that the published network itself never uses to segment."""
    dropped_outputs: int
    """Outputs beyond the class table; 1 for the authors' 20th class, 'ignore'."""


def convert(tensors: Mapping[str, Tensor], classes: ClassTable = CITYSCAPES) -> Conversion:
    """Turn the tensors of a published network into a model of this library.

    Args:
        tensors: by published name, as `read_state_dict` returns them.
        classes: what the outputs mean. One output more than classes is taken for 'ignore', the
            authors' 20th class of zero weight, and dropped.

    Raises:
        ConversionError: the network is none of `PUBLISHED_NETWORKS`, a tensor is missing, unknown
            or of another shape, or the number of outputs is not that of the classes.
    """
    network = _recognise(tensors)
    model = build_model(ModelConfig.from_dict({**network.settings, **_class_settings(classes)}))
    conversion = _Assembly(network, tensors, len(classes))
    model.load_state_dict(conversion.assemble(model.state_dict()))
    return Conversion(
        network.title, model.eval(), conversion.left_out(), conversion.dropped_outputs
    )


def _recognise(tensors: Mapping[str, Tensor]) -> PublishedNetwork:
    for network in PUBLISHED_NETWORKS:
        if all(name in tensors for name in network.signature):
            return network
    titles = ", ".join(network.title for network in PUBLISHED_NETWORKS)
    raise ConversionError(
        f"these {len(tensors)} tensors are those of no published network that is known here "
        f"({titles}); they begin with {list_some(sorted(tensors))}"
    )


def _class_settings(classes: ClassTable) -> dict[str, Any]:
    values = ModelConfig(classes=classes).to_dict()
    return {name: values[name] for name in ("class_names", "palette")}


class _Assembly:
    """Takes the tensors of a file apart; notes what is used, missing and of the wrong shape."""

    def __init__(
        self, network: PublishedNetwork, tensors: Mapping[str, Tensor], num_classes: int
    ) -> None:
        self._network = network
        self._tensors = tensors
        self._num_classes = num_classes
        self._used: set[str] = set()
        self._problems: list[str] = []
        self.dropped_outputs = 0

    def assemble(self, expected: Mapping[str, Tensor]) -> dict[str, Tensor]:
        """A state dict with the names and shapes of `expected`."""
        assembled = {name: self._make(name, tensor) for name, tensor in expected.items()}
        unused = self._network.unused
        self._problems += [
            f"unknown {name}"
            for name in self._tensors
            if name not in self._used and not name.startswith(unused)
        ]
        if self._problems:
            raise ConversionError(
                f"the tensors are not those of {self._network.title}: {list_some(self._problems)}"
            )
        return assembled

    def left_out(self) -> tuple[str, ...]:
        return tuple(name for name in self._tensors if name not in self._used)

    def _make(self, name: str, expected: Tensor) -> Tensor:
        sources = self._sources(name)
        self._used.update(sources)
        if name.endswith(BATCH_COUNTER):
            return self._tensors.get(sources[0], torch.zeros_like(expected))
        missing = [f"missing {source}" for source in sources if source not in self._tensors]
        self._problems += missing
        if missing:
            return expected
        return self._fit(name, expected, [self._tensors[source] for source in sources], sources)

    def _sources(self, name: str) -> list[str]:
        for beginning, published in self._network.sources.items():
            if name.startswith(beginning):
                return [source + name.removeprefix(beginning) for source in published]
        raise AssertionError(f"no source for {name}")

    def _fit(
        self, name: str, expected: Tensor, parts: Sequence[Tensor], sources: Sequence[str]
    ) -> Tensor:
        # Parts of one layer must fit each other before they fit the layer.
        if len({part.shape[1:] for part in parts}) == 1:
            tensor = parts[0] if len(parts) == 1 else torch.cat(list(parts))
            if name.startswith(self._network.output):
                tensor = self._drop_ignore(tensor, transposed=name.endswith("weight"))
            if tensor.shape == expected.shape:
                return tensor
        shapes = ", ".join(str(tuple(part.shape)) for part in parts)
        wanted = tuple(expected.shape)
        self._problems.append(f"{' + '.join(sources)}: {shapes} do not make {wanted}")
        return expected

    def _drop_ignore(self, tensor: Tensor, transposed: bool) -> Tensor:
        dimension = 1 if transposed and self._network.transposed_output else 0
        if tensor.shape[dimension] != self._num_classes + 1:
            return tensor
        self.dropped_outputs = 1
        return tensor.narrow(dimension, 0, self._num_classes)
