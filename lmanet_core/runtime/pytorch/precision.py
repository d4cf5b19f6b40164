"""Words of the user for device and number format, and what they mean on this machine."""

from __future__ import annotations

import torch

from lmanet_core.runtime.backend import PRECISIONS

DTYPES = {"fp32": torch.float32, "bf16": torch.bfloat16, "fp16": torch.float16}


def resolve_device(device: str) -> torch.device:
    """'auto' is the first CUDA device if there is one, otherwise the CPU.

    Raises:
        ValueError: the word is unknown or names a device that is not there.
    """
    if device == "auto":
        return torch.device("cuda" if torch.cuda.is_available() else "cpu")
    try:
        resolved = torch.device(device)
    except RuntimeError:
        resolved = None
    if resolved is None or resolved.type not in ("cpu", "cuda"):
        raise ValueError(f"device must be 'auto', 'cpu', 'cuda' or 'cuda:N', got {device!r}")
    if resolved.type == "cuda" and (resolved.index or 0) >= torch.cuda.device_count():
        raise ValueError(
            f"device {device!r} is not available: PyTorch {torch.__version__} sees "
            f"{torch.cuda.device_count()} CUDA devices; use 'auto' or 'cpu'"
        )
    return resolved


def resolve_precision(precision: str, device: torch.device) -> torch.dtype:
    """'auto' is fp16 on CUDA, bf16 on CPUs that multiply in bf16, otherwise fp32.

    Raises:
        ValueError: the word is unknown or the device cannot compute in that format.
    """
    if precision not in PRECISIONS:
        raise ValueError(f"precision must be one of {list(PRECISIONS)}, got {precision!r}")
    if precision == "fp16" and device.type == "cpu":
        raise ValueError("precision 'fp16' needs a CUDA device; use 'auto', 'bf16' or 'fp32'")
    if precision == "auto":
        if device.type == "cuda":
            return torch.float16
        return torch.bfloat16 if _cpu_multiplies_bf16() else torch.float32
    return DTYPES[precision]


def precision_name(dtype: torch.dtype) -> str:
    """The user's word for a number format."""
    return next(name for name, known in DTYPES.items() if known == dtype)


def _cpu_multiplies_bf16() -> bool:
    capabilities = torch.backends.cpu.get_cpu_capability()
    # Emulated bf16 is slower than fp32: only instructions for it make it worthwhile.
    return "AVX512" in capabilities and torch.cpu._is_avx512_bf16_supported()
