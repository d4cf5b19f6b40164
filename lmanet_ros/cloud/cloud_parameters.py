"""Parameters of the semantic cloud node."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass

import numpy as np

from lmanet_core import ClassTable
from lmanet_core.cloud.selection import (
    GROUND_CLASSES,
    OBSTACLE_CLASSES,
    Selection,
    known_names,
    label_table,
)
from lmanet_core.cloud.transform import Transform
from lmanet_ros.node.common_parameters import CommonParameters
from lmanet_ros.node.parameter_fields import (
    ANY_TIME,
    AUTO,
    ParameterError,
    check_word,
    parameter,
)

DEPTH, CLOUD = "depth", "cloud"
NONE = "none"
NO_TRANSFORM = (0.0,) * 7
SMALLEST_VOXEL = 0.01
"""Metres."""


@dataclass(frozen=True)
class CloudParameters(CommonParameters):
    """What the user sets; a field's default gives the parameter its type.

    Raises:
        ParameterError: a value does not make sense.
    """

    range_source: str = parameter(
        DEPTH, "What measures distances: depth, an image, or cloud, a lidar's points."
    )
    rectified: bool = parameter(
        False,
        "Whether labels and depth are of a rectified image; if so, camera_info's matrix p is used "
        "in place of k and d.",
    )
    use_confidence: bool = parameter(
        True,
        "Whether to subscribe to `confidence` beside the labels; the segmentation node then has to "
        "compute it.",
    )
    slop: float = parameter(
        0.05,
        "Largest difference, in seconds, of the stamps of labels and of depth or cloud.",
        limits=(0.0, 10.0),
        change=ANY_TIME,
    )
    max_label_delay: float = parameter(
        2.0,
        "Seconds that depth or cloud is kept for its labels; more than the network takes.",
        limits=(0.0, 60.0),
        change=ANY_TIME,
    )
    voxel_size: float = parameter(
        0.0,
        "Side of the voxels in metres. Each voxel gives one point with its most frequent label; "
        "0.0: ~/points has a point for each pixel.",
        limits=(0.0, 10.0),
        change=ANY_TIME,
    )
    obstacle_classes: tuple[str, ...] = parameter(
        (AUTO,),
        "Names of the classes in ~/obstacles. auto: what stands, in Cityscapes and CamVid; [none]: "
        "no class. A class that is neither here nor in ground_classes is in ~/points only.",
        change=ANY_TIME,
    )
    ground_classes: tuple[str, ...] = parameter(
        (AUTO,),
        "Names of the classes in ~/ground. auto: what lies flat; [none]: no class.",
        change=ANY_TIME,
    )
    min_confidence: float = parameter(
        0.5,
        "Confidence below which a point is in neither ~/obstacles nor ~/ground.",
        limits=(0.0, 1.0),
        change=ANY_TIME,
    )
    min_range: float = parameter(
        0.3,
        "Distance in metres below which a point is in neither.",
        limits=(0.0, 1e4),
        change=ANY_TIME,
    )
    max_range: float = parameter(
        20.0,
        "Distance in metres above which a point is in neither.",
        limits=(0.0, 1e4),
        change=ANY_TIME,
    )
    target_frame: str = parameter(
        "",
        "Frame of ~/obstacles and ~/ground; empty: the frame of depth or cloud, as Nav2 expects.",
        change=ANY_TIME,
    )
    cloud_to_camera: tuple[float, ...] = parameter(
        NO_TRANSFORM,
        "Transform from the lidar's frame to the camera's optical frame: x, y, z in metres, and "
        "the quaternion x, y, z, w; zeros: ask tf2.",
    )
    range_to_target: tuple[float, ...] = parameter(
        NO_TRANSFORM,
        "Transform from the frame of depth or cloud to `target_frame`; zeros: ask tf2.",
    )

    def __post_init__(self) -> None:
        check_word("range_source", self.range_source, (DEPTH, CLOUD))
        for name in ("cloud_to_camera", "range_to_target"):
            _check_transform(name, getattr(self, name))
        if 0 < self.voxel_size < SMALLEST_VOXEL:
            raise ParameterError(
                f"parameter 'voxel_size': expected 0 or at least {SMALLEST_VOXEL} m, "
                f"got {self.voxel_size}"
            )
        if self.min_range >= self.max_range:
            raise ParameterError(
                "parameter 'max_range': expected more than 'min_range', "
                f"got {self.max_range} and {self.min_range}"
            )


def selections(parameters: CloudParameters, classes: ClassTable) -> dict[str, Selection]:
    """Which points are obstacles and which are ground, by the names of these outputs.

    Raises:
        ParameterError: a class is none of the table's.
    """
    limits = parameters.min_confidence, parameters.min_range, parameters.max_range
    return {
        output: Selection(_table(name, getattr(parameters, name), usual, classes), *limits)
        for output, name, usual in (
            ("obstacles", "obstacle_classes", OBSTACLE_CLASSES),
            ("ground", "ground_classes", GROUND_CLASSES),
        )
    }


def _table(
    name: str, chosen: Iterable[str], usual: Iterable[str], classes: ClassTable
) -> np.ndarray:
    if tuple(chosen) == (AUTO,):
        chosen = known_names(classes, usual)
    try:
        return label_table(classes, [] if tuple(chosen) == (NONE,) else chosen)
    except ValueError as error:
        raise ParameterError(f"parameter '{name}': {error}") from None


def _check_transform(name: str, values: tuple[float, ...]) -> None:
    if values == NO_TRANSFORM:
        return
    try:
        if len(values) != len(NO_TRANSFORM):
            raise ValueError(f"expected seven numbers, x, y, z, qx, qy, qz, qw, got {list(values)}")
        Transform.from_quaternion(values[:3], values[3:])
    except ValueError as error:
        raise ParameterError(f"parameter '{name}': {error}") from None
