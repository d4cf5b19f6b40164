"""The C++ kernel: local attention, and labels of logits, on the CPU. Needs numpy and nothing else;
`lmanet_core.ops` has the same for PyTorch's tensors.
"""

from lmanet_core.kernel.library import INSTRUCTION_SETS, best_instruction_set, is_available
from lmanet_core.kernel.numpy_arrays import classify, local_attention

__all__ = [
    "INSTRUCTION_SETS",
    "best_instruction_set",
    "classify",
    "is_available",
    "local_attention",
]
