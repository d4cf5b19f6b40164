"""Corrections of a trained network, through the program."""

import copy
from pathlib import Path

import numpy as np
import pytest
import torch

from lmanet_core import ModelConfig, build_model, load, load_provenance, save_checkpoint
from lmanet_core.checkpoint import load_precision, load_work_size
from lmanet_core.command.__main__ import main
from lmanet_core.data.street_dataset import StreetsConfig, open_streets
from lmanet_core.models import LMANet
from lmanet_core.network.model_config import FUSIONS

SIZE = (192, 96)
CORRUPTIONS = "data: {corrupted_copy: {noise: 60.0, blur: 4.0}}"


def network(**settings: object) -> LMANet:
    torch.manual_seed(0)
    return build_model(ModelConfig(memory_size=1, window_size=3, **settings)).eval()


@pytest.fixture(scope="module")
def street(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The shipped network at a small work size, in half precision, without a quality of frames."""
    path = tmp_path_factory.mktemp("street") / "mine.safetensors"
    model = load("street")
    model.memory.frame_quality.weight.zero_()
    save_checkpoint(
        model,
        path,
        dtype=torch.float16,
        provenance={"data": "streets", "adjusted": "something before"},
        work_size=SIZE,
    )
    return path


@pytest.fixture
def adjust(street: Path, tmp_path: Path):
    """Run it on that network, or another one; the output's path."""
    output = tmp_path / "made" / "better.safetensors"

    def run(*options: str, of: Path | str = street, status: int = 0) -> Path:
        assert main(["adjust", str(of), str(output), *options]) == status
        return output

    return run


@torch.no_grad()
def single(model: LMANet, images: torch.Tensor) -> torch.Tensor:
    return model.decoder(model.encoder(images))


def unchanged(before: LMANet, after: LMANet, but: tuple[str, ...]) -> bool:
    state = after.state_dict()
    return all(torch.equal(t, state[n]) for n, t in before.state_dict().items() if n not in but)


@pytest.mark.parametrize("shipped", ["street", "erfnet-lma-camvid"])
def test_logits_of_a_class_are_raised_by_exactly_that(shipped, adjust):
    before = load(shipped)
    output = adjust("--raise-logit", "car=1.5", "--raise-logit", "fence=-0.5", of=shipped)
    after = load(output)
    images = torch.rand(1, 3, 64, 64)
    difference = single(after, images) - single(before, images)
    names = before.config.classes.names
    expected = torch.zeros(len(names))
    expected[names.index("car")], expected[names.index("fence")] = 1.5, -0.5
    # Weights in half precision have steps.
    torch.testing.assert_close(
        difference, expected[:, None, None].expand_as(difference), rtol=0, atol=2e-3
    )
    told = load_provenance(output)["adjusted"]
    assert told == "logit of 'car' raised by 1.5; logit of 'fence' raised by -0.5"
    assert load_precision(output) == "fp16"
    assert load_work_size(output) == load_work_size(shipped)


@pytest.mark.parametrize("fusion", FUSIONS)
def test_gates_let_less_of_the_memory_in(fusion, adjust, tmp_path, capsys):
    settings = {
        "blend": {"value_channels": None},
        "bottleneck": {"value_channels": None},
        "concatenation": {"value_channels": 64},
    }.get(fusion, {})
    path = tmp_path / "network.safetensors"
    save_checkpoint(network(fusion=fusion, **settings), path)
    if fusion == "concatenation":
        adjust("--close-gates", "1.2", of=path, status=1)
        assert "fusion 'concatenation' has no gates" in capsys.readouterr().err
        return
    before, after = load(path), load(adjust("--close-gates", "1.2", of=path))
    features = torch.rand(2, 128, 6, 12)
    with torch.no_grad():
        frames = [model.memory.project(features) for model in (before, after)]
        gates = [
            model.memory.fusion.memory_gate(frame.query_value, frame.memory_value.flip(0))
            for model, frame in zip((before, after), frames, strict=True)
        ]
    torch.testing.assert_close(gates[1].logit(), gates[0].logit() - 1.2)
    images = torch.rand(1, 3, 48, 96)
    torch.testing.assert_close(single(after, images), single(before, images), rtol=0, atol=0)


def test_a_fitted_quality_tells_noisy_frames_from_clean_ones(adjust, street, tmp_path):
    config = tmp_path / "robust.yaml"
    config.write_text(CORRUPTIONS)
    output = adjust("--fit-quality", "--street-images", "8", "--corruption-config", str(config))
    before, after = load(street), load(output)
    streets = open_streets("val", SIZE, StreetsConfig(streets=2, frames=10)).videos
    frames = np.stack([street.image(index) for street in streets for index in (0, 9)])
    noise = np.random.default_rng(0).normal(0, 25, frames.shape)
    noisy = np.clip(frames + noise, 0, 255).astype(np.uint8)
    clean, corrupted = (quality(after, images) for images in (frames, noisy))
    assert (corrupted < clean - 0.5).all()
    parts = ("memory.key_form.quality", "memory.fusion.quality")
    assert unchanged(before, after, tuple(f"{p}.{t}" for p in parts for t in ("weight", "bias")))
    told = load_provenance(output)
    assert told["data"] == "streets"
    assert told["adjusted"] == (
        "something before; quality of frames fitted on 8 images of synthetic streets, no labels, "
        "robust.yaml, seed 0"
    )


@torch.no_grad()
def quality(model: LMANet, images: np.ndarray) -> torch.Tensor:
    return model.memory.frame_quality(
        model.encoder(torch.from_numpy(images).permute(0, 3, 1, 2).float() / 255)
    ).flatten()


def test_images_of_a_data_set_are_spread_over_it(adjust, camvid, tmp_path, capsys):
    of_camvid = ["--fit-quality", "--dataset", "camvid", "--root", str(camvid)]
    output = adjust(*of_camvid, "--images", "4", "--precision", "fp32")
    assert load_precision(output) == "fp32"
    assert "on 4 images of camvid val, no labels, seed 0" in capsys.readouterr().out
    adjust(*of_camvid[:-1], str(tmp_path), status=1)
    assert "expected" in capsys.readouterr().err


def test_what_cannot_be_adjusted_is_one_line_that_says_why(adjust, tmp_path, capsys):
    plain, alone = tmp_path / "plain.safetensors", tmp_path / "alone.safetensors"
    save_checkpoint(network(), plain)
    single_frame = build_model(ModelConfig(memory_size=0))
    save_checkpoint(single_frame, alone)
    fit = ["--fit-quality", "--street-images", "2"]
    for of, options, complaint in (
        (plain, ["--raise-logit", "tram=1"], "no class 'tram'; it has road, sidewalk"),
        (alone, ["--close-gates", "1"], "single-frame network: it has no memory"),
        (alone, fit, "no quality of frames: expected one with a memory of"),
        (plain, fit, "no quality of frames: expected one with a memory of"),
        (plain, [], "nothing to do: expected --raise-logit, --close-gates or --fit-quality"),
        (plain, ["--fit-quality"], "--fit-quality needs images"),
        (plain, ["--close-gates", "1", "--street-images", "2"], "are for --fit-quality"),
        ("street", [*fit, "--corruption-config", "no.yaml"], "no.yaml is not a readable YAML"),
    ):
        adjust(*options, of=of, status=1)
        error = capsys.readouterr().err
        assert complaint in error
        assert error.count("\n") == 1
    for option in (["--raise-logit", "car"], ["--raise-logit", "car=nan"], ["--close-gates", "x"]):
        with pytest.raises(SystemExit):
            adjust(*option)
    assert not (tmp_path / "made").exists()


def test_a_decoder_without_a_bias_for_each_class_is_told():
    from lmanet_core.models.surgery import with_raised_logits

    model = copy.deepcopy(build_model(ModelConfig(memory_size=0)))
    model.decoder.output_conv.bias = None
    with pytest.raises(ValueError, match="a convolution with a bias for each of 19 classes"):
        with_raised_logits(model.eval(), {"car": 1.0})
