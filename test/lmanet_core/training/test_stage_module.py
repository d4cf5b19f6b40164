"""What a stage lets learn, and from which batches."""

from __future__ import annotations

import re
from dataclasses import replace
from typing import Any

import pytest
import torch
from torch import Tensor

from lmanet_core import LMANet, ModelConfig, build_model
from lmanet_core.data.corruption import CorruptionConfig
from lmanet_core.data.data_config import DataConfig
from lmanet_core.training.clip_corruption import corrupt_clips
from lmanet_core.training.data_module import PartBatches
from lmanet_core.training.old_keys import NEW_KEYS
from lmanet_core.training.stage_module import SHAPES, StageModule
from lmanet_core.training.training_config import DistillationConfig, StageConfig, TrainingError

STAGE = StageConfig(
    name="one",
    trains=("memory", "decoder"),
    data=DataConfig("synthetic", clips="street", frames=2),
    batch_size=4,
    steps=1,
    dropout=False,
    fixed_statistics=("decoder",),
)
RESTORING = replace(STAGE, trains=("memory",), fixed_statistics=(), target="predictions")


def module_for(stage: StageConfig, **settings: Any) -> StageModule:
    torch.manual_seed(0)
    model = build_model(replace(ModelConfig(), memory_size=2, window_size=3, **settings))
    return StageModule(model, stage, torch.ones(19), 1, 1, 0)


def test_only_what_a_stage_trains_is_in_training_mode() -> None:
    module = module_for(STAGE)
    for _ in range(2):
        modes = {name: part.training for name, part in module.model.named_modules()}
        assert not any(mode for name, mode in modes.items() if name.startswith("encoder"))
        assert modes["memory.fusion.bn"]
        assert not modes["memory.fusion.dropout"]
        assert not modes["decoder.layers.0.bn"]
        learning = {
            name.split(".")[0]
            for name, parameter in module.model.named_parameters()
            if parameter.requires_grad
        }
        assert learning == {"memory", "decoder"}
        # As after a validation.
        module.eval()
        module.train()


@pytest.mark.parametrize("target", ["features", "predictions"])
def test_a_memory_that_changes_nothing_is_wrong_about_degraded_frames(target: str) -> None:
    images = torch.randint(256, (1, 3, 3, 32, 32), dtype=torch.uint8)
    # A mirror image of itself, so that the network says nearly the same of both.
    images = torch.cat([images, images.flip(4)], dim=4)
    losses = {}
    for chance in (0.0, 1.0):
        corruption = CorruptionConfig(chance, cover=0.9)
        stage = replace(RESTORING, target=target, corruption=corruption)
        module = module_for(stage, backbone="efficientnet_lite0", fusion="residual")
        # Random weights are not sure of anything.
        module.model.decoder.classifier.weight.data *= 1e4
        loss = module.loss(images, torch.zeros(1, 3, 32, 64, dtype=torch.uint8))
        loss.backward()
        learning = {name for name, p in module.named_parameters() if p.grad is not None}
        assert learning
        assert all(name.startswith("model.memory.") for name in learning)
        losses[chance] = loss.item()
    assert losses[0.0] < losses[1.0]
    if target == "features":
        assert losses[0.0] == pytest.approx(0)


def test_a_teacher_that_sees_enlarged_frames_says_something_else() -> None:
    images = torch.randint(256, (1, 2, 3, 32, 64), dtype=torch.uint8)
    losses = {}
    for scale in (1.0, 2.0):
        stage = replace(RESTORING, teacher_scales=(scale,), corruption=CorruptionConfig(0.0))
        module = module_for(stage, backbone="efficientnet_lite0", fusion="residual")
        module.model.decoder.classifier.weight.data *= 1e4
        losses[scale] = module.loss(images, torch.zeros(1, 2, 32, 64, dtype=torch.uint8)).item()
    assert losses[2.0] > 1.5 * losses[1.0]


def teaching_module(distillation: DistillationConfig) -> StageModule:
    data = DataConfig("synthetic", clips="street", corrupted_copy=CorruptionConfig())
    parts = ("encoder", "decoder")
    stage = replace(
        STAGE,
        trains=parts,
        data=data,
        fixed_statistics=parts,
        supervise="all",
        distillation=distillation,
    )
    torch.manual_seed(0)
    model = build_model(replace(ModelConfig(), backbone="efficientnet_lite0", memory_size=0))
    model.decoder.classifier.weight.data *= 1e4
    return StageModule(model, stage, torch.ones(19), 1, 1, 0)


def test_a_network_is_taught_by_itself_as_it_was_to_say_of_worse_copies_what_it_said() -> None:
    frames = torch.randint(256, (2, 1, 3, 32, 64), dtype=torch.uint8)
    no_labels = torch.full((2, 2, 32, 64), 255, dtype=torch.uint8)
    equal, worse = (torch.cat([frames, other], dim=1) for other in (frames, frames // 8))
    module = teaching_module(DistillationConfig(weight=1.0, consistency=1.0))
    teacher = {name: tensor.clone() for name, tensor in module.teacher.state_dict().items()}
    assert module.loss(equal, no_labels).item() == pytest.approx(0, abs=1e-4)
    optimizer = torch.optim.SGD([p for p in module.parameters() if p.requires_grad], 1e-9)
    losses = []
    for _ in range(4):
        optimizer.zero_grad()
        loss = module.loss(worse, no_labels)
        loss.backward()
        optimizer.step()
        losses.append(loss.item())
    assert losses[-1] < losses[0]
    for name, tensor in module.teacher.state_dict().items():
        torch.testing.assert_close(tensor, teacher[name], rtol=0, atol=0)


def test_the_teacher_s_weight_and_consistency_are_two_losses() -> None:
    images = torch.randint(256, (1, 2, 3, 32, 64), dtype=torch.uint8)
    no_labels = torch.full((1, 2, 32, 64), 255, dtype=torch.uint8)
    by_teacher, alike, both, half = (
        teaching_module(distillation).loss(images, no_labels).item()
        for distillation in (
            DistillationConfig(weight=2.0),
            DistillationConfig(weight=0.0, consistency=3.0),
            DistillationConfig(weight=2.0, consistency=3.0),
            DistillationConfig(weight=1.0, consistency=1.5),
        )
    )
    assert by_teacher > 0 < alike
    assert half == pytest.approx(both / 2, rel=1e-4)
    assert both == pytest.approx(by_teacher + alike, rel=1e-4)


def test_teaching_goes_with_worse_copies() -> None:
    with pytest.raises(TrainingError, match=r"distillation and data\.corrupted_copy go"):
        replace(STAGE, distillation=DistillationConfig())


def test_a_stage_that_was_begun_before_settings_were_renamed_goes_on() -> None:
    module = teaching_module(DistillationConfig())
    checkpoint: dict[str, Any] = {}
    module.on_save_checkpoint(checkpoint)
    before = {new: old for old, new in NEW_KEYS.items()}
    before |= {"DistillationConfig": "TeachingConfig", "CorruptionConfig": "WorseningConfig"}

    def in_old_words(text: str) -> str:
        return re.sub(r"\w+", lambda word: before.get(word[0], word[0]), text)

    settings = {in_old_words(key): in_old_words(v) for key, v in checkpoint["settings"].items()}
    assert "teaching" in settings
    assert "worse_copy=WorseningConfig(" in settings["data"]
    module.on_load_checkpoint(checkpoint | {"settings": settings})
    with pytest.raises(TrainingError, match="was begun with other settings: batch_size 9, now"):
        module.on_load_checkpoint(checkpoint | {"settings": settings | {"batch_size": "9"}})


def test_what_a_teacher_says_is_not_rounded_in_mixed_precision() -> None:
    """Mean of four rounded shares would add up to something else than 1."""
    module = module_for(
        replace(RESTORING, teacher_scales=(1.0, 2.0)), backbone="efficientnet_lite0"
    )
    images = torch.rand(1, 3, 32, 64)
    with torch.autocast("cpu", torch.bfloat16):
        shares = module._teach(images)
    torch.testing.assert_close(shares.sum(1), torch.ones(1, 32, 64), rtol=0, atol=1e-5)


def test_correspondence_counts_by_its_weight() -> None:
    images = torch.randint(256, (1, 2, 3, 64, 64), dtype=torch.uint8)
    labels = torch.zeros(1, 2, 64, 64, dtype=torch.uint8)
    losses = []
    for weight in (0.0, 0.5, 2.0):
        stage = replace(STAGE, correspondence=weight, fixed_statistics=("memory", "decoder"))
        losses.append(module_for(stage).loss(images, labels).item())
    alone, half, double = losses
    assert half - alone > 0.01
    assert double - alone == pytest.approx(4 * (half - alone), rel=1e-3)


@pytest.mark.parametrize("supervise", ["all", "last"])
def test_accumulated_parts_have_the_gradient_of_the_whole_batch(supervise: str) -> None:
    module = module_for(replace(STAGE, supervise=supervise, fixed_statistics=("memory", "decoder")))
    images = torch.randint(256, (4, 2, 3, 16, 16), dtype=torch.uint8)
    labels = torch.randint(19, (4, 2, 16, 16))
    whole = gradients(module, [(images, labels)])
    parts = gradients(module, zip(images.chunk(2), labels.chunk(2), strict=True))
    for one, other in zip(whole, parts, strict=True):
        torch.testing.assert_close(one, other / 2, rtol=1e-3, atol=1e-5)


def gradients(module: StageModule, parts: Any) -> list[Tensor]:
    module.zero_grad()
    for images, labels in parts:
        module.loss(images, labels).backward()
    return [p.grad.clone() for p in module.model.parameters() if p.grad is not None]


def test_clips_without_a_label_give_no_loss_rather_than_nan() -> None:
    module = module_for(STAGE)
    loss = module.loss(
        torch.zeros(1, 2, 3, 16, 16, dtype=torch.uint8),
        torch.full((1, 2, 16, 16), 255, dtype=torch.uint8),
    )
    assert loss.item() == 0


def test_every_sample_of_a_step_is_seen_once_however_the_batch_is_divided() -> None:
    for parts, world in ((1, 1), (2, 1), (1, 4), (2, 2)):
        batches = [list(PartBatches(3, 8, parts, rank, world)) for rank in range(world)]
        for step in range(3):
            own = slice(step * parts, (step + 1) * parts)
            seen = sorted(n for rank in batches for part in rank[own] for n in part)
            assert seen == list(range(8 * step, 8 * step + 8))
    later = list(PartBatches(3, 8, 2, first_step=2))
    assert later == list(PartBatches(3, 8, 2))[4:]


def test_a_batch_that_cannot_be_divided_is_refused() -> None:
    with pytest.raises(TrainingError, match="a multiple of 2 processes x 3 parts"):
        PartBatches(1, 8, 3, 0, 2)


def test_the_learning_rate_falls_when_the_loss_of_an_epoch_does_not() -> None:
    torch.manual_seed(0)
    model: LMANet = build_model(replace(ModelConfig(), memory_size=2, window_size=3))
    stage = replace(STAGE, patience=1, learning_rate=1e-3)
    module = StageModule(model, stage, torch.ones(19), 8, 2, 0)
    schedule = module.configure_optimizers()["lr_scheduler"]["scheduler"]
    for loss in (1.0, 1.0, 1.0):
        schedule.step(loss)
    assert schedule.get_last_lr() == pytest.approx([0.8e-3] * 2)


def test_an_average_of_weights_soon_follows_and_later_hardly_moves() -> None:
    module = module_for(replace(STAGE, ema_decay=0.5))
    weight = module.model.decoder.output_conv.bias
    assert weight is not None
    averages = []
    for value in [0.0, 1.0, *[0.0] * 20, 1.0]:
        torch.nn.init.constant_(weight, value)
        assert module.average is not None
        module.average.update_parameters(module.model)
        averages.append(module.result.decoder.output_conv.bias.mean().item())
    assert averages[1] == pytest.approx(9 / 11)
    assert averages[-1] == pytest.approx(0.5, abs=1e-3)


def test_an_average_has_the_statistics_that_go_with_its_weights() -> None:
    module = module_for(replace(STAGE, ema_decay=0.5))
    assert module.average is not None
    for value in (0.0, 2.0):
        module.model.memory.fusion.bn.running_mean.fill_(value)
        module.average.update_parameters(module.model)
    assert module.result.memory.fusion.bn.running_mean.mean().item() == pytest.approx(2 * 9 / 11)


def test_what_is_frozen_stays_as_it_is() -> None:
    module = module_for(replace(STAGE, frozen=("memory.fusion",)))
    for _ in range(2):
        fusion = module.model.memory.fusion
        assert not any(p.requires_grad for p in fusion.parameters())
        assert not any(part.training for part in fusion.modules())
        assert module.model.memory.heads.weight.requires_grad
        module.eval()
        module.train()


def test_frames_are_degraded_anew_each_time_and_without_a_chance_not_at_all() -> None:
    clips = torch.randint(256, (2, 2, 3, 16, 24), dtype=torch.uint8)
    one, other = (corrupt_clips(clips, CorruptionConfig(1.0)) for _ in range(2))
    assert (one != other).any()
    assert torch.equal(corrupt_clips(clips, CorruptionConfig(0.0)), clips)


def test_learning_rates_rise_and_fall_as_their_schedule_has_it() -> None:
    one_cycle = SHAPES["one_cycle"]
    assert [one_cycle(at) for at in (0.0, 0.1, 0.55, 1.0)] == pytest.approx([0.04, 1, 0.5, 0])
    assert 0.04 < one_cycle(0.05) < 1
    assert SHAPES["polynomial"](0.5) == pytest.approx(0.5**0.9)
    assert SHAPES["constant"](0.9) == 1


def test_the_encoder_may_have_a_learning_rate_of_its_own() -> None:
    stage = replace(STAGE, trains=("encoder", "decoder"), encoder_learning_rate=1e-5)
    groups = module_for(stage).configure_optimizers()["optimizer"].param_groups
    assert [group["lr"] for group in groups] == [1e-5, 2e-4]


def test_weights_decay_as_asked_for() -> None:
    module = module_for(replace(STAGE, weight_decay=0.02))
    groups = module.configure_optimizers()["optimizer"].param_groups
    assert {group["weight_decay"] for group in groups} == {0.02}


def test_statistics_that_learn_have_the_momentum_asked_for() -> None:
    module = module_for(replace(STAGE, batch_norm_momentum=0.03))
    assert module.model.memory is not None
    assert module.model.memory.fusion.bn.momentum == 0.03


def test_only_the_last_frame_counts_where_no_others_are_supervised() -> None:
    images = torch.randint(256, (1, 2, 3, 16, 16), dtype=torch.uint8)
    labels = torch.full((1, 2, 16, 16), 255, dtype=torch.uint8)
    labels[:, 0] = 3
    module = module_for(STAGE)
    assert module.loss(images, labels).item() == 0
    assert module.loss(images, labels.flip(1)).item() > 1


def test_clips_of_all_lengths_are_drawn() -> None:
    data = replace(STAGE.data, frames=4)
    module = module_for(replace(STAGE, data=data, shortest_clip=2))
    assert {module._clip_length(step) for step in range(60)} == {2, 3, 4}
    # A frame and its corrupted copy.
    assert teaching_module(DistillationConfig())._clip_length(0) == 2
