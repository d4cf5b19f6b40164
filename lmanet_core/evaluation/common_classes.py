"""The classes in which what a network says can be compared with a truth in other classes."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from lmanet_core.data.label_mapping import KNOWN, coarse_labels
from lmanet_core.network.classes import IGNORE_LABEL, ClassTable

_SAME = np.arange(256, dtype=np.uint8)


@dataclass(frozen=True)
class CommonClasses:
    """What a network's labels and true labels are in one class table.

    Attributes:
        classes: that table.
        known: the classes, of `classes`, that the truth knows, as `Scorer` takes them; None: all.
        predicted: (256,) uint8, to be indexed by the network's labels.
        true: (256,) uint8, to be indexed by true labels; 255 for what cannot be compared.
        left_out: the truth's classes that cannot be.
    """

    classes: ClassTable
    known: ClassTable | None
    predicted: np.ndarray
    true: np.ndarray
    left_out: tuple[str, ...]

    @property
    def counted(self) -> np.ndarray:
        """`predicted`, but 255 for classes that the truth does not know."""
        return countable(self.classes, self.known)[self.predicted]

    @property
    def is_empty(self) -> bool:
        """Whether nothing can be compared."""
        return bool((self.true == IGNORE_LABEL).all())


def common_classes(of_network: ClassTable, of_truth: ClassTable | None) -> CommonClasses:
    """Find the table in which two can be compared.

    Where it is known which classes of one are several of the other's, see
    `lmanet_core.data.label_mapping`, that is the coarser table. Else the network's: classes are the
    same if their names are.

    Args:
        of_network: what predicted labels mean.
        of_truth: what true labels mean; None: the same.
    """
    if of_truth is None or of_truth.names == of_network.names:
        return CommonClasses(of_network, None, _SAME, _SAME, ())
    if mapping := KNOWN.get((of_truth.names, of_network.names)):
        predicted = coarse_labels(of_truth, of_network, mapping)
        return CommonClasses(of_truth, None, predicted, _SAME, ())
    if mapping := KNOWN.get((of_network.names, of_truth.names)):
        true = coarse_labels(of_network, of_truth, mapping)
        left_out = _left_out(of_truth, true)
        return CommonClasses(of_network, None, _SAME, true, left_out)
    true = of_truth.lookup_in(of_network)
    return CommonClasses(of_network, of_truth, _SAME, true, _left_out(of_truth, true))


def countable(classes: ClassTable, known: ClassTable | None) -> np.ndarray:
    """(256,) uint8: each label, or 255 for classes that the truth does not know."""
    return _SAME if known is None else known.lookup_in(classes)[classes.lookup_in(known)]


def _left_out(classes: ClassTable, lookup: np.ndarray) -> tuple[str, ...]:
    return tuple(name for label, name in enumerate(classes.names) if lookup[label] == IGNORE_LABEL)
