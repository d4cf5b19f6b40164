"""The public operators: argument checks live here, only."""

from __future__ import annotations

from typing import Protocol

import torch
from torch import Tensor

from lmanet_core.ops.implementation_choice import choose_implementation
from lmanet_core.ops.implementations.dense import global_attention
from lmanet_core.ops.implementations.tiled import local_attention_tiled
from lmanet_core.ops.reference import local_attention_reference, local_correlation_reference
from lmanet_core.ops.registration import local_attention_op


class Implementation(Protocol):
    """Local attention over checked arguments, as `local_attention` has them."""

    def __call__(self, query: Tensor, keys: Tensor, values: Tensor, window_size: int, /) -> Tensor:
        """(B, Dk, H, W), (B, S, Dk, H, W), (B, S, Dv, H, W) and an odd number -> (B, Dv, H, W)."""


def _local_attention_fused(query: Tensor, keys: Tensor, values: Tensor, window_size: int) -> Tensor:
    return local_attention_op(query, keys, values, window_size)[0]


_IMPLEMENTATIONS: dict[str, Implementation] = {
    "fused": _local_attention_fused,
    "tiled": local_attention_tiled,
    "reference": local_attention_reference,
}
IMPLEMENTATIONS = ("auto", *_IMPLEMENTATIONS)
"""Names that `local_attention` accepts as `implementation`, the default first."""


def local_attention(
    query: Tensor,
    keys: Tensor,
    values: Tensor,
    window_size: int | None,
    *,
    implementation: str = "auto",
) -> Tensor:
    """Read the memory: every location attends to a window around it in all S frames.

        score[t,d](p) = <query(p), keys[t](p + d)>,   d in {-h..h}^2,  h = (window_size - 1) / 2
        read(p) = sum_{t,d} softmax_{t,d}(score)(p) * values[t](p + d)

    The memory is zero-padded: a position outside of the image has score 0 and value 0 and *counts*
    in the softmax. Scores are not scaled. With `window_size=None` every location attends to
    every other (the paper's global form), and scores are scaled by 1/sqrt(Dk).

    No input is copied, whatever its strides: a partly filled ring buffer is passed as
    `keys[:, :filled], values[:, :filled]`. (On CUDA, in half precision, what has no multiple of 16
    channels is.) Under autocast inputs are cast to its dtype.

    Args:
        query: (B, Dk, H, W).
        keys: (B, S, Dk, H, W), S >= 1, in any order of frames.
        values: (B, S, Dv, H, W).
        window_size: side of the window in feature map cells, odd, or None.
        implementation: one of `IMPLEMENTATIONS`; ignored by the global form, which has just one.
            'auto': the fused kernel where it works for device and dtype, and its backward pass
            where gradients are asked for, otherwise 'tiled'; see
            `lmanet_core.ops.implementation_choice`.

    Returns:
        (B, Dv, H, W), of the query's dtype.

    Raises:
        ValueError: shapes, window, devices or dtypes do not fit each other, or the implementation
            is not there for them.

    Source: Paul et al., IROS 2021, section III-B; border and scale as in the authors' code.

    Example:
        >>> import torch
        >>> query = torch.rand(1, 4, 8, 16)  # (B, Dk, H, W)
        >>> keys, values = torch.rand(1, 3, 4, 8, 16), torch.rand(1, 3, 6, 8, 16)  # three frames
        >>> local_attention(query, keys, values, window_size=5).shape
        torch.Size([1, 6, 8, 16])
    """
    query, keys, values = _autocast(query, keys, values)
    _check_keys(query, keys)
    _check_values(query, keys, values)
    _check_window_size(window_size)
    if window_size is None:
        return global_attention(query, keys, values)
    gradients = torch.is_grad_enabled() and any(
        tensor.requires_grad for tensor in (query, keys, values)
    )
    implement = _IMPLEMENTATIONS[_choose(implementation, query, gradients)]
    return implement(query, keys, values, window_size)


def local_correlation(query: Tensor, keys: Tensor, window_size: int) -> Tensor:
    """The scores of `local_attention`, to look at: its softmax is over S and displacements.

    They take S * w * w times the memory of a feature map; attention itself never makes them.

    Args:
        query: (B, Dk, H, W).
        keys: (B, S, Dk, H, W), S >= 1.
        window_size: w, side of the window in feature map cells, odd.

    Returns:
        (B, S, w * w, H, W); displacement (dy, dx) is at index (dy + h) * w + dx + h with
        h = (w - 1) / 2. 0 where the position is outside of the image.

    Raises:
        ValueError: shapes, window, devices or dtypes do not fit each other.

    Source: Paul et al., IROS 2021, equation (2).

    Example:
        >>> import torch
        >>> query, keys = torch.rand(1, 4, 8, 16), torch.rand(1, 3, 4, 8, 16)
        >>> local_correlation(query, keys, window_size=5).shape
        torch.Size([1, 3, 25, 8, 16])
    """
    query, keys = _autocast(query, keys)
    _check_keys(query, keys)
    _check_window_size(window_size)
    return local_correlation_reference(query, keys, window_size)


def _autocast(*tensors: Tensor) -> tuple[Tensor, ...]:
    device = tensors[0].device.type
    if device not in ("cpu", "cuda") or not torch.is_autocast_enabled(device):
        return tensors
    return tuple(tensor.to(torch.get_autocast_dtype(device)) for tensor in tensors)


def _choose(implementation: str, query: Tensor, gradients: bool) -> str:
    if implementation not in IMPLEMENTATIONS:
        raise ValueError(
            f"implementation must be one of {list(IMPLEMENTATIONS)}, got {implementation!r}"
        )
    choice = choose_implementation(query.device, query.dtype, gradients=gradients)
    if implementation == "auto":
        return choice.name
    if implementation == "fused" and choice.reason:
        raise ValueError(
            f"there is no fused kernel for {query.dtype} on device type '{query.device.type}' "
            f"here: {choice.reason}; or use implementation 'auto'"
        )
    return implementation


def _check_keys(query: Tensor, keys: Tensor) -> None:
    shapes = f"query {tuple(query.shape)} and keys {tuple(keys.shape)}"
    if query.dim() != 4 or keys.dim() != 5:
        raise ValueError(f"expected query (B, Dk, H, W) and keys (B, S, Dk, H, W), got {shapes}")
    batch, key_channels, height, width = query.shape
    frames = keys.shape[1]
    if keys.shape != (batch, frames, key_channels, height, width):
        raise ValueError(
            f"keys must be (B, S, Dk, H, W) with the query's B, Dk, H, W; got {shapes}"
        )
    if query.numel() == 0 or frames == 0:
        raise ValueError(f"there is nothing to read: no dimension may be 0, got {shapes}")
    _check_same("keys", query, keys)


def _check_values(query: Tensor, keys: Tensor, values: Tensor) -> None:
    batch, frames, _, height, width = keys.shape
    fits = values.dim() == 5 and values.shape[2] > 0
    if not fits or values.shape != (batch, frames, values.shape[2], height, width):
        raise ValueError(
            "values must be (B, S, Dv, H, W) with the keys' B, S, H, W; "
            f"got keys {tuple(keys.shape)} and values {tuple(values.shape)}"
        )
    _check_same("values", query, values)


def _check_same(name: str, query: Tensor, memory: Tensor) -> None:
    if memory.dtype != query.dtype:
        raise ValueError(
            f"query and {name} must have one dtype, got {query.dtype} and {memory.dtype}"
        )
    if memory.device != query.device:
        raise ValueError(
            f"query and {name} must be on one device, got {query.device} and {memory.device}"
        )


def _check_window_size(window_size: int | None) -> None:
    if window_size is not None and (window_size < 1 or window_size % 2 == 0):
        raise ValueError(f"window_size must be odd and positive, or None; got {window_size}")
