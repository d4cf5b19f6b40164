"""Normalisation statistics that follow a camera: a network adapted without labels or training.

Source: after Schneider et al., NeurIPS 2020, "Improving robustness against common corruptions by
covariate shift adaptation".
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from contextlib import ExitStack
from dataclasses import dataclass

import numpy as np
import torch
from torch import Tensor, nn
from torch.nn.modules.batchnorm import _BatchNorm

from lmanet_core.evaluation.consistency import TemporalConsistency
from lmanet_core.models import LMANet
from lmanet_core.network.resizing import resize_image
from lmanet_core.runtime import open_segmenter

CONFIDENCE_TO_LOSE, CONSISTENCY_TO_LOSE = 0.025, 0.02
"""What may be lost where much is gained: a network that follows a blurred or hazy camera is right
more often, and a little less sure and steady; one that loses more is wrong more often."""


@torch.no_grad()
def adapt_statistics(
    model: LMANet,
    images: Iterable[np.ndarray],
    share: float,
    work_size: tuple[int, int] | None = None,
) -> None:
    """Move the statistics of encoder and decoder towards those of a camera's images.

    Layer by layer: what a layer sees has gone through the layers before as they are by then. The
    memory stays as it is.

    Args:
        model: changed in place.
        images: (H, W, 3) uint8, RGB; the more of them, the better.
        share: A in 0..1, how far the statistics move: they become (1 - A) of what they were and A
            of the images'.
        work_size: (width, height), at as many pixels the network runs; None: at the images'.

    Raises:
        ValueError: the network has no such statistics.
    """
    parts = (model.encoder, model.decoder)
    norms = [module for part in parts for module in part.modules() if _follows(module)]
    if not norms:
        raise ValueError("the network has no batch normalisations whose statistics could follow")
    model.eval()
    with ExitStack() as hooks:
        for norm in norms:
            assert isinstance(norm, _BatchNorm)
            hooks.enter_context(norm.register_forward_pre_hook(_follow_inputs(norm, share)))
        for image in images:
            model.decoder(model.encoder(network_input(model, image, work_size)))


@dataclass(frozen=True)
class LabelFreeScore:
    """What can be said of labels without knowing what is true.

    Attributes:
        confidence: 0..1, mean confidence.
        temporal_consistency: 0..1, see `TemporalConsistency`; None where no two frames resemble
            each other.
    """

    confidence: float
    temporal_consistency: float | None

    def is_not_below(self, other: LabelFreeScore) -> bool:
        """Whether neither figure is lower by more than may be lost."""
        consistency_lost = (other.temporal_consistency or 0.0) - (self.temporal_consistency or 0.0)
        confidence_lost = other.confidence - self.confidence
        return confidence_lost <= CONFIDENCE_TO_LOSE and consistency_lost <= CONSISTENCY_TO_LOSE


def score_without_labels(
    model: LMANet,
    pairs: Sequence[tuple[np.ndarray, np.ndarray]],
    work_size: tuple[int, int] | None = None,
) -> LabelFreeScore:
    """Segment frames one by one, without memory, and say how sure and how steady that is.

    Args:
        model: stays as it is.
        pairs: of frames that follow each other, (H, W, 3) uint8, RGB.
        work_size: as `follow` takes it.
    """
    work_pixels = work_size and work_size[0] * work_size[1]
    segmenter = open_segmenter(model, memory_size=0, work_pixels=work_pixels)
    consistency = TemporalConsistency()
    confidences = []
    for pair in pairs:
        consistency.begin_video()
        for image in pair:
            result = segmenter.step(image)
            assert result.confidence is not None
            confidences.append(float(result.confidence.mean()) / 255)
            consistency.update(image, result.labels)
    return LabelFreeScore(float(np.mean(confidences)), consistency.ratio.value)


def network_input(model: LMANet, image: np.ndarray, work_size: tuple[int, int] | None) -> Tensor:
    """(1, 3, H, W), as the network sees the image when it runs."""
    pixels = work_size and work_size[0] * work_size[1]
    size = model.size_rule.fit((image.shape[1], image.shape[0]), pixels)
    resized = torch.from_numpy(resize_image(image, size)).permute(2, 0, 1)[None]
    return resized.float().div_(255).contiguous(memory_format=torch.channels_last)


def _follows(module: nn.Module) -> bool:
    return isinstance(module, _BatchNorm) and module.running_mean is not None


def _follow_inputs(norm: _BatchNorm, share: float) -> Callable[[nn.Module, tuple[Tensor]], None]:
    assert norm.running_mean is not None
    assert norm.running_var is not None
    mean, variance = norm.running_mean, norm.running_var
    own_mean, own_variance = mean.clone(), variance.clone()
    total_mean, total_variance = torch.zeros_like(mean), torch.zeros_like(mean)
    count = 0

    def hook(module: nn.Module, inputs: tuple[Tensor]) -> None:
        nonlocal count
        count += 1
        values = inputs[0].float()
        # Means and variances by themselves, as the source has it. How far apart the means are would
        # only add to the variance, and make the network unsure.
        total_mean.add_(values.mean((0, 2, 3)))
        total_variance.add_(values.var((0, 2, 3), correction=0))
        mean.copy_(torch.lerp(own_mean, total_mean / count, share))
        variance.copy_(torch.lerp(own_variance, total_variance / count, share))

    return hook
