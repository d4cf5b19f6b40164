"""Training configurations: what is read, and what the user is told."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from lmanet_core.training.config import TrainingError, parse_config, read_settings

CONFIGS = sorted((Path(__file__).parents[3] / "training" / "configs").glob("*.yaml"))


@pytest.mark.parametrize("path", CONFIGS, ids=lambda path: path.stem)
def test_shipped_configurations_are_valid(path: Path) -> None:
    assert parse_config(read_settings(path)).stages


@pytest.mark.parametrize("path", [p for p in CONFIGS if p.stem.startswith("cityscapes")])
def test_cityscapes_has_the_paper_s_recipe(path: Path) -> None:
    config = parse_config(read_settings(path))
    lma1, lma2 = config.stages[-2:]
    assert (lma1.trains, lma2.trains) == (("memory",), ("memory", "decoder"))
    for stage in (lma1, lma2):
        assert (stage.optimizer, stage.learning_rate, stage.weight_decay) == ("adam", 2e-4, 1e-4)
        assert (stage.schedule, stage.supervise) == ("plateau", "last")
        assert stage.data.frames == 4, "three are remembered, as in the published repository"
        assert stage.data.augmentation is not None
        assert (stage.data.augmentation.flip, stage.data.augmentation.translate) == (True, 2)
    assert {stage.class_weight_offset for stage in config.stages} == {1.10}


def test_a_stage_changes_parts_of_the_data(settings: dict[str, Any]) -> None:
    settings["stages"][0]["data"] = {"augmentation": {"flip": False}}
    single, features, *_ = parse_config(settings).stages
    assert single.data.augmentation is not None
    assert (single.data.augmentation.crop_size, single.data.augmentation.flip) == ((32, 24), False)
    assert features.data.augmentation is not None
    assert (features.data.augmentation.flip, features.data.frames) == (True, 3)


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"stage": []}, "unknown settings \\['stage'\\]"),
        ({"stages": []}, "stages must have names of their own"),
        ({"seed": "one"}, "seed must be int, got 'one'"),
        ({"precision": "fp16"}, "precision must be one of .*got 'fp16'"),
        ({"validation": {"split": "val"}}, "validation: settings \\['every'\\] are missing"),
        ({"model": {"backbone": "erfnet", "memory_size": 0}}, "memory_size must be positive"),
        ({"model": {"class_names": ["a"]}}, "the class table is the data set's"),
    ],
)
def test_what_is_wrong_with_the_run_is_said(
    settings: dict[str, Any], changes: dict[str, Any], message: str
) -> None:
    with pytest.raises(TrainingError, match=message):
        parse_config({**settings, **changes})


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"lr": 1}, "stage 'single': unknown settings \\['lr'\\]"),
        ({"trains": ["head"]}, "stage 'single': trains must be some of .*got \\['head'\\]"),
        ({"trains": ["memory"]}, "data.frames must be at least 2"),
        ({"epochs": 3}, "give one of steps, epochs and hours"),
        ({"batch_size": 0}, "batch_size must be at least 1, got 0"),
        ({"after": "lma1"}, "after must be an earlier stage or .*, got 'lma1'"),
        ({"shortest_clip": 2}, "shortest_clip must be in 2..1, data.frames, got 2"),
        ({"batch_size": True}, "batch_size must be int, got True"),
        ({"learning_rate": "fast"}, "learning_rate must be float, got 'fast'"),
        ({"data": {"clip": 1}}, "stage 'single': data: unknown settings \\['clip'\\]"),
        ({"target": "features"}, "is for stages with trains: \\[memory\\]"),
        ({"teacher_scales": []}, "teacher_scales must be positive factors"),
        ({"teacher_scales": [0.0]}, "teacher_scales must be positive factors"),
        ({"teacher_scales": [1.0, 1.5]}, "teacher_scales go with target 'predictions'"),
    ],
)
def test_what_is_wrong_with_a_stage_is_said(
    settings: dict[str, Any], changes: dict[str, Any], message: str
) -> None:
    settings["stages"][0] |= changes
    with pytest.raises(TrainingError, match=message):
        parse_config(settings)


def test_a_file_that_is_no_configuration_is_named(tmp_path: Path) -> None:
    with pytest.raises(TrainingError, match=r"missing\.yaml is not a readable YAML file"):
        read_settings(tmp_path / "missing.yaml")
    (tmp_path / "list.yaml").write_text("- 1")
    with pytest.raises(TrainingError, match=r"list\.yaml must be a section of settings"):
        read_settings(tmp_path / "list.yaml")
