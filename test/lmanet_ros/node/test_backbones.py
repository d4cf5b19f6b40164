"""Another backbone by another file in config/, and by nothing else."""

from pathlib import Path

import pytest
import torch
import yaml
from ros_harness import (
    NODE_COMMAND,
    REPORT_OFTEN,
    NodeProcess,
    answers_like,
    connected,
)

from lmanet_core import ModelConfig, build_model, load, open_segmenter, save_checkpoint

CONFIG = Path(__file__).parents[3] / "config"
SETTINGS = {
    "pspnet": {"backbone": "pspnet50", "value_channels": None, "fusion": "bottleneck"},
    "segformer": {"backbone": "segformer_b0"},
}


@pytest.mark.parametrize("name", SETTINGS)
def test_the_node_segments_with_the_network_of_its_parameters_file(name, tmp_path):
    if name == "segformer":
        pytest.importorskip("transformers")
    torch.manual_seed(0)
    checkpoint = tmp_path / "model.safetensors"
    model = build_model(ModelConfig(memory_size=2, window_size=3, **SETTINGS[name]))
    save_checkpoint(model, checkpoint, dtype=torch.float16)
    # The file as it is, but for a small random network at a small size.
    content = yaml.safe_load((CONFIG / f"{name}.yaml").read_text())
    content["/**"]["ros__parameters"] |= {"checkpoint": str(checkpoint), "work_size": [64, 32]}
    params_file = tmp_path / f"{name}.yaml"
    params_file.write_text(yaml.safe_dump(content))
    segmenter = open_segmenter(load(checkpoint), work_size=(64, 32))
    arguments = ("--params-file", str(params_file), *REPORT_OFTEN)
    process = NodeProcess([*NODE_COMMAND, "--ros-args", *arguments])
    try:
        with connected(process) as client:
            answers_like(client, segmenter)
    finally:
        process.end()
