"""Settings of a training run: its YAML file as frozen dataclasses."""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping, Sequence
from dataclasses import MISSING, dataclass, field, fields
from pathlib import Path
from typing import Any, TypeVar

import yaml

from lmanet_core.checkpoint import CheckpointError
from lmanet_core.data.corruption import CorruptionConfig
from lmanet_core.data.data_config import DataConfig, merge, settings_without_effect
from lmanet_core.data.video import DatasetError
from lmanet_core.network.model_config import ModelConfig
from lmanet_core.program.settings import build
from lmanet_core.training.old_keys import rename_old_keys

T = TypeVar("T")

PARTS = ("encoder", "decoder", "memory")
TARGETS = ("labels", "features", "predictions")
STARTS = ("shared", "components", "average")
DEFAULT_START = STARTS[0]
SUPERVISED = ("last", "all")
OPTIMIZERS = ("adam", "adamw")
SCHEDULES = ("plateau", "polynomial", "one_cycle", "constant")
INITIAL_WEIGHTS = "initial_weights"
"""Name that `StageConfig.after` may have in place of an earlier stage's: the run's weights."""
PRECISIONS = ("auto", "fp32", "bf16")


class TrainingError(ValueError):
    """A run cannot begin or go on; the message tells the user what to change."""


USER_ERRORS = (TrainingError, DatasetError, CheckpointError, OSError)
"""What programs show without a traceback: the user has something to change."""


@dataclass(frozen=True)
class DistillationConfig:
    """Losses of a single-frame network beside that of the labels.

    The teacher is the network as it was when the stage began. It sees clean frames; the network
    learns from the frames and from their corrupted copies.

    Attributes:
        weight: weight of the loss between the network's predictions, of frames and of their
            corrupted copies, and the teacher's predictions of the frames.
        scales: factors by which the teacher sees the frames enlarged; its predictions are averaged.
        consistency: weight of the loss between the predictions of a frame and of its corrupted
            copy: the Jensen-Shannon divergence of AugMix (Hendrycks et al., ICLR 2020).
    """

    weight: float = 1.0
    scales: tuple[float, ...] = (1.0,)
    consistency: float = 0.0

    def __post_init__(self) -> None:
        for name in ("weight", "consistency"):
            _check(f"distillation.{name}", getattr(self, name), "not negative", lambda v: v >= 0)
        _check_scales("distillation.scales", self.scales)
        if self.weight == self.consistency == 0:
            raise TrainingError("distillation: one of weight and consistency must be positive")
        if self.weight == 0 and self.scales != (1.0,):
            raise TrainingError("distillation: scales have no effect without weight")


@dataclass(frozen=True)
class StageConfig:
    """One training stage. The defaults are the paper's.

    Attributes:
        name: also the name of the stage's checkpoint.
        trains: parts of the network that learn, of `PARTS`; the others are frozen and stay in
            eval mode.
        frozen: modules within those parts that do not learn, by name, such as
            'encoder.stages.stem'. The first layers of a network from ImageNet have little left to
            learn, and take much of the time.
        after: name of the earlier stage whose result it starts from, or 'initial_weights'; None:
            the one before.
        data: what it learns from; `data.frames` T is the clip length, 1 trains on single frames.
        batch_size: clips per optimizer step, over all processes and accumulated parts.
        accumulate: number of parts into which each process divides its share of a batch, to save
            memory.
        steps: optimizer steps. Of `steps`, `epochs` and `hours` one is given.
        epochs: passes over the data.
        hours: length of the stage in hours. A resumed run has the hours that are left.
        optimizer: one of `OPTIMIZERS`.
        learning_rate: the rate at the start, or the peak of 'one_cycle'.
        encoder_learning_rate: the encoder's rate; None: `learning_rate`.
        schedule: one of `SCHEDULES`. 'plateau' multiplies the rate by 0.8 when the mean training
            loss of an epoch has not fallen for `patience` epochs, down to 1e-8. 'polynomial'
            decays to zero with a power of 0.9, 'one_cycle' warms up before it does, along a cosine.
        supervise: one of `SUPERVISED`: whether the loss counts the last frame of a clip or all.
        shortest_clip: shortest length of a clip, in frames. At each step a length between this one
            and T is drawn, so that the network also learns with a memory that is not full yet.
            None: always T.
        class_weight_offset: c in the weight of a class, 1 / ln(c + frequency), if the run is given
            no weights. ERFNet's authors take 1.10 for Cityscapes. A smaller one gives rare classes
            more weight. None: all pixels count the same.
        ema_decay: d of the exponential moving average w <- d w + (1 - d) weights. The average is
            validated and saved in place of the weights. None: there is no average.
        dropout: whether the network's dropout is active. Without it, endless data such as the
            synthetic street is learned in fewer steps.
        fixed_statistics: parts, of those that learn, whose batch normalisations keep the
            statistics that they have. Statistics of small batches would only add noise.
        batch_norm_momentum: momentum of the running statistics in parts that learn.
        start: one of `STARTS`: how a memory begins that the stage before did not have. 'shared'
            takes random weights, the same for query and memory. 'components' takes keys that tell
            places apart, and 'average' a memory that averages; both come from the features of a
            few clips, see `lmanet_core.training.start_from_features`. Where a network has a frame
            quality it is fitted at the start, see `lmanet_core.training.frame_quality_fit`.
        target: one of `TARGETS`: what the loss compares with. 'labels' are true labels. The other
            two need no labels and train the memory alone: some frames of a clip are corrupted, and
            the network with its memory must give what it gives for the clean frame. 'features'
            compares the encoder's features, 'predictions' the probabilities of the classes,
            averaged over the frame and its mirror image.
        teacher_scales: factors by which the clean frame is enlarged for 'predictions'; its
            probabilities are averaged over them. Small things are seen better in enlarged frames.
        corruption: how frames are corrupted for 'features' and 'predictions'.
        distillation: losses of a single-frame network against itself as it was; None: labels
            alone. It needs `data.corrupted_copy`.
        temporal_consistency: weight of a loss without labels: predictions should follow the
            optical flow from frame to frame, see
            `lmanet_core.training.temporal_consistency_loss`. `data.frames` is at least 2.
        correspondence: weight of a loss without labels: the memory should look where optical flow
            finds a place, see `lmanet_core.training.correspondence_loss`.
    """

    name: str
    trains: tuple[str, ...]
    data: DataConfig
    batch_size: int
    after: str | None = None
    frozen: tuple[str, ...] = ()
    accumulate: int = 1
    steps: int | None = None
    epochs: int | None = None
    hours: float | None = None
    optimizer: str = "adam"
    learning_rate: float = 2e-4
    encoder_learning_rate: float | None = None
    weight_decay: float = 1e-4
    schedule: str = "plateau"
    patience: int = 10
    supervise: str = "last"
    shortest_clip: int | None = None
    class_weight_offset: float | None = 1.10
    ema_decay: float | None = None
    dropout: bool = True
    fixed_statistics: tuple[str, ...] = ()
    batch_norm_momentum: float = 0.1
    start: str = DEFAULT_START
    target: str = "labels"
    teacher_scales: tuple[float, ...] = (1.0,)
    corruption: CorruptionConfig = field(default_factory=CorruptionConfig)
    distillation: DistillationConfig | None = None
    temporal_consistency: float = 0.0
    correspondence: float = 0.0

    def __post_init__(self) -> None:
        where = f"stage '{self.name}'"
        _check_subset(f"{where}: trains", self.trains, PARTS)
        _check_subset(f"{where}: fixed_statistics", self.fixed_statistics, self.trains)
        _check_choice(f"{where}: optimizer", self.optimizer, OPTIMIZERS)
        _check_choice(f"{where}: schedule", self.schedule, SCHEDULES)
        _check_choice(f"{where}: supervise", self.supervise, SUPERVISED)
        _check_choice(f"{where}: target", self.target, TARGETS)
        _check_choice(f"{where}: start", self.start, STARTS)
        for name in ("batch_size", "accumulate", "patience", "steps", "epochs"):
            _check(f"{where}: {name}", getattr(self, name), "at least 1", lambda v: v >= 1)
        for name in ("learning_rate", "encoder_learning_rate", "batch_norm_momentum", "hours"):
            _check(f"{where}: {name}", getattr(self, name), "positive", lambda v: v > 0)
        offset = self.class_weight_offset
        _check(f"{where}: class_weight_offset", offset, "more than 1", lambda v: v > 1)
        _check(f"{where}: weight_decay", self.weight_decay, "not negative", lambda v: v >= 0)
        average = self.ema_decay
        _check(f"{where}: ema_decay", average, "between 0 and 1", lambda v: 0 < v < 1)
        _check(f"{where}: correspondence", self.correspondence, "not negative", lambda v: v >= 0)
        _check(
            f"{where}: temporal_consistency",
            self.temporal_consistency,
            "not negative",
            lambda v: v >= 0,
        )
        if self.temporal_consistency and (
            self.data.frames < 2 or self.supervise != "all" or self.target != "labels"
        ):
            raise TrainingError(
                f"{where}: temporal_consistency is for clips of data.frames 2 or more, "
                "supervise: all and target: labels"
            )
        if self.correspondence and ("memory" not in self.trains or self.target != "labels"):
            raise TrainingError(
                f"{where}: correspondence is for stages that train the memory by labels"
            )
        if [self.steps, self.epochs, self.hours].count(None) != 2:
            raise TrainingError(f"{where}: give one of steps, epochs and hours")
        if self.hours is not None and self.schedule == "plateau":
            raise TrainingError(f"{where}: hours go with another schedule than 'plateau'")
        if "memory" in self.trains and self.data.frames < 2:
            raise TrainingError(f"{where} trains the memory: data.frames must be at least 2")
        if self.shortest_clip is not None and not 2 <= self.shortest_clip <= self.data.frames:
            raise TrainingError(
                f"{where}: shortest_clip must be in 2..{self.data.frames}, data.frames, "
                f"got {self.shortest_clip}"
            )
        if (self.distillation is None) != (self.data.corrupted_copy is None):
            raise TrainingError(f"{where}: distillation and data.corrupted_copy go together")
        if self.distillation is not None and self.supervise != "all":
            raise TrainingError(
                f"{where}: distillation goes with supervise: all, of frame and copy"
            )
        _check_scales(f"{where}: teacher_scales", self.teacher_scales)
        if self.teacher_scales != (1.0,) and self.target != "predictions":
            raise TrainingError(f"{where}: teacher_scales go with target 'predictions'")
        if self.target != "labels" and self.trains != ("memory",):
            raise TrainingError(
                f"{where}: target '{self.target}' is for stages with trains: [memory]"
            )
        self._check_that_all_has_effect(where)

    def _check_that_all_has_effect(self, where: str) -> None:
        """Refuse what was set and would change nothing."""
        on_clips, by_labels = self.data.frames > 1, self.target == "labels"
        learned_statistics = set(self.trains) - set(self.fixed_statistics)
        needs: dict[str, tuple[bool, str]] = {
            "patience": (self.schedule == "plateau", "schedule 'plateau'"),
            "encoder_learning_rate": ("encoder" in self.trains, "'encoder' in trains"),
            "batch_norm_momentum": (bool(learned_statistics), "trains beyond fixed_statistics"),
            "class_weight_offset": (by_labels, "target 'labels'"),
            "corruption": (not by_labels, "target 'features' or 'predictions'"),
            "start": (on_clips, "data.frames of at least 2"),
            "supervise": (on_clips or self.distillation is not None, "data.frames of at least 2"),
        }
        for name, (has_effect, what) in needs.items():
            if not has_effect and getattr(self, name) != _default(type(self), name):
                raise TrainingError(f"{where}: {name} has no effect but with {what}")
        if idle := [name for name in self.frozen if name.split(".")[0] not in self.trains]:
            raise TrainingError(
                f"{where}: frozen has no effect on {idle}: trains leaves them as is"
            )


@dataclass(frozen=True)
class ValidationConfig:
    """How a stage's best state is found: by mIoU, streamed as a robot would see the videos.

    Attributes:
        split: split of the data set. Frames that are to be reported do not belong here.
        every: optimizer steps from one validation to the next; the last step has one, too.
        frames: labelled frames scored at most, from the split's beginning; None: all.
    """

    split: str
    every: int
    frames: int | None = None

    def __post_init__(self) -> None:
        for name in ("every", "frames"):
            _check(f"validation: {name}", getattr(self, name), "at least 1", lambda v: v >= 1)


@dataclass(frozen=True)
class TrainingConfig:
    """A whole run.

    Attributes:
        model: the network; its class table is the data set's.
        stages: in order; each starts from the one before, or from another, see `StageConfig.after`.
        seed: of weights, samples and dropout.
        initial_weights: checkpoint, file or shipped name, that the first stage starts from, or
            'imagenet', if that is known for the backbone; None: random weights.
        class_weights: of the loss, one for each class; None: computed from the labels'
            frequencies, see `StageConfig.class_weight_offset`.
        validation: None: the last state of each stage is its result, otherwise the best.
        precision: 'bf16' computes in mixed precision, 'auto' where the device is faster so.
        workers: processes that prepare samples, for each training process; 0: none.
        save_every: optimizer steps after which the run can be resumed.
        work_size: (width, height) whose number of pixels the network is best run at, for its
            checkpoints to record; None: that of the training's images.
    """

    model: ModelConfig
    stages: tuple[StageConfig, ...]
    seed: int = 1
    initial_weights: str | None = None
    class_weights: tuple[float, ...] | None = None
    validation: ValidationConfig | None = None
    precision: str = "auto"
    workers: int = 2
    save_every: int = 100
    work_size: tuple[int, int] | None = None

    def __post_init__(self) -> None:
        _check_choice("precision", self.precision, PRECISIONS)
        _check("seed", self.seed, "not negative", lambda v: v >= 0)
        _check("workers", self.workers, "not negative", lambda v: v >= 0)
        _check("save_every", self.save_every, "at least 1", lambda v: v >= 1)
        names = [stage.name for stage in self.stages]
        if not names or len(set(names)) != len(names):
            raise TrainingError(f"stages must have names of their own, got {names}")
        for number, stage in enumerate(self.stages):
            if stage.after not in (None, INITIAL_WEIGHTS, *names[:number]):
                raise TrainingError(
                    f"stage '{stage.name}': after must be an earlier stage or '{INITIAL_WEIGHTS}', "
                    f"one of {[*names[:number], INITIAL_WEIGHTS]}, got '{stage.after}'"
                )
        if self.model.memory_size == 0 and any(
            s.data.frames > 1 and not s.temporal_consistency for s in self.stages
        ):
            raise TrainingError(
                "stages on clips need a memory, or temporal_consistency: model.memory_size must be "
                "positive"
            )
        for number, stage in enumerate(self.stages):
            is_first = stage.after == INITIAL_WEIGHTS or (number == 0 and stage.after is None)
            if is_first and self.initial_weights is None and stage.start != DEFAULT_START:
                raise TrainingError(
                    f"stage '{stage.name}': start '{stage.start}' needs an encoder that has "
                    "learned: give initial_weights, or a stage before it"
                )
        self._check_class_weights()

    def _check_class_weights(self) -> None:
        """Refuse weights, or a way to compute them, that no loss would have."""
        if self.class_weights is None:
            return
        weighted = [s for s in self.stages if s.class_weight_offset and s.target == "labels"]
        if not weighted:
            raise TrainingError(
                "class_weights have no effect: no stage learns labels with class_weight_offset"
            )
        for stage in weighted:
            if stage.class_weight_offset != _default(StageConfig, "class_weight_offset"):
                raise TrainingError(
                    f"stage '{stage.name}': class_weight_offset has no effect where class_weights "
                    "are given; null makes every pixel count the same"
                )


def read_settings(path: Path) -> dict[str, Any]:
    """The plain values of a configuration file, old keys renamed, for `parse_config`.

    Raises:
        TrainingError: it is not there or not YAML.
    """
    try:
        settings = _mapping(str(path), yaml.safe_load(path.read_text()))
    except (OSError, yaml.YAMLError) as error:
        raise TrainingError(f"{path} is not a readable YAML file: {error}") from None
    return dict(rename_old_keys(settings, str(path)))


def parse_config(settings: Mapping[str, Any]) -> TrainingConfig:
    """Check the plain values of a YAML file.

    The section `data` is what all stages learn from; `data` of a stage changes parts of it.

    Raises:
        TrainingError: a key is unknown or missing, or a value has the wrong type or range.
    """
    values = dict(settings)
    data = _mapping("data", values.pop("data", {}))
    model = _mapping("model", values.get("model"))
    if "memory_interval" in model and model.get("memory_policy") != "every_nth":
        raise TrainingError("model: memory_interval has no effect but with memory_policy every_nth")
    if "class_names" in model or "palette" in model:
        raise TrainingError("model: the class table is the data set's; leave out class_names")
    try:
        values["model"] = ModelConfig.from_dict(model)
    except ValueError as error:
        raise TrainingError(f"model: {error}") from None
    stages = values.get("stages")
    if not isinstance(stages, list):
        raise TrainingError(f"stages must be a list, got {stages!r}")
    values["stages"] = tuple(_parse_stage(stage, data) for stage in stages)
    config = _build(TrainingConfig, "the configuration", values)
    _check_data_settings(config, data, stages)
    return config


def _check_data_settings(
    config: TrainingConfig, data: Mapping[str, Any], stages: Sequence[Mapping[str, Any]]
) -> None:
    """Refuse settings of data that no clip would show: of all stages, or of one's own.

    Raises:
        TrainingError: there are some; it says which, and what they go with.
    """
    idle = [settings_without_effect(stage.data) for stage in config.stages]
    for name in data:
        if all(name in names for names in idle):
            raise TrainingError(f"data: {name} has no effect but with {idle[0][name]}")
    for stage, values, names in zip(config.stages, stages, idle, strict=True):
        for name in values.get("data", {}):
            if name in names:
                raise TrainingError(
                    f"stage '{stage.name}': data: {name} has no effect but with {names[name]}"
                )


def _parse_stage(values: Any, data: Mapping[str, Any]) -> StageConfig:
    values = dict(_mapping("a stage", values))
    where = f"stage '{values.get('name')}'"
    own = _mapping(f"{where}: data", values.get("data", {}))
    try:
        values["data"] = DataConfig.from_dict(merge(data, own))
    except ValueError as error:
        raise TrainingError(f"{where}: {error}") from None
    return _build(StageConfig, where, values)


def _build(kind: type[T], where: str, values: Any) -> T:
    try:
        return build(kind, values, where)
    except TrainingError:
        raise
    except ValueError as error:
        raise TrainingError(str(error)) from None


def _mapping(where: str, value: Any) -> Mapping[str, Any]:
    if not isinstance(value, Mapping):
        raise TrainingError(f"{where} must be a section of settings, got {value!r}")
    return value


def _check(name: str, value: Any, expected: str, is_right: Callable[[Any], bool]) -> None:
    if value is not None and not is_right(value):
        raise TrainingError(f"{name} must be {expected}, got {value}")


def _default(kind: type, name: str) -> Any:
    """Default of a dataclass's field."""
    field = next(field for field in fields(kind) if field.name == name)
    return field.default if field.default_factory is MISSING else field.default_factory()


def _check_scales(name: str, scales: tuple[float, ...]) -> None:
    if not scales or not all(0 < scale < math.inf for scale in scales):
        raise TrainingError(f"{name} must be positive factors, got {scales}")


def _check_choice(name: str, value: str, choices: tuple[str, ...]) -> None:
    if value not in choices:
        raise TrainingError(f"{name} must be one of {list(choices)}, got {value!r}")


def _check_subset(name: str, values: tuple[str, ...], choices: tuple[str, ...]) -> None:
    if not set(values) <= set(choices):
        raise TrainingError(f"{name} must be some of {list(choices)}, got {list(values)}")
