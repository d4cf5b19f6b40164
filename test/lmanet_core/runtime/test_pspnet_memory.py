"""PSPNet-101 at the paper's size fits into the memory of an ordinary machine."""

import subprocess
import sys

import pytest

LIMIT = 8 * 2**30
STREAM = """
import resource
import numpy as np
from lmanet_core import ModelConfig, build_model, open_segmenter

config = ModelConfig(
    backbone="pspnet101", memory_size=3, key_channels=128, value_channels=None, fusion="bottleneck"
)
segmenter = open_segmenter(build_model(config), precision="fp32", device="cpu")
images = np.random.default_rng(0).integers(0, 256, (4, 1025, 2049, 3), dtype=np.uint8)
for image in images:
    segmenter.step(image)
assert segmenter.backend.filled == 3
print(1024 * resource.getrusage(resource.RUSAGE_SELF).ru_maxrss)
"""


@pytest.mark.slow
def test_streaming_at_2049x1025_with_three_frames_fits_8_gib():
    # In a process of its own: the peak is that of the process.
    result = subprocess.run([sys.executable, "-c", STREAM], capture_output=True, text=True)
    assert result.returncode == 0, result.stderr
    peak = int(result.stdout)
    print(f"peak memory {peak / 2**30:.2f} GiB")
    assert peak < LIMIT
