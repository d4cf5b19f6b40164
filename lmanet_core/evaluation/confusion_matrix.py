"""How well predicted labels agree with true ones."""

from __future__ import annotations

import numpy as np

from lmanet_core.network.classes import IGNORE_LABEL


class ConfusionMatrix:
    """Counts which class was predicted for the pixels of which class, over any number of images.

    Args:
        num_classes: true labels are 0..num_classes - 1, or 255 for pixels that do not count.
    """

    def __init__(self, num_classes: int) -> None:
        if not 1 <= num_classes <= IGNORE_LABEL:
            raise ValueError(f"num_classes must be in 1..{IGNORE_LABEL}, got {num_classes}")
        self._num_classes = num_classes
        # Rows: truth; columns: prediction, the last one for all that is no class.
        self._counts = np.zeros((num_classes, num_classes + 1), np.int64)

    def update(self, predicted: np.ndarray, true: np.ndarray) -> None:
        """Add an image.

        Args:
            predicted: uint8 labels; a value that is no class is wrong whatever the truth is.
            true: uint8 labels of the same shape.

        Raises:
            ValueError: the arrays differ in shape, are not uint8, or `true` has other values.
        """
        if predicted.shape != true.shape or {predicted.dtype, true.dtype} != {np.dtype(np.uint8)}:
            raise ValueError(
                "expected two uint8 label maps of the same shape, got predicted "
                f"{predicted.shape} {predicted.dtype} and true {true.shape} {true.dtype}"
            )
        # All pairs of bytes are counted, without a mask: that takes one pass.
        pairs = np.bincount((true.astype(np.uint16) << 8 | predicted).ravel(), minlength=1 << 16)
        pairs = pairs.reshape(256, 256)
        classes = self._num_classes
        if pairs[classes:IGNORE_LABEL].any():
            # Only to say which: the counts have found them in less time.
            check_true_labels(true, classes)
        self._counts[:, :classes] += pairs[:classes, :classes]
        self._counts[:, classes] += pairs[:classes, classes:].sum(1)

    def add(self, other: ConfusionMatrix) -> None:
        """Add what another one of as many classes has counted."""
        self._counts += other._counts

    @property
    def counts(self) -> np.ndarray:
        """(num_classes, num_classes + 1) int64; rows are the truth's classes, columns the
        prediction's, the last one for all that is no class."""
        return self._counts.copy()

    @classmethod
    def from_counts(cls, counts: np.ndarray) -> ConfusionMatrix:
        """Inverse of `counts`.

        Raises:
            ValueError: the shape is not that of `counts`, or a number is negative.
        """
        if counts.ndim != 2 or counts.shape[1] != counts.shape[0] + 1 or (counts < 0).any():
            raise ValueError(
                "expected counts for each true class and each predicted one and 'no class', "
                f"none negative, got {counts.shape}"
            )
        matrix = cls(len(counts))
        matrix._counts += counts
        return matrix

    def iou(self) -> np.ndarray:
        """Intersection over union of each class, (num_classes,) float64.

        NaN for classes that occur neither in the truth nor in the predictions.
        """
        hits = self._counts.diagonal()
        union = self._counts.sum(1) + self._counts[:, :-1].sum(0) - hits
        return np.divide(hits, union, out=np.full(len(hits), np.nan), where=union > 0)

    def miou(self) -> float:
        """Mean of `iou` over the classes that occur; NaN if none does."""
        iou = self.iou()
        occurring = iou[~np.isnan(iou)]
        return float(occurring.mean()) if len(occurring) else float("nan")


def check_true_labels(true: np.ndarray, num_classes: int) -> None:
    """Refuse labels that are no class and not 255.

    Raises:
        ValueError: there are some; it says which.
    """
    wrong = true[(true >= num_classes) & (true != IGNORE_LABEL)]
    if wrong.size:
        raise ValueError(
            f"true labels must be in 0..{num_classes - 1} or {IGNORE_LABEL}, "
            f"got {np.unique(wrong).tolist()}"
        )
