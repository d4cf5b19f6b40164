"""Labels of one data set in the classes of another, whose classes may be finer."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import yaml

from lmanet_core.network.classes import CAMVID, CITYSCAPES, ClassTable, label_lookup

LabelMapping = Mapping[str, tuple[str, ...]]
"""Class of a data set -> the network's classes that it stands for: car -> car, truck, bus."""

CAMVID_IN_CITYSCAPES: LabelMapping = {
    "sky": ("sky",),
    "building": ("building", "wall"),
    "pole": ("pole",),
    "road": ("road",),
    "pavement": ("sidewalk",),
    "tree": ("vegetation", "terrain"),
    "sign": ("traffic light", "traffic sign"),
    "fence": ("fence",),
    "car": ("car", "truck", "bus", "train"),
    "pedestrian": ("person",),
    "bicyclist": ("rider", "motorcycle", "bicycle"),
}
KNOWN = {(CAMVID.names, CITYSCAPES.names): CAMVID_IN_CITYSCAPES}


def known_label_mapping(classes: ClassTable, of_network: ClassTable) -> LabelMapping:
    """What the classes of a data set are in a network's, from the tables that are known.

    Raises:
        ValueError: this pair of tables is not.
    """
    if (mapping := KNOWN.get((classes.names, of_network.names))) is None:
        raise ValueError(
            f"nothing is known of what the classes {', '.join(classes.names)} are in "
            f"{', '.join(of_network.names)}: say it in `label_mapping`"
        )
    return mapping


def read_label_mapping(path: Path) -> LabelMapping:
    """From a YAML file with a list of the network's classes, or one, for each class.

    Raises:
        ValueError: it is not there, or something else.
    """
    try:
        values = yaml.safe_load(path.read_text())
        return {
            name: (meant,) if isinstance(meant, str) else tuple(meant)
            for name, meant in values.items()
        }
    except (OSError, yaml.YAMLError, AttributeError, TypeError) as error:
        raise ValueError(
            f"{path}: expected a YAML file with lines such as 'car: [car, truck, bus]' ({error})"
        ) from None


@dataclass(frozen=True)
class TrainingLabels:
    """Labels of a data set's classes as labels to train a network on.

    A class that is one of the network's has that label. One that stands for several has a label
    beyond the network's classes: `len(classes) + g` is "one of `groups[g]`". One that is not
    mentioned is ignored.

    Attributes:
        groups: the network's classes of each such label.
        lookup: (256,) uint8, label of the data set -> label to train on.
    """

    groups: tuple[tuple[int, ...], ...]
    lookup: np.ndarray


def training_labels(
    classes: ClassTable,
    of_network: ClassTable,
    mapping: LabelMapping,
    groups: tuple[tuple[int, ...], ...] = (),
) -> TrainingLabels:
    """The labels to train a network on, of a data set with classes of its own.

    Args:
        classes: classes of the data set.
        of_network: of the network.
        mapping: what the former are in the latter.
        groups: groups of classes of other data sets of the same training, which keep their labels.

    Raises:
        ValueError: a name is in neither table, or a class stands for nothing.
    """
    known = list(groups)
    labels = {}
    for label, members in _members(classes, of_network, mapping).items():
        if len(members) > 1 and members not in known:
            known.append(members)
        labels[label] = members[0] if len(members) == 1 else len(of_network) + known.index(members)
    return TrainingLabels(tuple(known), label_lookup(labels))


def coarse_labels(classes: ClassTable, of_network: ClassTable, mapping: LabelMapping) -> np.ndarray:
    """What a network's predictions are in the coarser classes of a data set.

    Returns:
        (256,) uint8, to be indexed by the network's labels; 255 for what the data set has no
        class for.

    Raises:
        ValueError: a name is in neither table, or one of the network's classes is in two of them.
    """
    labels: dict[int, int] = {}
    for label, members in _members(classes, of_network, mapping).items():
        for one in members:
            if labels.setdefault(one, label) != label:
                raise ValueError(
                    f"label_mapping: '{of_network.names[one]}' is in two classes, "
                    f"'{classes.names[label]}' is one of them"
                )
    return label_lookup(labels)


def _members(
    classes: ClassTable, of_network: ClassTable, mapping: LabelMapping
) -> dict[int, tuple[int, ...]]:
    """Label of the data set -> the network's labels that it stands for, in rising order."""
    if unknown := sorted(set(mapping) - set(classes.names)):
        raise ValueError(f"label_mapping: no such classes {unknown}; expected {classes.names}")
    for name, meant in mapping.items():
        if not meant or not set(meant) <= set(of_network.names):
            raise ValueError(
                f"label_mapping: '{name}' must be some of {of_network.names}, got {meant}"
            )
    return {
        classes.names.index(name): tuple(sorted(map(of_network.names.index, meant)))
        for name, meant in mapping.items()
    }
