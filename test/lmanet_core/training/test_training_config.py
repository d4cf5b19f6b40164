"""Training configurations: what is read, and what the user is told."""

from __future__ import annotations

from argparse import Namespace
from pathlib import Path
from typing import Any

import pytest
import yaml

from lmanet_core.models import build_model
from lmanet_core.training.config_overrides import overridden
from lmanet_core.training.training_config import TrainingError, parse_config, read_settings

CONFIGS = sorted((Path(__file__).parents[3] / "training" / "configs").glob("*.yaml"))


@pytest.mark.parametrize("path", CONFIGS, ids=lambda path: path.stem)
def test_shipped_configurations_are_valid(path: Path) -> None:
    assert parse_config(read_settings(path)).stages


def test_the_larger_street_has_the_recipe_of_the_shipped_one() -> None:
    street, large = (
        read_settings(next(path for path in CONFIGS if path.stem == name))
        for name in ("street", "street_large")
    )
    assert build_model(parse_config(large).model).config.backbone == "efficientnet_lite2"
    changed = {"model": street["model"], "seed": street["seed"], "workers": street["workers"]}
    assert large | changed == street


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
        ({"model": {"memory_interval": 3}}, "memory_interval has no effect but with memory_policy"),
        (
            {"model": {"key_form": "located", "window_size": 65}},
            "model: window_size must be at most 63",
        ),
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
        ({"patience": 3}, "patience has no effect but with schedule 'plateau'"),
        ({"frozen": ["memory.heads"]}, "frozen has no effect on \\['memory.heads'\\]"),
        (
            {"fixed_statistics": ["encoder", "decoder"], "batch_norm_momentum": 0.01},
            "batch_norm_momentum has no effect but with trains beyond fixed_statistics",
        ),
        ({"corruption": {"noise": 9}}, "corruption has no effect but with target 'features' or"),
        ({"start": "average"}, "start has no effect but with data.frames of at least 2"),
        ({"supervise": "all"}, "supervise has no effect but with data.frames of at least 2"),
        ({"trains": ["decoder"], "encoder_learning_rate": 1e-4}, "but with 'encoder' in trains"),
        ({"data": {"max_stride": 3}}, "data: max_stride has no effect but with frames of at"),
        ({"data": {"motion": {"noise": 9}}}, "data: motion has no effect but with clips 'pseudo'"),
        ({"data": {"street": {"noise": 9}}}, "data: street has no effect but with clips 'street'"),
        ({"data": {"labels": "mine"}}, "data: labels has no effect but with 'cityscapes' or"),
        ({"data": {"share": 0.5}}, "data: share has no effect but with data sets in also"),
        (
            {"data": {"label_mapping": {"car": ["car"]}}},
            "data: label_mapping has no effect but with data",
        ),
        (
            {"data": {"also": [{"share": 0.5, "motion": {"noise": 9}}]}},
            "data.also: motion has no effect but with clips 'pseudo'",
        ),
    ],
)
def test_what_is_wrong_with_a_stage_is_said(
    settings: dict[str, Any], changes: dict[str, Any], message: str
) -> None:
    settings["stages"][0] |= changes
    with pytest.raises(TrainingError, match=message):
        parse_config(settings)


def test_data_settings_that_no_stage_has_a_use_for_are_refused(settings: dict[str, Any]) -> None:
    settings["data"]["max_stride"] = 2
    parse_config(settings)
    settings["stages"] = settings["stages"][:1]
    with pytest.raises(TrainingError, match="data: max_stride has no effect but with frames of at"):
        parse_config(settings)


def test_class_weights_that_no_loss_has_are_refused(settings: dict[str, Any]) -> None:
    settings["class_weights"] = [1.0] * 11
    parse_config(settings)
    settings["stages"][2]["class_weight_offset"] = 1.03
    with pytest.raises(TrainingError, match="'lma1': class_weight_offset has no effect where"):
        parse_config(settings)
    for stage in settings["stages"]:
        stage["class_weight_offset"] = None
    settings["stages"] = [s for s in settings["stages"] if s.get("target") is None]
    with pytest.raises(TrainingError, match="class_weights have no effect: no stage learns"):
        parse_config(settings)


@pytest.mark.parametrize("start", ["average", "components"])
def test_a_start_from_features_needs_an_encoder_that_has_learned(
    settings: dict[str, Any], start: str
) -> None:
    settings["stages"] = [settings["stages"][2] | {"start": start}]
    with pytest.raises(TrainingError, match=f"start '{start}' needs an encoder"):
        parse_config(settings)
    parse_config({**settings, "initial_weights": "imagenet"})


def test_a_file_that_is_no_configuration_is_named(tmp_path: Path) -> None:
    with pytest.raises(TrainingError, match=r"missing\.yaml is not a readable YAML file"):
        read_settings(tmp_path / "missing.yaml")
    (tmp_path / "list.yaml").write_text("- 1")
    with pytest.raises(TrainingError, match=r"list\.yaml must be a section of settings"):
        read_settings(tmp_path / "list.yaml")


def test_the_configuration_of_an_old_run_is_read_and_its_old_keys_are_named(
    settings: dict[str, Any], tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    stage = settings["stages"][0]
    stage |= {"supervise": "all", "teaching": {"weight": 2.0}, "weight_average": 0.99}
    stage["data"] = {"worse_copy": {"noise": 60}}
    settings["stages"][2]["start"] = "twins"
    file = tmp_path / "config.yaml"
    file.write_text(yaml.safe_dump(settings))
    arguments = Namespace(steps=None, hours=None, set=["data.any_frame={chance: 0.5}"])
    config = parse_config(overridden(read_settings(file), arguments))
    single = config.stages[0]
    assert single.distillation is not None
    assert single.data.corrupted_copy is not None
    assert single.data.corrupt_any_frame is not None
    assert (single.distillation.weight, single.data.corrupted_copy.noise) == (2, 60)
    assert (single.ema_decay, single.data.corrupt_any_frame.chance) == (0.99, 0.5)
    assert config.stages[2].start == "shared"
    of_file, of_option = capsys.readouterr().err.splitlines()
    assert of_file.startswith(f"{file}: old settings, please rename: ")
    assert "worse_copy is now corrupted_copy" in of_file
    assert "teaching is now distillation" in of_file
    assert of_option.endswith("please rename: any_frame is now corrupt_any_frame")
