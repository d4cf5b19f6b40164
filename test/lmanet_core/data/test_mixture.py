"""Several data sets in one training: shares, and classes of one as classes of another."""

from pathlib import Path

import numpy as np
import pytest

from lmanet_core.data.clips import Clip
from lmanet_core.data.data_config import DataConfig, open_clips
from lmanet_core.data.label_mapping import (
    CAMVID_IN_CITYSCAPES,
    coarse_labels,
    known_label_mapping,
    read_label_mapping,
    training_labels,
)
from lmanet_core.data.mixture import MixedClips, Part
from lmanet_core.data.samples import TrainingSamples
from lmanet_core.network.classes import CAMVID, CITYSCAPES

STREET = {"streets": 4, "clips_per_street": 2, "size": [64, 32]}


def mixed(camvid: Path, **camvids: object) -> DataConfig:
    return DataConfig.from_dict(
        {
            "dataset": "synthetic",
            "clips": "street",
            "street": STREET,
            "augmentation": {"crop_size": [32, 16]},
            "also": [
                {
                    "dataset": "camvid",
                    "root": str(camvid),
                    "clips": "neighbours",
                    "share": 0.75,
                    **camvids,
                }
            ],
        }
    )


def test_clips_come_by_their_shares_with_labels_of_the_first_data_set(camvid: Path) -> None:
    config = mixed(camvid)
    # What a data set in `also` does not say is as the first one has it.
    assert config.also[0].augmentation == config.augmentation
    source = open_clips(config)
    assert source.classes == CITYSCAPES
    cars = tuple(CITYSCAPES.names.index(name) for name in ("car", "truck", "bus", "train"))
    assert cars in source.groups
    samples = TrainingSamples(source, seed=3, length=60)
    labels = [samples[number][1] for number in range(60)]
    largest = [int(frame[frame < 255].max()) if (frame < 255).any() else 0 for frame in labels]
    # CamVid's groups have labels beyond the 19 classes; streets have none.
    assert 25 <= sum(label >= len(CITYSCAPES) for label in largest) <= 55
    assert max(largest) < len(CITYSCAPES) + len(source.groups)
    assert (samples[7][1] == labels[7]).all(), "sample n depends on n alone"


def test_own_meanings_are_taken_and_what_is_not_mentioned_is_ignored(camvid: Path) -> None:
    source = open_clips(mixed(camvid, label_mapping={"sky": ["sky"], "car": ["car", "truck"]}))
    assert source.groups == ((13, 14),)
    seen = {
        int(label)
        for number in range(40)
        for label in np.unique(TrainingSamples(source, 3, 40)[number][1])
    }
    assert {10, 19, 255} <= seen


class Counted:
    """Clips that tell their number."""

    classes, groups = CITYSCAPES, ()

    def __init__(self, shuffle: bool) -> None:
        self.shuffle = shuffle

    def __len__(self) -> int:
        return 10

    def clip(self, index: int, random: np.random.Generator) -> Clip:
        labels = np.full((1, 2, 2), index, np.uint8)
        return Clip(np.full((1, 2, 2, 3), int(self.shuffle), np.uint8), labels)


def test_in_an_epoch_all_clips_have_their_turn_in_order_or_at_random() -> None:
    mixed_clips = MixedClips([Part(Counted(False), 0.25), Part(Counted(True), 0.75)])
    assert len(mixed_clips) == 40
    random = np.random.default_rng(0)
    drawn: dict[int, list[int]] = {0: [], 1: []}
    for index in range(40):
        images, labels = mixed_clips.clip(index, random)
        drawn[int(images.max())].append(int(labels.max()))
    assert drawn[0] == sorted(drawn[0])
    assert len(set(drawn[0])) > 4
    assert drawn[1] != sorted(drawn[1])
    assert len(set(drawn[1])) > 7


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"label_mapping": {"cat": ["car"]}}, "no such classes"),
        ({"label_mapping": {"car": ["lorry"]}}, "'car' must be some of"),
        ({"share": 1.0}, "shares of the data sets"),
    ],
)
def test_bad_mixtures_are_explained(camvid: Path, changes: dict, message: str) -> None:
    with pytest.raises(ValueError, match=message):
        open_clips(mixed(camvid, **changes))


def test_predictions_are_scored_in_the_coarser_classes(tmp_path: Path) -> None:
    lookup = coarse_labels(CAMVID, CITYSCAPES, known_label_mapping(CAMVID, CITYSCAPES))
    names = {c: CAMVID.names[lookup[label]] for label, c in enumerate(CITYSCAPES.names)}
    assert (names["truck"], names["rider"], names["terrain"]) == ("car", "bicyclist", "tree")
    file = tmp_path / "label_mapping.yaml"
    file.write_text("car: [car, truck]\nsky: sky\n")
    own = coarse_labels(CAMVID, CITYSCAPES, read_label_mapping(file))
    assert set(np.flatnonzero(own != 255)) == {10, 13, 14}
    file.write_text("just a text")
    with pytest.raises(
        ValueError, match=r"label_mapping.yaml: expected a YAML file with lines such as"
    ):
        read_label_mapping(file)
    with pytest.raises(ValueError, match="nothing is known"):
        known_label_mapping(CITYSCAPES, CAMVID)
    with pytest.raises(ValueError, match="'car' is in two classes"):
        coarse_labels(CAMVID, CITYSCAPES, {"car": ("car",), "sign": ("car", "bus")})


def test_groups_of_several_data_sets_keep_their_labels() -> None:
    one = training_labels(CAMVID, CITYSCAPES, {"car": ("car", "bus")})
    both = training_labels(CAMVID, CITYSCAPES, CAMVID_IN_CITYSCAPES, one.groups)
    assert both.groups[: len(one.groups)] == one.groups
    assert len(set(both.groups)) == len(both.groups)
    # In whichever order they are written.
    turned = training_labels(CAMVID, CITYSCAPES, {"car": ("bus", "car")}, one.groups)
    assert turned.groups == one.groups


def test_labels_are_translated_by_name() -> None:
    lookup = training_labels(CAMVID, CITYSCAPES, CAMVID_IN_CITYSCAPES).lookup
    for name in ("sky", "pole", "road", "fence"):
        assert CITYSCAPES.names[lookup[CAMVID.names.index(name)]] == name
    assert lookup[255] == 255
