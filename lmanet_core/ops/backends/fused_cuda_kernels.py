# mypy: allow-untyped-defs, allow-incomplete-defs
"""The Triton kernels of local attention; `fused_cuda` starts them.

A program owns a tile of positions and walks through the halo that the tile can see, some dozen
positions at a step, with matrix products between the two. Positions outside of a window are masked.
Positions outside of the image are never visited: their score and value are 0, so their share of the
softmax is a count.

In what follows `tile` and `halo` are (rows, columns, whether they are in the image) of a number of
positions, `planes` are `Planes`, and probabilities are powers of 2, which the hardware computes.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import NamedTuple

import triton
import triton.language as tl
from torch import Tensor

LOG2_E = tl.constexpr(1.4426950408889634)
INFINITY = tl.constexpr(float("inf"))
# What a maximum starts from: not -inf, whose difference to itself is NaN.
LOWEST = tl.constexpr(-3.0e38)
CAREFUL_STEP = tl.constexpr(16)
CAREFUL_CHANNELS = tl.constexpr(32)


@dataclass(frozen=True)
class Cut:
    """How the work is cut, known when a kernel is compiled.

    Programs own tiles of `tile_rows` x `tile_columns` positions, visit `step` positions of the halo
    at a time, multiply `depth` channels at a time and add up `key_block` or `value_block` channels
    of a result. All but the first three are powers of 2, the last three 16 or more.
    """

    window_size: int
    key_channels: int
    value_channels: int
    tile_rows: int
    tile_columns: int
    step: int
    depth: int
    key_block: int
    value_block: int

    @property
    def radius(self) -> int:
        return self.window_size // 2

    @property
    def tile_size(self) -> int:
        return self.tile_rows * self.tile_columns

    @property
    def halo_columns(self) -> int:
        return self.tile_columns + self.window_size - 1


class Planes(NamedTuple):
    """A tensor (B, S, D, H, W) as a kernel sees it: its start and its strides in elements."""

    start: Tensor
    stream: int
    frame: int
    channel: int
    row: int
    column: int


@triton.jit
def tile_of_program(height, width, cut: tl.constexpr):
    """This program's positions."""
    across = tl.cdiv(width, cut.tile_columns)
    position = tl.arange(0, cut.tile_size)
    rows = tl.program_id(0) // across * cut.tile_rows + position // cut.tile_columns
    columns = tl.program_id(0) % across * cut.tile_columns + position % cut.tile_columns
    return rows, columns, (rows < height) & (columns < width)


@triton.jit
def _halo_bounds(height, width, cut: tl.constexpr):
    """First and one past the last row of the halo, of those in the image, and its first column."""
    across = tl.cdiv(width, cut.tile_columns)
    first_row = tl.program_id(0) // across * cut.tile_rows - cut.radius
    first_column = tl.program_id(0) % across * cut.tile_columns - cut.radius
    end = tl.minimum(first_row + cut.tile_rows + cut.window_size - 1, height)
    return tl.maximum(first_row, 0), end, first_column


@triton.jit
def _steps(bounds, cut: tl.constexpr, step: tl.constexpr):
    """How many steps it takes through the halo."""
    return tl.cdiv((bounds[1] - bounds[0]) * cut.halo_columns, step)


@triton.jit
def _halo(index, bounds, width, cut: tl.constexpr, step: tl.constexpr):
    """The positions of one step through the halo."""
    begin, end, first_column = bounds
    position = index * step + tl.arange(0, step)
    rows = begin + position // cut.halo_columns
    columns = first_column + position % cut.halo_columns
    return rows, columns, (rows < end) & (columns >= 0) & (columns < width)


@triton.jit
def _in_window(tile, halo, cut: tl.constexpr):
    """(tile, halo): which positions of the halo are in the image and in the window of which tile's.

    As unsigned numbers negative distances are huge, so one comparison bounds both sides.
    """
    below = (halo[0][None, :] - (tile[0] - cut.radius)[:, None]).to(tl.uint32)
    right = (halo[1][None, :] - (tile[1] - cut.radius)[:, None]).to(tl.uint32)
    return (below < cut.window_size) & (right < cut.window_size) & halo[2][None, :]


@triton.jit
def _plane(planes, stream, frame):
    """Where one frame starts; in 64 bits, as a batch may exceed 2^31 elements."""
    stream, frame = tl.cast(stream, tl.int64), tl.cast(frame, tl.int64)
    return planes.start + stream * planes.stream + frame * planes.frame


@triton.jit
def _vectors(planes, stream, frame, positions, channels):
    """(positions, channels): addresses."""
    offsets = positions[0] * planes.row + positions[1] * planes.column
    offsets = offsets[:, None] + channels[None, :] * planes.channel
    return _plane(planes, stream, frame) + offsets


@triton.jit
def _load(planes, stream, frame, positions, channels, count: tl.constexpr):
    """(positions, channels): zero where the position or the channel does not exist."""
    exists = positions[2][:, None] & (channels < count)[None, :]
    return tl.load(_vectors(planes, stream, frame, positions, channels), exists, other=0.0)


@triton.jit
def store(planes, result, stream, frame, positions, channels, count: tl.constexpr):
    exists = positions[2][:, None] & (channels < count)[None, :]
    result = result.to(planes.start.dtype.element_ty)
    tl.store(_vectors(planes, stream, frame, positions, channels), result, exists)


@triton.jit
def _numbers(planes, stream, positions):
    """(positions): addresses in a tensor (B, 1, 1, H, W)."""
    return _plane(planes, stream, 0) + positions[0] * planes.row + positions[1] * planes.column


@triton.jit
def _load_numbers(planes, stream, positions):
    return tl.load(_numbers(planes, stream, positions), positions[2], other=0.0)


@triton.jit
def _multiply(left, right, sum):
    """sum + left @ right, with the digits of float32 where the factors have them."""
    return tl.dot(left.to(right.dtype), right, sum, input_precision="ieee")


@triton.jit
def _inner_products(
    ours, our_frame, tile, theirs, their_frame, halo, stream,
    count: tl.constexpr, depth: tl.constexpr,
):  # fmt: skip
    """(tile, halo): products of the channel vectors, at most `depth` channels at a time."""
    block: tl.constexpr = max(16, min(depth, triton.next_power_of_2(count)))
    products = tl.zeros((tile[0].shape[0], halo[0].shape[0]), tl.float32)
    for first in range(0, count, block):
        channels = first + tl.arange(0, block)
        our_vectors = _load(ours, stream, our_frame, tile, channels, count)
        their_vectors = _load(theirs, stream, their_frame, halo, channels, count)
        products = _multiply(our_vectors, tl.trans(their_vectors), products)
    return products


@triton.jit
def _overlap(centers, size, cut: tl.constexpr):
    """How many of the coordinates 0 ... size - 1 lie in the window around each center."""
    begin = tl.maximum(centers - cut.radius, 0)
    end = tl.minimum(centers + cut.radius + 1, size)
    return tl.maximum(end - begin, 0)


@triton.jit
def _is_finite(numbers):
    return tl.abs(numbers) < INFINITY


@triton.jit
def read_memory(
    query, keys, values, stream, frames, height, width, tile, channels, cut: tl.constexpr
):
    """What the tile reads, (tile, channels), and the log2-sum-exp2 (tile) of its scores."""
    bounds = _halo_bounds(height, width, cut)
    steps = _steps(bounds, cut, cut.step)
    in_image = _overlap(tile[0], height, cut) * _overlap(tile[1], width, cut)
    padding = (cut.window_size * cut.window_size - in_image) * frames
    total = padding.to(tl.float32)
    maximum = tl.where(padding > 0, 0.0, LOWEST)
    read = tl.zeros((tile[0].shape[0], channels.shape[0]), tl.float32)
    for index in range(frames * steps):
        frame = index // steps
        halo = _halo(index % steps, bounds, width, cut, cut.step)
        scores = _inner_products(
            query, 0, tile, keys, frame, halo, stream, cut.key_channels, cut.depth
        )
        scores = tl.where(_in_window(tile, halo, cut), scores * LOG2_E, -INFINITY)
        new_maximum = tl.maximum(maximum, tl.max(scores, 1))
        weights = tl.exp2(scores - new_maximum[:, None])
        rescale = tl.exp2(maximum - new_maximum)
        maximum = new_maximum
        total = total * rescale + tl.sum(weights, 1)
        value = _load(values, stream, frame, halo, channels, cut.value_channels)
        read = _multiply(weights, value, read * rescale[:, None])
    return read / total[:, None], maximum + tl.log2(total)


@triton.jit
def _read_around_nan(
    query, keys, values, stream, frames, height, width, tile, channels, normalizer,
    cut: tl.constexpr,
):  # fmt: skip
    """What the tile reads where values are not finite: NaN for those who see one, and only those.

    A matrix product multiplies what a window does not contain by a weight of zero, which does not
    silence a NaN. Here such values stay out of the product, and those who see one are marked.
    """
    bounds = _halo_bounds(height, width, cut)
    steps = _steps(bounds, cut, CAREFUL_STEP)
    read = tl.zeros((tile[0].shape[0], channels.shape[0]), tl.float32)
    seen = tl.zeros((tile[0].shape[0], channels.shape[0]), tl.float32)
    for index in range(frames * steps):
        frame = index // steps
        halo = _halo(index % steps, bounds, width, cut, CAREFUL_STEP)
        visible = _in_window(tile, halo, cut)
        scores = _inner_products(
            query, 0, tile, keys, frame, halo, stream, cut.key_channels, cut.depth
        )
        weights = tl.where(visible, tl.exp2(scores * LOG2_E - normalizer[:, None]), 0.0)
        value = _load(values, stream, frame, halo, channels, cut.value_channels)
        finite = _is_finite(value)
        seen = _multiply(visible, (~finite).to(tl.float16), seen)
        read = _multiply(weights, tl.where(finite, value, 0.0).to(value.dtype), read)
    return tl.where(seen > 0, float("nan"), read)


@triton.jit
def forward_kernel(
    query, keys, values, read, log_sum_exp, frames, height, width, cut: tl.constexpr
):
    """Grid: tiles of queries, blocks of value channels, streams."""
    stream = tl.program_id(2)
    tile = tile_of_program(height, width, cut)
    first_channel = tl.program_id(1) * cut.value_block
    channels = first_channel + tl.arange(0, cut.value_block)
    result, normalizer = read_memory(
        query, keys, values, stream, frames, height, width, tile, channels, cut
    )
    if tl.program_id(1) == 0:
        tl.store(_numbers(log_sum_exp, stream, tile), normalizer / LOG2_E, tile[2])
    if tl.min(_is_finite(result).to(tl.int32)) == 1:
        store(read, result, stream, 0, tile, channels, cut.value_channels)
    else:
        for first in range(0, cut.value_block, CAREFUL_CHANNELS):
            some = first_channel + first + tl.arange(0, CAREFUL_CHANNELS)
            part = _read_around_nan(
                query, keys, values, stream, frames, height, width, tile, some, normalizer, cut
            )
            store(read, part, stream, 0, tile, some, cut.value_channels)


@triton.jit
def grad_query_kernel(
    grad_read, query, keys, values, read, log_sum_exp, mean_grad, grad_query,
    frames, height, width, cut: tl.constexpr,
):  # fmt: skip
    """Grid: tiles of queries, blocks of key channels, streams.

    Also fills `mean_grad`: the mean, by probability, of the gradients of a query's weights, which
    is the product of the reading and its gradient.
    """
    stream = tl.program_id(2)
    tile = tile_of_program(height, width, cut)
    bounds = _halo_bounds(height, width, cut)
    steps = _steps(bounds, cut, cut.step)

    mean = tl.zeros((cut.tile_size,), tl.float32)
    for first in range(0, cut.value_channels, cut.value_block):
        block = first + tl.arange(0, cut.value_block)
        grads = _load(grad_read, stream, 0, tile, block, cut.value_channels).to(tl.float32)
        mean += tl.sum(grads * _load(read, stream, 0, tile, block, cut.value_channels), 1)
    if tl.program_id(1) == 0:
        tl.store(_numbers(mean_grad, stream, tile), mean, tile[2])

    normalizer = _load_numbers(log_sum_exp, stream, tile)
    channels = tl.program_id(1) * cut.key_block + tl.arange(0, cut.key_block)
    result = tl.zeros((cut.tile_size, cut.key_block), tl.float32)
    for index in range(frames * steps):
        frame = index // steps
        halo = _halo(index % steps, bounds, width, cut, cut.step)
        scores = _inner_products(
            query, 0, tile, keys, frame, halo, stream, cut.key_channels, cut.depth
        )
        grad_weights = _inner_products(
            grad_read, 0, tile, values, frame, halo, stream, cut.value_channels, cut.depth
        )
        weights = tl.exp2((scores - normalizer[:, None]) * LOG2_E)
        grad_scores = weights * (grad_weights - mean[:, None])
        grad_scores = tl.where(_in_window(tile, halo, cut), grad_scores, 0.0)
        key = _load(keys, stream, frame, halo, channels, cut.key_channels)
        result = _multiply(grad_scores, key, result)
    store(grad_query, result, stream, 0, tile, channels, cut.key_channels)


@triton.jit
def grad_memory_kernel(
    grad_read, query, keys, values, log_sum_exp, mean_grad, grad_keys, grad_values,
    frames, height, width, cut: tl.constexpr, of_keys: tl.constexpr, of_values: tl.constexpr,
):  # fmt: skip
    """Grid: tiles of the memory, blocks of the gradient's channels, streams * frames.

    Those who see a position of the memory lie in the same window around it, so this walks through
    the queries of the tile's halo. Gradients of keys or of values may be left out.
    """
    stream, frame = tl.program_id(2) // frames, tl.program_id(2) % frames
    tile = tile_of_program(height, width, cut)
    bounds = _halo_bounds(height, width, cut)

    of_key = tl.program_id(1) * cut.key_block + tl.arange(0, cut.key_block)
    of_value = tl.program_id(1) * cut.value_block + tl.arange(0, cut.value_block)
    key_result = tl.zeros((cut.tile_size, cut.key_block), tl.float32)
    value_result = tl.zeros((cut.tile_size, cut.value_block), tl.float32)
    for index in range(_steps(bounds, cut, cut.step)):
        halo = _halo(index, bounds, width, cut, cut.step)
        visible = _in_window(tile, halo, cut)
        scores = _inner_products(
            keys, frame, tile, query, 0, halo, stream, cut.key_channels, cut.depth
        )
        normalizer = _load_numbers(log_sum_exp, stream, halo)
        weights = tl.exp2((scores - normalizer[None, :]) * LOG2_E)
        weights = tl.where(visible, weights, 0.0)
        if of_values:
            grads = _load(grad_read, stream, 0, halo, of_value, cut.value_channels)
            value_result = _multiply(weights, grads, value_result)
        if of_keys:
            mean = _load_numbers(mean_grad, stream, halo)
            grad_weights = _inner_products(
                values, frame, tile, grad_read, 0, halo, stream, cut.value_channels, cut.depth
            )
            grad_scores = tl.where(visible, weights * (grad_weights - mean[None, :]), 0.0)
            queries = _load(query, stream, 0, halo, of_key, cut.key_channels)
            key_result = _multiply(grad_scores, queries, key_result)
    if of_keys:
        store(grad_keys, key_result, stream, frame, tile, of_key, cut.key_channels)
    if of_values:
        store(grad_values, value_result, stream, frame, tile, of_value, cut.value_channels)
