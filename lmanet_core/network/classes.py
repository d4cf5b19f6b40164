"""Class tables: what each label value means and how it is drawn."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np

IGNORE_LABEL = 255
"""Label of pixels that are neither trained on nor scored."""

Color = tuple[int, int, int]


@dataclass(frozen=True)
class ClassTable:
    """Names and RGB colours of the classes; a label is an index into both.

    Example:
        >>> import numpy as np
        >>> table = ClassTable(("floor", "robot"), ((90, 90, 90), (200, 60, 60)))
        >>> table.colorize(np.array([[0, 1]], np.uint8)).tolist()
        [[[90, 90, 90], [200, 60, 60]]]
    """

    names: tuple[str, ...]
    palette: tuple[Color, ...]

    def __post_init__(self) -> None:
        if not self.names:
            raise ValueError("a class table needs at least one class, got none")
        if len(self.names) > IGNORE_LABEL:
            raise ValueError(
                f"labels are uint8 and {IGNORE_LABEL} means 'ignore', so at most {IGNORE_LABEL} "
                f"classes fit; got {len(self.names)}"
            )
        if len(self.names) != len(self.palette):
            raise ValueError(
                f"expected one colour for each of the {len(self.names)} classes, "
                f"got {len(self.palette)} colours"
            )
        for name, color in zip(self.names, self.palette, strict=True):
            if len(color) != 3 or not all(0 <= channel <= 255 for channel in color):
                raise ValueError(
                    f"colour of class '{name}' must be three values in 0..255, got {color}"
                )

    @classmethod
    def of(cls, colors: Mapping[str, Color]) -> ClassTable:
        """The table of classes with their colours, in the order of their labels."""
        return cls(tuple(colors), tuple(colors.values()))

    def __len__(self) -> int:
        return len(self.names)

    def recolored(self, colors: Mapping[str, Color]) -> ClassTable:
        """The same classes with other colours for some of them.

        Raises:
            ValueError: a name is not a class, or a colour is not three values in 0..255.
        """
        if unknown := sorted(set(colors) - set(self.names)):
            raise ValueError(f"no such classes {unknown}; expected some of {list(self.names)}")
        pairs = zip(self.names, self.palette, strict=True)
        return ClassTable(self.names, tuple(colors.get(name, color) for name, color in pairs))

    def colorize(self, labels: np.ndarray) -> np.ndarray:
        """Paint a label map.

        Args:
            labels: (H, W) uint8; values beyond the table, such as 255, become black.

        Returns:
            (H, W, 3) uint8, RGB.
        """
        lookup = np.zeros((256, 3), dtype=np.uint8)
        lookup[: len(self.palette)] = self.palette
        # np.take is several times faster than fancy indexing for image-sized arrays.
        return np.take(lookup, labels, axis=0)

    def lookup_in(self, other: ClassTable) -> np.ndarray:
        """What the labels of this table are in another one, by the names of the classes.

        Returns:
            (256,) uint8, to be indexed by labels; `IGNORE_LABEL` for classes that `other` lacks.
        """
        there = {name: label for label, name in enumerate(other.names)}
        return label_lookup(
            {label: there[name] for label, name in enumerate(self.names) if name in there}
        )


def label_lookup(labels: Mapping[int, int], size: int = 256) -> np.ndarray:
    """(size,) uint8, to be indexed by values: the label of each, `IGNORE_LABEL` for all others."""
    lookup = np.full(size, IGNORE_LABEL, np.uint8)
    lookup[list(labels)] = list(labels.values())
    return lookup


def without_uncertain(
    labels: np.ndarray, confidence: np.ndarray, min_confidence: float
) -> np.ndarray:
    """Labels with `IGNORE_LABEL` where the network is not certain enough.

    Args:
        labels: (H, W) uint8.
        confidence: (H, W) uint8, 255 for certain.
        min_confidence: 0..1; 0: all labels stay.
    """
    if min_confidence == 0:
        return labels
    return np.where(confidence < 255 * min_confidence, np.uint8(IGNORE_LABEL), labels)


CITYSCAPES = ClassTable.of(
    {
        "road": (128, 64, 128),
        "sidewalk": (244, 35, 232),
        "building": (70, 70, 70),
        "wall": (102, 102, 156),
        "fence": (190, 153, 153),
        "pole": (153, 153, 153),
        "traffic light": (250, 170, 30),
        "traffic sign": (220, 220, 0),
        "vegetation": (107, 142, 35),
        "terrain": (152, 251, 152),
        "sky": (70, 130, 180),
        "person": (220, 20, 60),
        "rider": (255, 0, 0),
        "car": (0, 0, 142),
        "truck": (0, 0, 70),
        "bus": (0, 60, 100),
        "train": (0, 80, 100),
        "motorcycle": (0, 0, 230),
        "bicycle": (119, 11, 32),
    }
)
"""The 19 Cityscapes training classes (trainId order) in their official colours."""

CAMVID = ClassTable.of(
    {
        "sky": (128, 128, 128),
        "building": (128, 0, 0),
        "pole": (192, 192, 128),
        "road": (128, 64, 128),
        "pavement": (60, 40, 222),
        "tree": (128, 128, 0),
        "sign": (192, 128, 128),
        "fence": (64, 64, 128),
        "car": (64, 0, 128),
        "pedestrian": (64, 64, 0),
        "bicyclist": (0, 128, 192),
    }
)
"""The 11 CamVid classes of the 480x360 edition in their customary colours."""

DAVIS = ClassTable.of({"background": (0, 0, 0), "object": (224, 224, 224)})
"""The two classes of DAVIS 2016: what a video is about, and all else."""
