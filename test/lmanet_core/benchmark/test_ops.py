"""The operator benchmark: its baselines compute local attention, and it measures them."""

import json
import subprocess
import sys

import pytest
import torch

from lmanet_core.benchmark.ops_cases import IMPLEMENTATIONS, Size
from lmanet_core.ops import local_attention


@pytest.mark.parametrize("name", ["unfold", "shifts"])
def test_a_baseline_equals_the_oracle(name):
    size = Size(frames=3, window_size=5, height=11, width=14, key_channels=5, value_channels=7)
    inputs = size.inputs(torch.float64)
    expected = local_attention(*inputs, 5, implementation="reference")
    torch.testing.assert_close(IMPLEMENTATIONS[name](*inputs, 5), expected)


def test_a_baselines_gradients_equal_the_oracles():
    size = Size(frames=2, window_size=3, height=5, width=6, key_channels=3, value_channels=4)
    inputs = [tensor.requires_grad_() for tensor in size.inputs(torch.float64)]
    expected = local_attention(*inputs, 3, implementation="reference").square().sum()
    computed = IMPLEMENTATIONS["shifts"](*inputs, 3).square().sum()
    torch.testing.assert_close(
        torch.autograd.grad(computed, inputs), torch.autograd.grad(expected, inputs)
    )


@pytest.mark.filterwarnings("ignore:flex_attention called without torch.compile")
def test_the_mask_of_flex_attention_is_the_window(monkeypatch):
    from torch.nn.attention.flex_attention import flex_attention

    from lmanet_core.benchmark import ops_baselines

    # Uncompiled it computes the same, and there is no compiler to wait for.
    monkeypatch.setattr(ops_baselines, "_compiled_flex_attention", lambda: flex_attention)
    size = Size(frames=2, window_size=5, height=20, width=14, key_channels=8, value_channels=16)
    inputs = size.inputs(torch.float32)
    expected = local_attention(*inputs, 5, implementation="reference")
    torch.testing.assert_close(IMPLEMENTATIONS["flex"](*inputs, 5), expected, rtol=1e-4, atol=1e-5)


def test_writes_the_figures(tmp_path):
    file = tmp_path / "figures.json"
    command = [sys.executable, "-m", "lmanet_core.benchmark", "ops", "--size", "16x8"]
    command += ["--window-size", "3", "--repeats", "1", "--no-sweeps", "--json", str(file)]
    command += ["--implementations", "shifts"]
    result = subprocess.run(command, capture_output=True, text=True, timeout=120, check=True)
    figures = json.loads(file.read_text())
    assert figures["size"]["window_size"] == 3
    assert set(figures["implementations"]) == {"shifts fp32"}
    assert figures["implementations"]["shifts fp32"]["shifts_over_this"] == 1
    assert figures["implementations"]["shifts fp32"]["of_peak"] > 0
    assert "| shifts fp32 |" in result.stdout
