"""The loss on labels that may be groups of classes."""

import math

import pytest
import torch
from torch.nn import functional

from lmanet_core.training.loss import (
    LabelLoss,
    consistency_loss,
    feature_loss,
    prediction_loss,
)


def test_a_group_costs_what_the_sum_of_its_classes_probabilities_says() -> None:
    torch.manual_seed(0)
    logits = torch.randn(2, 4, 3, 5)
    labels = torch.randint(0, 4, (2, 3, 5))
    labels[0, 0] = 4
    labels[1, 1] = 5
    labels[1, 2] = 255
    weights = torch.tensor([1.0, 2.0, 3.0, 4.0])
    loss = LabelLoss(weights, ((0, 2), (1, 3)))(logits, labels)

    probabilities = logits.softmax(1)
    probabilities = torch.cat(
        [
            probabilities,
            probabilities[:, [0, 2]].sum(1, keepdim=True),
            probabilities[:, [1, 3]].sum(1, keepdim=True),
        ],
        dim=1,
    )
    weight = torch.tensor([1.0, 2.0, 3.0, 4.0, 2.0, 3.0])
    seen = labels != 255
    chosen = probabilities.movedim(1, -1)[seen]
    true = labels[seen]
    costs = -chosen[range(len(true)), true].log() * weight[true]
    assert torch.allclose(loss, costs.sum() / weight[true].sum())


def test_without_groups_it_is_the_weighted_cross_entropy() -> None:
    torch.manual_seed(0)
    logits, labels = torch.randn(1, 3, 4, 4), torch.randint(0, 3, (1, 4, 4))
    weights = torch.tensor([1.0, 0.5, 2.0])
    expected = functional.cross_entropy(logits, labels, weights)
    assert torch.allclose(LabelLoss(weights)(logits, labels), expected)


def test_predictions_cost_what_they_diverge_from_the_target_per_pixel() -> None:
    target = torch.zeros(2, 4, 3, 3)
    target[:, 0] = 1
    assert prediction_loss(torch.zeros(2, 4, 3, 3), target).item() == pytest.approx(math.log(4))


def test_predictions_that_have_nothing_in_common_are_as_inconsistent_as_can_be() -> None:
    logits = torch.zeros(2, 4, 3, 3)
    logits[:, 0] = 100
    assert consistency_loss(logits, logits.roll(1, 1)).item() == pytest.approx(math.log(2))
    assert consistency_loss(logits, logits).item() == pytest.approx(0)


def test_features_count_alike_whatever_their_spread() -> None:
    torch.manual_seed(0)
    target = torch.randn(2, 2, 8, 8)
    wrong = target + 0.5
    scale = torch.tensor([1.0, 100.0])[:, None, None]
    loss = feature_loss(wrong, target).item()
    assert loss == pytest.approx(0.25, rel=0.2)
    assert feature_loss(scale * wrong, scale * target).item() == pytest.approx(loss, rel=1e-3)
