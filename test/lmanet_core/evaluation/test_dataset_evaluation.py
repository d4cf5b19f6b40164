"""Scoring a network on a data set."""

from __future__ import annotations

import json
from dataclasses import asdict, replace
from pathlib import Path

import cv2
import numpy as np
import pytest
import torch
from cityscapesscripts.evaluation.evalPixelLevelSemanticLabeling import (
    args,
    evaluateImgLists,
    getPrediction,
)
from cityscapesscripts.helpers.labels import trainId2label

from lmanet_core import LMANet, ModelConfig, VideoSegmenter, build_model, open_segmenter
from lmanet_core.data.datasets import open_dataset
from lmanet_core.data.video import DatasetError
from lmanet_core.evaluation import SegmentedFrame, evaluate, score, segment
from lmanet_core.evaluation.picture_sheet import PictureSheet
from lmanet_core.models.surgery import with_window_size
from lmanet_core.network.classes import CAMVID, CITYSCAPES, ClassTable


def network(classes: ClassTable = CAMVID, memory_size: int = 2) -> LMANet:
    torch.manual_seed(0)
    return build_model(ModelConfig(classes=classes, memory_size=memory_size, window_size=3)).eval()


def segmenter(model: LMANet, memory_size: int | None = None) -> VideoSegmenter:
    return open_segmenter(model, memory_size=memory_size, precision="fp32", device="cpu")


def test_miou_agrees_with_the_official_cityscapes_evaluation(
    cityscapes: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    dataset = open_dataset("cityscapes", cityscapes, "val")
    random = np.random.default_rng(0)
    frames = []
    for video in dataset.videos:
        true = video.labels(19)
        assert true is not None
        drawn = random.integers(19, size=true.shape, dtype=np.uint8)
        predicted = np.where((random.random(true.shape) < 0.6) & (true < 255), true, drawn)
        frames.append(SegmentedFrame(video.name, 19, video.image(19), predicted, true))
        ids = np.array([trainId2label[label].id for label in range(19)], np.uint8)[predicted]
        cv2.imwrite(str(tmp_path / f"{video.name}_pred_labelIds.png"), ids)
    evaluation = score(frames, dataset.classes)

    settings = {
        "predictionPath": str(tmp_path),
        "predictionWalk": [(str(tmp_path), [file.name for file in tmp_path.glob("*.png")])],
        "evalInstLevelScore": False,
        "JSONOutput": False,
        "quiet": True,
    }
    for name, value in settings.items():
        monkeypatch.setattr(args, name, value)
    truth = sorted(str(file) for file in cityscapes.glob("gtFine/val/*/*_labelIds.png"))
    predictions = [getPrediction(args, file) for file in truth]
    result = evaluateImgLists(predictions, truth, args)
    assert evaluation.miou == pytest.approx(result["averageScoreClasses"], abs=1e-6)
    for name, iou in evaluation.iou.items():
        assert iou == pytest.approx(result["classScores"][name], abs=1e-6)
    assert evaluation.frames == 2


def test_every_video_is_streamed_from_an_empty_memory(camvid: Path) -> None:
    dataset = open_dataset("camvid", camvid, "train")
    model = network()
    frames = list(segment(segmenter(model), dataset))
    assert len(frames) == 11
    alone = segmenter(model, memory_size=0)
    for frame in frames:
        single = alone.step(frame.image, confidence=False).labels
        assert np.array_equal(frame.predicted, single) == (frame.index == 0)


def test_camvid_is_scored_on_every_frame(camvid: Path) -> None:
    dataset = open_dataset("camvid", camvid, "val")
    watched = []
    evaluation = evaluate(segmenter(network()), dataset, watched.append)
    assert evaluation.frames == len(watched) == 18
    assert list(evaluation.iou) == list(CAMVID.names)
    for figure in (evaluation.miou, evaluation.temporal_consistency):
        assert figure is not None
        assert 0 <= figure <= 1
    # Random labels stay the same over eight frames nowhere.
    assert evaluation.vc16 is None


def test_cityscapes_is_streamed_up_to_its_labelled_frame(cityscapes: Path) -> None:
    dataset = open_dataset("cityscapes", cityscapes, "val")
    watched = []
    evaluation = evaluate(segmenter(network(CITYSCAPES)), dataset, watched.append)
    assert [frame.index for frame in watched] == [*range(20), *range(20)]
    assert evaluation.frames == 2
    assert evaluation.vc8 is None


def test_labels_are_scored_at_the_size_of_the_data_set(camvid: Path) -> None:
    small = open_segmenter(
        network(), memory_size=0, precision="fp32", device="cpu", work_size=(32, 16)
    )
    frames = list(segment(small, open_dataset("camvid", camvid, "val")))
    assert frames[0].predicted.shape == frames[0].image.shape[:2] == (32, 64)


def test_labels_that_do_not_fit_their_image_are_refused(camvid: Path) -> None:
    dataset = open_dataset("camvid", camvid, "val")
    (frame, *_) = segment(segmenter(network()), dataset)
    assert frame.true is not None
    small = replace(frame, true=frame.true[::2, ::2])
    with pytest.raises(ValueError, match="do not fit what was predicted"):
        score([small], dataset.classes)


def test_without_labels_there_is_nothing_to_score(cityscapes: Path) -> None:
    dataset = open_dataset("cityscapes", cityscapes, "test")
    with pytest.raises(DatasetError, match="nothing to score"):
        evaluate(segmenter(network(CITYSCAPES)), dataset)


def test_another_window_changes_what_is_read_and_no_weight() -> None:
    model = network()
    clip = torch.rand(1, 2, 3, 64, 64)
    with torch.inference_mode():
        before = model(clip)
        for size in (9, None):
            changed = with_window_size(model, size)
            assert changed.config == replace(model.config, window_size=size)
            assert not torch.allclose(changed(clip), before)
        assert torch.equal(with_window_size(model, 3)(clip), before)
        assert torch.equal(model(clip), before)


@pytest.mark.parametrize(
    ("memory_size", "window_size", "complaint"),
    [(0, 3, "no attention window to change"), (2, 4, "must be odd, got 4")],
)
def test_an_impossible_window_is_refused(
    memory_size: int, window_size: int, complaint: str
) -> None:
    with pytest.raises(ValueError, match=complaint):
        with_window_size(network(memory_size=memory_size), window_size)


def test_a_sheet_shows_frames_from_all_parts(camvid: Path, tmp_path: Path) -> None:
    dataset = open_dataset("camvid", camvid, "val")
    sheet = PictureSheet(len(dataset.labelled_frames), dataset.classes)
    evaluate(segmenter(network(), 0), dataset, sheet.add)
    file = tmp_path / "sheets" / "sheet.png"
    sheet.save(file)
    height, width, _ = cv2.imread(str(file)).shape
    # Four panels of twice their height, five rows.
    assert width > 4 * 480
    assert height > 5 * 240


def test_figures_are_ready_for_json(camvid: Path) -> None:
    evaluation = evaluate(segmenter(network(), 0), open_dataset("camvid", camvid, "val"))
    assert "NaN" not in json.dumps(asdict(evaluation))
