"""Exported graphs in ONNX's reference evaluator, with a Python body for the plugin's node.

Slow, and independent of every runtime: it says what a file means.
"""

from __future__ import annotations

from pathlib import Path

import numpy as np
import torch
from onnx.reference import ReferenceEvaluator
from onnx.reference.op_run import OpRun

from lmanet_core.export.attention_forms import DOMAIN
from lmanet_core.ops.reference import local_attention_reference


class LocalAttention(OpRun):
    """`com.lmanet::LocalAttention`; the evaluator finds it by the name of the class."""

    op_domain = DOMAIN

    def _run(
        self,
        query: np.ndarray,
        keys: np.ndarray,
        values: np.ndarray,
        filled: np.ndarray,
        window_size: int,
        plugin_namespace: str,
        plugin_version: str,
    ) -> tuple[np.ndarray]:
        frames = max(1, int(filled[0]))
        read = local_attention_reference(
            torch.from_numpy(query)[None].permute(0, 3, 1, 2),
            torch.from_numpy(keys[:frames])[None].permute(0, 1, 4, 2, 3),
            torch.from_numpy(values[:frames])[None].permute(0, 1, 4, 2, 3),
            window_size,
        )
        return (read[0].permute(1, 2, 0).numpy(),)


def reference_evaluator(path: Path) -> ReferenceEvaluator:
    """An evaluator of a file of either form; `run(None, inputs)` gives the outputs."""
    return ReferenceEvaluator(str(path), new_ops=[LocalAttention])
