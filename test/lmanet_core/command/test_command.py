"""The program `lmanet`, as a user runs it."""

import re

import cv2
import numpy as np
import pytest
import torch

from lmanet_core import ModelConfig, build_model, load, load_provenance, save_checkpoint
from lmanet_core.checkpoint import load_work_size
from lmanet_core.command import doctor
from lmanet_core.command.__main__ import main
from lmanet_core.data.datasets import open_dataset
from lmanet_core.models.cost import network_cost
from lmanet_core.training import batch_statistics
from lmanet_core.training.batch_statistics import LabelFreeScore


@pytest.fixture(scope="module")
def erfnet_pth(tmp_path_factory):
    """A file with the published names of ERFNet; those of this library differ by a prefix only."""
    model = build_model(ModelConfig(memory_size=0))
    path = tmp_path_factory.mktemp("published") / "erfnet_pretrained.pth"
    torch.save({f"module.{name}": tensor for name, tensor in model.state_dict().items()}, path)
    return path


def test_convert_writes_a_checkpoint_that_loads_and_says_where_it_is_from(
    erfnet_pth, tmp_path, capsys
):
    output = tmp_path / "made" / "erfnet.safetensors"
    assert main(["convert", str(erfnet_pth), str(output)]) == 0
    assert "ERFNet" in capsys.readouterr().out
    assert main(["convert", str(erfnet_pth), str(output), "--window-size", "11"]) == 1
    assert "single-frame network" in capsys.readouterr().err
    published = torch.load(erfnet_pth, weights_only=True)
    weights = load(output).state_dict()
    assert all(
        torch.equal(weights[name.removeprefix("module.")], published[name]) for name in published
    )
    provenance = load_provenance(output)
    assert provenance["converted_from"] == "erfnet_pretrained.pth"
    assert len(provenance["sha256"]) == 64
    assert load_work_size(output) == (1024, 512)


def test_convert_takes_other_classes_from_a_file(tmp_path, capsys):
    classes = tmp_path / "classes.yaml"
    classes.write_text("class_names: [floor, robot]\npalette: [[1, 2, 3], [4, 5, 6]]\n")
    config = ModelConfig.from_dict(
        {"memory_size": 0, "class_names": ["a", "b"], "palette": [[0, 0, 0], [1, 1, 1]]}
    )
    torch.save(build_model(config).state_dict(), tmp_path / "in.pth")
    output = tmp_path / "out.safetensors"
    arguments = ["convert", str(tmp_path / "in.pth"), str(output), "--classes", str(classes)]
    assert main([*arguments, "--precision", "fp16"]) == 0
    assert load(output).config.classes.names == ("floor", "robot")
    classes.write_text("names: []")
    assert main(arguments) == 1
    assert "expected the two entries class_names and palette" in capsys.readouterr().err


def test_what_cannot_be_converted_ends_with_one_line_and_status_1(tmp_path, capsys):
    torch.save({"fc.weight": torch.zeros(1)}, tmp_path / "other.pth")
    assert main(["convert", str(tmp_path / "other.pth"), str(tmp_path / "out.safetensors")]) == 1
    error = capsys.readouterr().err
    assert error.startswith(f"lmanet convert: {tmp_path}/other.pth: ")
    assert error.count("\n") == 1
    assert not (tmp_path / "out.safetensors").exists()


def test_what_cannot_be_written_is_one_line(erfnet_pth, capsys):
    # Of /proc even root is told that it may write to it.
    assert main(["convert", str(erfnet_pth), "/proc/out.safetensors"]) == 1
    error = capsys.readouterr().err
    assert error.startswith("lmanet convert: /proc/out.safetensors: ")
    assert error.count("\n") == 1


def test_join_gives_a_network_the_memory_of_another_one(tmp_path, capsys):
    tuned, output = tmp_path / "tuned.safetensors", tmp_path / "made" / "joined.safetensors"
    street = load("street")
    config = ModelConfig.from_dict(
        street.config.to_dict()
        | {"memory_size": 0, "class_names": ["a", "b"], "palette": [[0, 0, 0], [1, 1, 1]]}
    )
    save_checkpoint(build_model(config), tuned, provenance={"data": "a"}, work_size=(64, 32))
    assert main(["join", str(tuned), "street", str(output)]) == 0
    joined = load(output)
    assert joined.config.classes.names == ("a", "b")
    assert joined.config.memory_size == street.config.memory_size
    for part, source in (("encoder", load(tuned)), ("memory", street)):
        expected = getattr(source, part).state_dict()
        of_joined = getattr(joined, part).state_dict()
        assert all(torch.equal(tensor, expected[name]) for name, tensor in of_joined.items())
    provenance = load_provenance(output)
    assert provenance["data"] == "a"
    assert "street" in provenance["memory"]
    assert load_work_size(output) == (64, 32)
    for arguments, complaint in (
        (["street", str(tuned)], "has none"),
        (["erfnet-lma-camvid", "street"], "the network has 'erfnet'"),
    ):
        assert main(["join", *arguments, str(output)]) == 1
        assert complaint in capsys.readouterr().err


def test_info_tells_what_is_in_a_checkpoint_and_what_it_costs(tmp_path, capsys):
    path = tmp_path / "model.safetensors"
    model = build_model(ModelConfig(memory_size=3, window_size=11))
    save_checkpoint(model, path, provenance={"data": "nothing at all"})
    assert main(["info", str(path), "--size", "200x102"]) == 0
    text = capsys.readouterr().out
    parameters = sum(parameter.numel() for parameter in model.parameters())
    for fact in ("erfnet", "19: road", f"{parameters:,}", "at 200x104", "nothing at all"):
        assert fact in text
    assert "128 x 13 x 25" in text


def test_info_of_a_missing_file_ends_with_status_1(capsys):
    assert main(["info", "nothing"]) == 1
    assert "no checkpoint 'nothing'" in capsys.readouterr().err


def test_label_makes_a_data_set_of_a_video_and_leaves_out_what_is_unsure(tmp_path, capsys):
    model = build_model(ModelConfig(memory_size=1, window_size=3)).eval()
    save_checkpoint(model, tmp_path / "teacher.safetensors")
    video = tmp_path / "drive"
    video.mkdir()
    for number in range(5):
        picture = np.random.default_rng(number).integers(0, 256, (32, 64, 3), np.uint8)
        cv2.imwrite(str(video / f"{number}.png"), picture)
    label = ["label", str(tmp_path / "teacher.safetensors"), str(video), str(tmp_path / "out")]
    options = ["--scales", "0.5", "1", "--every", "2", "--size", "48x24"]
    assert main([*label, *options, "--min-confidence", "0"]) == 0
    assert "5 frames of 'drive', 3 of them with labels for 100.0 %" in capsys.readouterr().out
    (recorded,) = open_dataset("recording", tmp_path / "out", "all").videos
    assert list(recorded.labelled) == [0, 2, 4]
    assert recorded.image(1).shape == (24, 48, 3)
    assert main([*label, *options]) == 1
    assert "choose another --name" in capsys.readouterr().err
    (video / "3.png").write_bytes(b"no image")
    assert main([*label, *options, "--name", "damaged"]) == 1
    assert "damaged has the 3 frames that could be read" in capsys.readouterr().err
    (video / "3.png").unlink()
    assert main([*label, *options, "--name", "unsure", "--min-confidence", "1"]) == 0
    unsure = open_dataset("recording", tmp_path / "out", "all").videos[2]
    assert (unsure.labels(0) == 255).all()


def test_mix_goes_a_share_of_the_way_and_leaves_the_memory(tmp_path, capsys):
    before, after = (build_model(ModelConfig(memory_size=s, window_size=3)) for s in (1, 0))
    files = [tmp_path / name for name in ("before.safetensors", "after.safetensors")]
    save_checkpoint(before, files[0], work_size=(64, 32), provenance={"data": "streets"})
    save_checkpoint(after, files[1], provenance={"stage": "single", "step": 240})
    mix = ["mix", *map(str, files), str(tmp_path / "mixed.safetensors")]
    assert main([*mix, "--share", "0.25"]) == 0
    mixed = load(mix[3])
    for part in ("encoder", "decoder"):
        one, other = getattr(before, part).state_dict(), getattr(after, part).state_dict()
        for name, tensor in getattr(mixed, part).state_dict().items():
            if tensor.is_floating_point():
                torch.testing.assert_close(tensor, 0.75 * one[name] + 0.25 * other[name])
    memory = before.memory.state_dict()
    assert all(torch.equal(t, memory[name]) for name, t in mixed.memory.state_dict().items())
    assert load_work_size(mix[3]) == (64, 32)
    assert load_provenance(mix[3]) == {
        "data": "streets",
        "mixed": "0.25 of the way to after, stage single, step 240",
    }
    assert main([*mix, "--share", "2"]) == 1
    assert "--share must be in 0..1, got 2" in capsys.readouterr().err
    assert main(["mix", str(files[0]), "street", mix[3]]) == 1
    assert "no way between networks of two kinds" in capsys.readouterr().err


def test_adapt_writes_the_first_share_that_is_as_sure_and_steady_or_nothing(
    tmp_path, capsys, monkeypatch
):
    video, output = tmp_path / "drive", tmp_path / "mine.safetensors"
    video.mkdir()
    for number in range(12):
        picture = np.random.default_rng(number).integers(0, 256, (32, 64, 3), np.uint8)
        cv2.imwrite(str(video / f"{number}.png"), picture)
    model = build_model(ModelConfig(memory_size=1, window_size=3))
    save_checkpoint(model, tmp_path / "street.safetensors", work_size=(64, 32))
    adapt = ["adapt", str(tmp_path / "street.safetensors"), str(video), str(output)]
    figures = [(0.8, 0.9), (0.9, 0.8), (0.79, 0.89)]
    judged = iter(LabelFreeScore(*figure) for figure in figures)
    monkeypatch.setattr(batch_statistics, "score_without_labels", lambda *arguments: next(judged))
    assert main(adapt) == 0
    printed = capsys.readouterr().out
    assert "as it is: confidence 80.00 %, temporal consistency 90.00 %" in printed
    assert "share 0.05: confidence 79.00 %, temporal consistency 89.00 %" in printed
    adapted = load(output)
    assert not torch.equal(
        adapted.encoder.initial_block.bn.running_mean, model.encoder.initial_block.bn.running_mean
    )
    assert "0.05 of drive" in load_provenance(output)["adapted"]
    assert load_work_size(output) == (64, 32)
    output.unlink()
    judged = iter((LabelFreeScore(0.8, 0.9), LabelFreeScore(0.7, 0.9)))
    assert main([*adapt, "--share", "0.5"]) == 1
    assert "was not written: adapted to" in capsys.readouterr().err
    assert not output.exists()
    for options, complaint in (
        (["--share", "0"], "--share must be in 0..1 and not 0, got 0"),
        (["--frames", "0"], "--frames must be at least 1, got 0"),
    ):
        assert main([*adapt, *options]) == 1
        assert complaint in capsys.readouterr().err
    (video / "11.png").unlink()
    assert main(adapt) == 1
    assert "expected a video of at least 12 frames, got 11" in capsys.readouterr().err


def test_attention_draws_where_the_memory_reads(tmp_path, capsys):
    config = ModelConfig(memory_size=2, window_size=3, memory_policy="every_nth")
    save_checkpoint(build_model(config), tmp_path / "network.safetensors")
    video = tmp_path / "drive"
    video.mkdir()
    for number in range(6):
        cv2.imwrite(str(video / f"{number}.png"), np.full((32, 64, 3), 40 * number, np.uint8))
    sheet = tmp_path / "pictures" / "attention.png"
    attention = ["attention", str(tmp_path / "network.safetensors"), str(video)]
    options = ["--output", str(sheet), "--at"]
    assert main([*attention, *options, "10,10", "63,31"]) == 0
    printed = capsys.readouterr().out
    # Of frames 0 to 3 every second is in memory when frame 4 comes.
    assert "(10, 10): " in printed
    assert "% frame 0, " in printed
    assert "% frame 2, 0 % beyond the border" in printed
    assert cv2.imread(str(sheet)).shape[1] > 3 * 480
    for mistake, complaint in (
        (["64,0"], r"places must be in the image of 64x32, got [(64, 0)]"),
        (["0,0", "--frame", "0"], "nothing is in memory at the first frame"),
        (["0,0", "--frame", "6"], "has no frame 6"),
    ):
        assert main([*attention, *options, *mistake]) == 1
        assert complaint in capsys.readouterr().err


def test_macs_are_those_counted_by_hand():
    model = build_model(ModelConfig(memory_size=3, window_size=11))
    cost = network_cost(model, (64, 32))
    positions = 4 * 8
    assert cost.macs["memory heads"] == positions * 128 * 2 * (16 + 64) * 9
    assert cost.macs["attention"] == positions * 3 * 121 * (16 + 64)
    assert cost.macs["fusion"] == positions * 9 * (128 * 256 + 2 * 64 * 128)
    assert cost.values_per_frame == positions * (16 + 64)
    assert list(cost.macs) == ["encoder", "memory heads", "attention", "fusion", "decoder"]


def test_macs_of_a_single_frame_network_and_of_the_global_window():
    single = network_cost(build_model(ModelConfig(memory_size=0)), (64, 32))
    assert list(single.macs) == ["encoder", "decoder"]
    assert single.values_per_frame == 0
    everywhere = network_cost(build_model(ModelConfig(memory_size=1, window_size=None)), (64, 32))
    assert everywhere.macs["attention"] == (4 * 8) ** 2 * (16 + 64)


def test_doctor_tells_what_runs_here_and_ends_with_0_where_a_frame_can_be_segmented(
    capsys, monkeypatch
):
    monkeypatch.setattr(doctor, "_TIMED_SECONDS", 0)
    monkeypatch.setattr(doctor, "_TIMED_SIZES", ((64, 32),))
    assert main(["doctor", "--time"]) == 0
    page = capsys.readouterr().out
    assert re.search(r"expected at 64x32: \d+\.\d images a second, \d+ ms each", page)
    subjects = ("processor", "C++ kernel", "PyTorch", "Triton", "GPU", "onnxruntime", "openvino",
                "TensorRT", "TensorRT-RTX", "rclpy", "RMW", "cv_bridge", "vision_msgs")  # fmt: skip
    assert all(f"  {subject} " in page for subject in subjects)
    assert torch.__version__ in page
    broken = (_ for _ in ()).throw
    monkeypatch.setattr("lmanet_core.runtime.open_segmenter", lambda: broken(OSError("no weights")))
    assert main(["doctor"]) == 1
    assert "no frame can be segmented here: OSError: no weights" in capsys.readouterr().err


def test_doctor_knows_that_a_gpu_runs_code_of_its_generation():
    built = ["sm_75", "sm_80", "sm_86", "sm_90"]
    assert all(doctor.is_built_for(chip, built) for chip in (75, 80, 86, 87, 89, 90))
    assert not any(doctor.is_built_for(chip, built) for chip in (70, 100, 120))
    assert doctor.is_built_for(120, [*built, "compute_90"])
    assert [doctor.is_built_for(chip, ["sm_100a"]) for chip in (100, 103)] == [True, False]
