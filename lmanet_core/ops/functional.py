"""The public operator: argument checks and the choice of an implementation live here, only."""

from __future__ import annotations

from torch import Tensor

from lmanet_core.ops.dense import global_attention
from lmanet_core.ops.reference import local_attention_reference
from lmanet_core.ops.tiled import local_attention_tiled

_IMPLEMENTATIONS = {
    "tiled": local_attention_tiled,
    "reference": local_attention_reference,
}
IMPLEMENTATIONS = tuple(_IMPLEMENTATIONS)
"""Names that `local_attention` accepts as `implementation`, the default first."""


def local_attention(
    query: Tensor,
    keys: Tensor,
    values: Tensor,
    window_size: int | None,
    *,
    implementation: str = "tiled",
) -> Tensor:
    """Read the memory: every location attends to a window around it in all S frames.

        score[t,d](p) = <query(p), keys[t](p + d)>,   d in {-h..h}^2,  h = (window_size - 1) / 2
        read(p) = sum_{t,d} softmax_{t,d}(score)(p) * values[t](p + d)

    The memory is zero-padded: a position outside of the image has score 0 and value 0 and *counts*
    in the softmax. Scores are not scaled. With `window_size=None` every location attends to
    every other (the paper's global form), and scores are scaled by 1/sqrt(Dk).

    Args:
        query: (B, Dk, H, W).
        keys: (B, S, Dk, H, W), S >= 1, in any order of frames.
        values: (B, S, Dv, H, W).
        window_size: side of the window in feature map cells, odd, or None.
        implementation: one of `IMPLEMENTATIONS`; ignored by the global form, which has just one.

    Returns:
        (B, Dv, H, W), of the query's dtype.

    Raises:
        ValueError: shapes, window, devices or dtypes do not fit each other.

    Source: Paul et al., IROS 2021, section III-B; border and scale as in the authors' code.
    """
    _check_arguments(query, keys, values, window_size)
    if window_size is None:
        return global_attention(query, keys, values)
    if implementation not in _IMPLEMENTATIONS:
        raise ValueError(
            f"implementation must be one of {list(IMPLEMENTATIONS)}, got {implementation!r}"
        )
    return _IMPLEMENTATIONS[implementation](query, keys, values, window_size)


def _check_arguments(query: Tensor, keys: Tensor, values: Tensor, window_size: int | None) -> None:
    shapes = f"query {tuple(query.shape)}, keys {tuple(keys.shape)}, values {tuple(values.shape)}"
    if query.dim() != 4 or keys.dim() != 5 or values.dim() != 5:
        raise ValueError(
            "expected query (B, Dk, H, W), keys (B, S, Dk, H, W) and values (B, S, Dv, H, W), "
            f"got {shapes}"
        )
    batch, key_channels, height, width = query.shape
    frames = keys.shape[1]
    if keys.shape != (batch, frames, key_channels, height, width):
        raise ValueError(
            f"keys must be (B, S, Dk, H, W) with the query's B, Dk, H, W; got {shapes}"
        )
    if values.shape[:2] != (batch, frames) or values.shape[3:] != (height, width):
        raise ValueError(f"values must be (B, S, Dv, H, W) with the keys' B, S, H, W; got {shapes}")
    if frames == 0:
        raise ValueError("the memory holds no frame (S = 0); there is nothing to read")
    if not query.dtype == keys.dtype == values.dtype:
        raise ValueError(
            "query, keys and values must have one dtype, "
            f"got {query.dtype}, {keys.dtype} and {values.dtype}"
        )
    if not query.device == keys.device == values.device:
        raise ValueError(
            "query, keys and values must be on one device, "
            f"got {query.device}, {keys.device} and {values.device}"
        )
    if window_size is not None and (window_size < 1 or window_size % 2 == 0):
        raise ValueError(f"window_size must be odd and positive, or None; got {window_size}")
