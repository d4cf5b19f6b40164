"""Conversion accounts for every tensor of a published file."""

import argparse

import pytest
import torch
from published_files import erfnet, lmanet_erfnet, lmanet_erfnet_concatenation, semseg_pspnet50

from lmanet_core import CheckpointError, ClassTable
from lmanet_core.conversion import ConversionError, convert, read_state_dict

NORM_PARTS = ("running_mean", "running_var", "weight", "bias")
"""In the order of `batch_norm`."""


@pytest.fixture(scope="module")
def published():
    torch.manual_seed(0)
    return lmanet_erfnet()


def save(tensors, path, bundle=None):
    content = {f"module.{name}": tensor for name, tensor in tensors.items()}
    torch.save(content if bundle is None else {"state_dict": content, **bundle}, path)
    return path


@pytest.mark.parametrize("bundle", [None, {"epoch": 3, "optimizer": {"lr": 0.1}}])
def test_files_and_bundles_lose_their_prefix(published, tmp_path, bundle):
    tensors = read_state_dict(save(published, tmp_path / "model.pth", bundle))
    assert {name: tensor.shape for name, tensor in tensors.items()} == {
        name: tensor.shape for name, tensor in published.items()
    }


def test_what_would_run_code_is_not_unpickled(published, tmp_path):
    path = save(published, tmp_path / "model.pth", {"args": argparse.Namespace(lr=1)})
    with pytest.raises(CheckpointError, match=r"more than tensors.*state dict alone"):
        read_state_dict(path)


def test_a_whole_model_is_told_from_other_bundles(tmp_path):
    for legacy in (False, True):
        torch.save(
            torch.nn.Linear(1, 1),
            tmp_path / "model.pth",
            _use_new_zipfile_serialization=not legacy,
        )
        with pytest.raises(
            CheckpointError, match=r"model.pth holds a whole model.*\.state_dict\(\)"
        ):
            read_state_dict(tmp_path / "model.pth")


@pytest.mark.parametrize(
    ("content", "message"),
    [
        (b"", "is empty"),
        (b"\n<!DOCTYPE html><html>Quota exceeded</html>", "is a web page"),
        (b"version https://git-lfs.github.com/spec/v1\noid sha256:0", "git lfs pull"),
        (b"rubbish", "begins with b'rubbish'"),
        (b"PK\x03\x04 cut off", "not a readable"),
        (b"\x80\x02 cut off", "damaged"),
    ],
)
def test_what_downloads_leave_is_named_and_nobody_told_to_load_it_unsafely(
    tmp_path, content, message
):
    path = tmp_path / "model.pth"
    path.write_bytes(content)
    with pytest.raises(CheckpointError, match=message) as caught:
        read_state_dict(path)
    assert "model.pth" in str(caught.value)
    assert "weights_only" not in str(caught.value)


@pytest.mark.parametrize(
    ("content", "message"),
    [([1, 2], "got a list"), ({"epoch": 3}, r"got a dictionary with \['epoch'\]")],
)
def test_what_is_no_state_dict_is_described(tmp_path, content, message):
    torch.save(content, tmp_path / "other.pth")
    with pytest.raises(CheckpointError, match=message):
        read_state_dict(tmp_path / "other.pth")


def test_a_missing_file_and_rubbish_are_refused(tmp_path):
    (tmp_path / "rubbish.pth").write_bytes(b"rubbish")
    for name in ("nothing.pth", "rubbish.pth"):
        with pytest.raises(CheckpointError, match=name):
            read_state_dict(tmp_path / name)


def test_the_single_frame_erfnet_drops_the_encoders_classifier_and_ignore():
    tensors = erfnet()
    conversion = convert(tensors)
    assert conversion.title == "ERFNet"
    assert conversion.left_out == ("encoder.output_conv.weight", "encoder.output_conv.bias")
    assert conversion.dropped_outputs == 1
    assert conversion.model.memory is None
    output = conversion.model.decoder.output_conv
    assert torch.equal(output.weight, tensors["decoder.output_conv.weight"][:, :19])
    assert torch.equal(output.bias, tensors["decoder.output_conv.bias"][:19])


@torch.no_grad()
def test_the_fusion_by_concatenation_is_converted():
    tensors = lmanet_erfnet_concatenation()
    conversion = convert(tensors)
    assert "concatenation" in conversion.title
    assert conversion.model.config.fusion == "concatenation"
    query, read = torch.rand(2, 1, 64, 3, 5)
    normalized = [
        torch.nn.functional.batch_norm(
            values,
            *(tensors[f"memory_fusion.bn{number}.{part}"] for part in NORM_PARTS),
            eps=1e-3,
        )
        for number, values in ((1, query), (2, read))
    ]
    memory = conversion.model.memory
    assert memory is not None
    assert torch.allclose(memory.fusion(query, read), torch.cat(normalized, 1).relu(), atol=1e-6)


@torch.no_grad()
def test_pspnet_of_semseg_drops_the_auxiliary_classifier():
    tensors = semseg_pspnet50()
    conversion = convert(tensors)
    assert conversion.model.config.backbone == "pspnet50"
    assert set(conversion.left_out) == {name for name in tensors if name.startswith("aux.")}
    assert conversion.dropped_outputs == 0
    assert conversion.model(torch.rand(1, 1, 3, 17, 25)).shape == (1, 19, 17, 25)


def test_files_of_old_pytorch_without_batch_counters_convert(published):
    old = {name: tensor for name, tensor in published.items() if "num_batches" not in name}
    model, expected = convert(old).model, convert(published).model
    for name, tensor in model.state_dict().items():
        if "num_batches" not in name:
            assert torch.equal(tensor, expected.state_dict()[name])


def test_all_missing_and_unknown_tensors_are_listed(published):
    broken = dict(published)
    broken["kv_M_r4.Surprise"] = broken.pop("kv_Q_r4.Value.bias")
    broken["decoder.stranger"] = broken.pop("memory_fusion.conv_layer_2.weight")
    with pytest.raises(ConversionError) as caught:
        convert(broken)
    for problem in (
        "missing kv_Q_r4.Value.bias",
        "missing memory_fusion.conv_layer_2.weight",
        "unknown kv_M_r4.Surprise",
        "unknown decoder.stranger",
    ):
        assert problem in str(caught.value)


def test_a_wrong_shape_is_listed(published):
    broken = published | {"kv_M_r4.Key.weight": torch.zeros(8, 128, 3, 3)}
    with pytest.raises(ConversionError, match=r"kv_M_r4.Key.weight .*\(8, 128, 3, 3\).* do not"):
        convert(broken)


def test_of_many_problems_the_first_ten_are_listed(published):
    names = [name for name in published if name.startswith("decoder.")]
    broken = {name: tensor for name, tensor in published.items() if name not in names}
    with pytest.raises(ConversionError, match=r"and \d+ more$") as caught:
        convert(broken)
    assert str(caught.value).count("missing") == 10


def test_other_classes_need_their_table(published):
    with pytest.raises(ConversionError, match=r"decoder.output_conv.weight: \(16, 12, 2, 2\)"):
        convert(erfnet(outputs=12))
    table = ClassTable(tuple("abcdefghijkl"), tuple((i, i, i) for i in range(12)))
    conversion = convert(erfnet(outputs=12), table)
    assert conversion.model.config.classes == table
    assert conversion.dropped_outputs == 0


def test_an_unknown_network_is_explained():
    with pytest.raises(
        ConversionError, match=r"1 tensors .* no published network .* begin with fc.weight"
    ):
        convert({"fc.weight": torch.zeros(2)})
