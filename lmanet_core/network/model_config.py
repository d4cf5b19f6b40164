"""The configuration that, together with the weights, defines a model."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, fields
from typing import Any

from lmanet_core.network.classes import CITYSCAPES, ClassTable
from lmanet_core.program.registry import Registry

MAX_MEMORY_SIZE = 64
FUSIONS: Registry[Callable[[int, int], Any]] = Registry(
    "fusion",
    "lmanet.fusions",
    {
        "gated": "lmanet_core.models.fusion:GatedFusion",
        "concatenation": "lmanet_core.models.fusion:ConcatenationFusion",
        "bottleneck": "lmanet_core.models.fusion:BottleneckFusion",
        "residual": "lmanet_core.models.fusion:ResidualFusion",
        "blend": "lmanet_core.models.fusion:BlendFusion",
    },
)
"""Ways to join what was read with the current frame: `Fusion`s, made of Dv and C."""
PLACE_CHANNELS, QUALITY_CHANNELS = 4, 1
"""Channels of 'located' keys for their place and for the quality of their frame."""
KEY_FORMS: Registry[Callable[[int], Any]] = Registry(
    "key_form",
    "lmanet.key_forms",
    {
        "linear": "lmanet_core.models.key_forms:LinearKeys",
        "located": "lmanet_core.models.key_forms:LocatedKeys",
    },
)
"""What keys are made of: `LinearKeys`, made of C; see `ModelConfig.key_form`."""
LARGEST_LOCATED_WINDOW = 63
"""Largest window of 'located' keys; places repeat beyond it, see
`lmanet_core.models.key_forms.PERIOD`."""
MEMORY_POLICIES = ("every", "every_nth", "random")
"""Which past frames enter the memory, see `ModelConfig.memory_policy`."""


@dataclass(frozen=True)
class ModelConfig:
    """Architecture of a network with (or, with `memory_size` 0, without) local memory attention.

    Attributes:
        backbone: name of a registered single-frame network, see `lmanet_core.models.BACKBONES`.
        classes: what the network's outputs mean.
        memory_size: S, number of past frames remembered by default; a streaming user may choose
            another. 0 makes a plain single-frame network without any memory modules.
        window_size: side of the square attention window, odd; None attends to all positions.
        key_channels: Dk, channels of queries and keys.
        key_form: one of `KEY_FORMS`. 'linear' keys are whatever a convolution gives. 'located' ones
            have a direction and a place: attention prefers what looks alike, lies near and is of a
            good frame. Five of their channels are for place and quality. Their window is at most
            `LARGEST_LOCATED_WINDOW`.
        value_channels: Dv, channels of the values; None: the values are the features themselves,
            without a convolution.
        fusion: one of `FUSIONS`. 'concatenation' needs Dv to be half of the features' channels,
            'bottleneck' and 'blend' all of them. 'residual' is for encoders that end in a ReLU: it
            takes what is negative in features for 0.
        head_size: side of the kernels that make keys and values; odd. 1 is for features that have
            seen their surroundings and for networks as light as these kernels.
        memory_policy: one of `MEMORY_POLICIES`. 'every' remembers every frame, 'every_nth' the
            first and every `memory_interval`-th after it. 'random' trains on `memory_size` frames
            drawn from the clip's past; evaluated or streamed, it is 'every'.
        memory_interval: n of 'every_nth'; the other policies do not look at it.
        write_before_read: whether a frame enters the memory before it reads, and so attends to
            itself, too.

    Raises:
        ValueError: a value has the wrong type or range.

    Source: Paul et al., IROS 2021, section III; the options are those of its ablations.

    Example:
        >>> ModelConfig(backbone="efficientnet_lite0", memory_size=2, window_size=11).fusion
        'gated'
    """

    backbone: str = "erfnet"
    classes: ClassTable = CITYSCAPES
    memory_size: int = 4
    window_size: int | None = 21
    key_channels: int = 16
    key_form: str = "linear"
    value_channels: int | None = 64
    fusion: str = "gated"
    head_size: int = 3
    memory_policy: str = "every"
    memory_interval: int = 2
    write_before_read: bool = False

    def __post_init__(self) -> None:
        _check_int("memory_size", self.memory_size, 0, MAX_MEMORY_SIZE)
        KEY_FORMS.check(self.key_form)
        fewest = 1 + PLACE_CHANNELS + QUALITY_CHANNELS if self.key_form == "located" else 1
        _check_int("key_channels", self.key_channels, fewest, 4096)
        if self.value_channels is not None:
            _check_int("value_channels", self.value_channels, 1, 4096)
        FUSIONS.check(self.fusion)
        _check_int("head_size", self.head_size, 1, 9)
        if self.head_size % 2 == 0:
            raise ValueError(f"head_size must be odd, got {self.head_size}")
        _check_choice("memory_policy", self.memory_policy, MEMORY_POLICIES)
        _check_int("memory_interval", self.memory_interval, 1, 1000)
        if not isinstance(self.write_before_read, bool):
            raise ValueError(
                f"write_before_read must be true or false, got {self.write_before_read!r}"
            )
        if self.window_size is not None:
            _check_int("window_size", self.window_size, 1, 1023)
            if self.window_size % 2 == 0:
                raise ValueError(
                    f"window_size is the side of a centred window and must be odd, "
                    f"got {self.window_size}"
                )
        if self.key_form == "located":
            self._check_located_window()

    def _check_located_window(self) -> None:
        if self.window_size is None or self.window_size > LARGEST_LOCATED_WINDOW:
            got = "null, which is everywhere" if self.window_size is None else self.window_size
            raise ValueError(
                f"window_size must be at most {LARGEST_LOCATED_WINDOW} with key_form 'located', "
                f"whose places repeat beyond, got {got}: choose a smaller window, or key_form "
                "'linear'"
            )

    @property
    def write_interval(self) -> int:
        """n: a stream remembers its first frame and every n-th after it."""
        return self.memory_interval if self.memory_policy == "every_nth" else 1

    def to_dict(self) -> dict[str, Any]:
        """Plain values, ready for JSON or YAML; the class table becomes two lists."""
        values = {field.name: getattr(self, field.name) for field in fields(self)}
        classes = values.pop("classes")
        return values | {
            "class_names": list(classes.names),
            "palette": [list(color) for color in classes.palette],
        }

    @classmethod
    def from_dict(cls, values: Mapping[str, Any]) -> ModelConfig:
        """Inverse of `to_dict`.

        Raises:
            ValueError: a key is unknown, or a value has the wrong type or range.
        """
        values = dict(values)
        names, palette = values.pop("class_names", None), values.pop("palette", None)
        if (names is None) != (palette is None):
            raise ValueError("class_names and palette go together; give both or neither")
        known = {field.name for field in fields(cls)} - {"classes"}
        if unknown := sorted(set(values) - known):
            raise ValueError(f"unknown model settings {unknown}; expected some of {sorted(known)}")
        if names is not None and palette is not None:
            values["classes"] = _parse_classes(names, palette)
        return cls(**values)


def _parse_classes(names: Any, palette: Any) -> ClassTable:
    try:
        colors = tuple((int(r), int(g), int(b)) for r, g, b in palette)
    except (TypeError, ValueError):
        raise ValueError(f"palette must be a list of [r, g, b], got {palette!r}") from None
    if not isinstance(names, list) or not all(isinstance(name, str) for name in names):
        raise ValueError(f"class_names must be a list of strings, got {names!r}")
    return ClassTable(tuple(names), colors)


def _check_int(name: str, value: Any, low: int, high: int) -> None:
    if not isinstance(value, int) or isinstance(value, bool) or not low <= value <= high:
        raise ValueError(f"{name} must be an integer in {low}..{high}, got {value!r}")


def _check_choice(name: str, value: Any, choices: tuple[str, ...]) -> None:
    if value not in choices:
        raise ValueError(f"{name} must be one of {list(choices)}, got {value!r}")
