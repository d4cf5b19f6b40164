# mypy: allow-untyped-defs, allow-incomplete-defs
"""The Triton kernels of local attention; `fused_cuda` starts them.

A program owns a tile of positions and walks through the halo that the tile can see, some dozen
positions at a step, with matrix products between the two. Positions outside of a window are masked.
Positions outside of the image are never visited: their score and value are 0, so their share of the
softmax is a count.

In what follows a tensor is an address and its strides in elements, `keys_frame` for example; its
`offsets` are those of positions. `rows`, `columns` and `inside`, whether it is in the image, are a
position's; with `halo_` in front they are those of the halo, without it of the tile. Probabilities
are powers of 2, which the hardware computes. All is spelled out in numbers because releases of
Triton before 3.8 know no aggregates here.
"""

from __future__ import annotations

import triton
import triton.language as tl

LOG2_E = tl.constexpr(1.4426950408889634)
INFINITY = tl.constexpr(float("inf"))
# What a maximum starts from: not -inf, whose difference to itself is NaN.
LOWEST = tl.constexpr(-3.0e38)
CAREFUL_STEP = tl.constexpr(16)
CAREFUL_CHANNELS = tl.constexpr(32)
# Numbers that change from frame to frame or from image to image: kernels are not compiled for them.
VARYING = ["frames", "height", "width"]


@triton.jit
def tile_of_program(height, width, tile_rows: tl.constexpr, tile_columns: tl.constexpr):
    """This program's positions."""
    across = tl.cdiv(width, tile_columns)
    position = tl.arange(0, tile_rows * tile_columns)
    rows = tl.program_id(0) // across * tile_rows + position // tile_columns
    columns = tl.program_id(0) % across * tile_columns + position % tile_columns
    return rows, columns, (rows < height) & (columns < width)


@triton.jit
def _halo_bounds(
    height, width,
    window_size: tl.constexpr, tile_rows: tl.constexpr, tile_columns: tl.constexpr,
):  # fmt: skip
    """First row of the tile's halo in the image, one past its last row, and its first column."""
    across = tl.cdiv(width, tile_columns)
    first_row = tl.program_id(0) // across * tile_rows - window_size // 2
    first_column = tl.program_id(0) % across * tile_columns - window_size // 2
    end = tl.minimum(first_row + tile_rows + window_size - 1, height)
    return tl.maximum(first_row, 0), end, first_column


@triton.jit
def _halo(index, begin, end, first_column, width, across: tl.constexpr, step: tl.constexpr):
    """The positions of one step through the halo, which is `across` columns wide."""
    position = index * step + tl.arange(0, step)
    rows = begin + position // across
    columns = first_column + position % across
    return rows, columns, (rows < end) & (columns >= 0) & (columns < width)


@triton.jit
def _in_window(rows, columns, halo_rows, halo_columns, halo_inside, window_size: tl.constexpr):
    """(tile, halo): which positions of the halo are in the image and in the window of which tile's.

    As unsigned numbers negative distances are huge, so one comparison bounds both sides.
    """
    below = (halo_rows[None, :] - (rows - window_size // 2)[:, None]).to(tl.uint32)
    right = (halo_columns[None, :] - (columns - window_size // 2)[:, None]).to(tl.uint32)
    return (below < window_size) & (right < window_size) & halo_inside[None, :]


@triton.jit
def at(tensor, stream, stride):
    """Where a stream or a frame starts; in 64 bits, as a batch may exceed 2^31 elements."""
    return tensor + stream.to(tl.int64) * stride


@triton.jit
def _elements(offsets, channels, channel):
    """(positions, channels): added up in 32 bits, which takes fewer registers than addresses."""
    return offsets[:, None] + channels[None, :] * channel


@triton.jit
def _load(tensor, offsets, inside, channels, channel, count: tl.constexpr):
    """(positions, channels): zero where the position or the channel does not exist."""
    exists = inside[:, None] & (channels < count)[None, :]
    return tl.load(tensor + _elements(offsets, channels, channel), exists, other=0.0)


@triton.jit
def store(tensor, result, offsets, inside, channels, channel, count: tl.constexpr):
    exists = inside[:, None] & (channels < count)[None, :]
    result = result.to(tensor.dtype.element_ty)
    tl.store(tensor + _elements(offsets, channels, channel), result, exists)


@triton.jit
def _multiply(left, right, sum):
    """sum + left @ right, with the digits of float32 where the factors have them."""
    return tl.dot(left.to(right.dtype), right, sum, input_precision="ieee")


@triton.jit
def _inner_products(
    ours, offsets, inside, channel, theirs, halo_offsets, halo_inside, halo_channel,
    count: tl.constexpr, depth: tl.constexpr,
):  # fmt: skip
    """(tile, halo): products of the channel vectors, `depth` channels at a time."""
    products = tl.zeros((offsets.shape[0], halo_offsets.shape[0]), tl.float32)
    for first in range(0, count, depth):
        channels = first + tl.arange(0, depth)
        our_vectors = _load(ours, offsets, inside, channels, channel, count)
        their_vectors = _load(theirs, halo_offsets, halo_inside, channels, halo_channel, count)
        products = _multiply(our_vectors, tl.trans(their_vectors), products)
    return products


@triton.jit
def _overlap(centers, size, window_size: tl.constexpr):
    """How many of the coordinates 0 ... size - 1 lie in the window around each center."""
    begin = tl.maximum(centers - window_size // 2, 0)
    end = tl.minimum(centers + window_size // 2 + 1, size)
    return tl.maximum(end - begin, 0)


@triton.jit
def _is_finite(numbers):
    return tl.abs(numbers) < INFINITY


@triton.jit
def read_memory(
    query, query_offsets, query_channel,
    keys, keys_frame, keys_channel, keys_row, keys_column,
    values, values_frame, values_channel, values_row, values_column,
    frames, height, width, rows, columns, inside, channels,
    window_size: tl.constexpr, key_channels: tl.constexpr, value_channels: tl.constexpr,
    tile_rows: tl.constexpr, tile_columns: tl.constexpr, step: tl.constexpr,
    key_depth: tl.constexpr,
):  # fmt: skip
    """What the tile reads, (tile, channels), and the log2-sum-exp2 (tile) of its scores."""
    begin, end, first_column = _halo_bounds(height, width, window_size, tile_rows, tile_columns)
    across: tl.constexpr = tile_columns + window_size - 1
    steps = tl.cdiv((end - begin) * across, step)
    in_image = _overlap(rows, height, window_size) * _overlap(columns, width, window_size)
    padding = (window_size * window_size - in_image) * frames
    total = padding.to(tl.float32)
    maximum = tl.where(padding > 0, 0.0, LOWEST)
    read = tl.zeros((rows.shape[0], channels.shape[0]), tl.float32)
    for index in range(frames * steps):
        frame = index // steps
        halo_rows, halo_columns, halo_inside = _halo(
            index % steps, begin, end, first_column, width, across, step
        )
        scores = _inner_products(
            query, query_offsets, inside, query_channel,
            at(keys, frame, keys_frame), halo_rows * keys_row + halo_columns * keys_column,
            halo_inside, keys_channel, key_channels, key_depth,
        )  # fmt: skip
        visible = _in_window(rows, columns, halo_rows, halo_columns, halo_inside, window_size)
        scores = tl.where(visible, scores * LOG2_E, -INFINITY)
        new_maximum = tl.maximum(maximum, tl.max(scores, 1))
        weights = tl.exp2(scores - new_maximum[:, None])
        rescale = tl.exp2(maximum - new_maximum)
        maximum = new_maximum
        total = total * rescale + tl.sum(weights, 1)
        value = _load(
            at(values, frame, values_frame), halo_rows * values_row + halo_columns * values_column,
            halo_inside, channels, values_channel, value_channels,
        )  # fmt: skip
        read = _multiply(weights, value, read * rescale[:, None])
    return read / total[:, None], maximum + tl.log2(total)


@triton.jit
def _read_around_nan(
    query, query_offsets, query_channel,
    keys, keys_frame, keys_channel, keys_row, keys_column,
    values, values_frame, values_channel, values_row, values_column,
    frames, height, width, rows, columns, inside, channels, normalizer,
    window_size: tl.constexpr, key_channels: tl.constexpr, value_channels: tl.constexpr,
    tile_rows: tl.constexpr, tile_columns: tl.constexpr, key_depth: tl.constexpr,
):  # fmt: skip
    """What the tile reads where values are not finite: NaN for those who see one, and only those.

    A matrix product multiplies what a window does not contain by a weight of zero, which does not
    silence a NaN. Here such values stay out of the product, and those who see one are marked.
    """
    begin, end, first_column = _halo_bounds(height, width, window_size, tile_rows, tile_columns)
    across: tl.constexpr = tile_columns + window_size - 1
    steps = tl.cdiv((end - begin) * across, CAREFUL_STEP)
    read = tl.zeros((rows.shape[0], channels.shape[0]), tl.float32)
    seen = tl.zeros((rows.shape[0], channels.shape[0]), tl.float32)
    for index in range(frames * steps):
        frame = index // steps
        halo_rows, halo_columns, halo_inside = _halo(
            index % steps, begin, end, first_column, width, across, CAREFUL_STEP
        )
        scores = _inner_products(
            query, query_offsets, inside, query_channel,
            at(keys, frame, keys_frame), halo_rows * keys_row + halo_columns * keys_column,
            halo_inside, keys_channel, key_channels, key_depth,
        )  # fmt: skip
        visible = _in_window(rows, columns, halo_rows, halo_columns, halo_inside, window_size)
        weights = tl.where(visible, tl.exp2(scores * LOG2_E - normalizer[:, None]), 0.0)
        value = _load(
            at(values, frame, values_frame), halo_rows * values_row + halo_columns * values_column,
            halo_inside, channels, values_channel, value_channels,
        )  # fmt: skip
        finite = _is_finite(value)
        everyone = tl.where(visible, 1.0, 0.0)
        seen = _multiply(everyone, tl.where(finite, 0.0, 1.0).to(tl.float16), seen)
        read = _multiply(weights, tl.where(finite, value, 0.0).to(value.dtype), read)
    return tl.where(seen > 0, float("nan"), read)


@triton.jit(do_not_specialize=VARYING)
def forward_kernel(
    query, query_stream, query_channel, query_row, query_column,
    keys, keys_stream, keys_frame, keys_channel, keys_row, keys_column,
    values, values_stream, values_frame, values_channel, values_row, values_column,
    read, read_stream, read_channel, read_row, read_column,
    log_sum_exp, frames, height, width,
    window_size: tl.constexpr, key_channels: tl.constexpr, value_channels: tl.constexpr,
    tile_rows: tl.constexpr, tile_columns: tl.constexpr, step: tl.constexpr,
    key_depth: tl.constexpr, value_block: tl.constexpr,
):  # fmt: skip
    """Grid: tiles of queries, blocks of value channels, streams."""
    stream = tl.program_id(2)
    query, keys = at(query, stream, query_stream), at(keys, stream, keys_stream)
    values, read = at(values, stream, values_stream), at(read, stream, read_stream)
    rows, columns, inside = tile_of_program(height, width, tile_rows, tile_columns)
    query_offsets = rows * query_row + columns * query_column
    read_offsets = rows * read_row + columns * read_column
    first_channel = tl.program_id(1) * value_block
    channels = first_channel + tl.arange(0, value_block)
    result, normalizer = read_memory(
        query, query_offsets, query_channel,
        keys, keys_frame, keys_channel, keys_row, keys_column,
        values, values_frame, values_channel, values_row, values_column,
        frames, height, width, rows, columns, inside, channels,
        window_size, key_channels, value_channels, tile_rows, tile_columns, step, key_depth,
    )  # fmt: skip
    if tl.program_id(1) == 0:
        numbers = at(log_sum_exp, stream, height * width) + rows * width + columns
        tl.store(numbers, normalizer / LOG2_E, inside)
    if tl.min(_is_finite(result).to(tl.int32)) == 1:
        store(read, result, read_offsets, inside, channels, read_channel, value_channels)
    else:
        for first in range(0, value_block, CAREFUL_CHANNELS):
            some = first_channel + first + tl.arange(0, CAREFUL_CHANNELS)
            part = _read_around_nan(
                query, query_offsets, query_channel,
                keys, keys_frame, keys_channel, keys_row, keys_column,
                values, values_frame, values_channel, values_row, values_column,
                frames, height, width, rows, columns, inside, some, normalizer,
                window_size, key_channels, value_channels, tile_rows, tile_columns, key_depth,
            )  # fmt: skip
            store(read, part, read_offsets, inside, some, read_channel, value_channels)


@triton.jit(do_not_specialize=VARYING)
def grad_query_kernel(
    grad_read, grad_read_stream, grad_read_channel, grad_read_row, grad_read_column,
    query, query_stream, query_channel, query_row, query_column,
    keys, keys_stream, keys_frame, keys_channel, keys_row, keys_column,
    values, values_stream, values_frame, values_channel, values_row, values_column,
    read, read_stream, read_channel, read_row, read_column,
    grad_query, grad_query_stream, grad_query_channel, grad_query_row, grad_query_column,
    log_sum_exp, mean_grad, frames, height, width,
    window_size: tl.constexpr, key_channels: tl.constexpr, value_channels: tl.constexpr,
    tile_rows: tl.constexpr, tile_columns: tl.constexpr, step: tl.constexpr,
    key_depth: tl.constexpr, value_depth: tl.constexpr,
    key_block: tl.constexpr, value_block: tl.constexpr,
):  # fmt: skip
    """Grid: tiles of queries, blocks of key channels, streams.

    Also fills `mean_grad`: the mean, by probability, of the gradients of a query's weights, which
    is the product of the reading and its gradient.
    """
    stream = tl.program_id(2)
    query, keys = at(query, stream, query_stream), at(keys, stream, keys_stream)
    values, read = at(values, stream, values_stream), at(read, stream, read_stream)
    grad_read = at(grad_read, stream, grad_read_stream)
    grad_query = at(grad_query, stream, grad_query_stream)
    rows, columns, inside = tile_of_program(height, width, tile_rows, tile_columns)
    query_offsets = rows * query_row + columns * query_column
    read_offsets = rows * read_row + columns * read_column
    grad_offsets = rows * grad_read_row + columns * grad_read_column
    begin, end, first_column = _halo_bounds(height, width, window_size, tile_rows, tile_columns)
    across: tl.constexpr = tile_columns + window_size - 1
    steps = tl.cdiv((end - begin) * across, step)

    mean = tl.zeros((tile_rows * tile_columns,), tl.float32)
    for first in range(0, value_channels, value_block):
        block = first + tl.arange(0, value_block)
        grads = _load(grad_read, grad_offsets, inside, block, grad_read_channel, value_channels)
        reads = _load(read, read_offsets, inside, block, read_channel, value_channels)
        mean += tl.sum(grads.to(tl.float32) * reads, 1)
    numbers = rows * width + columns
    if tl.program_id(1) == 0:
        tl.store(at(mean_grad, stream, height * width) + numbers, mean, inside)

    normalizer = tl.load(at(log_sum_exp, stream, height * width) + numbers, inside, other=0.0)
    channels = tl.program_id(1) * key_block + tl.arange(0, key_block)
    result = tl.zeros((tile_rows * tile_columns, key_block), tl.float32)
    for index in range(frames * steps):
        frame = index // steps
        halo_rows, halo_columns, halo_inside = _halo(
            index % steps, begin, end, first_column, width, across, step
        )
        frame_keys = at(keys, frame, keys_frame)
        keys_offsets = halo_rows * keys_row + halo_columns * keys_column
        scores = _inner_products(
            query, query_offsets, inside, query_channel,
            frame_keys, keys_offsets, halo_inside, keys_channel, key_channels, key_depth,
        )  # fmt: skip
        grad_weights = _inner_products(
            grad_read, grad_offsets, inside, grad_read_channel,
            at(values, frame, values_frame), halo_rows * values_row + halo_columns * values_column,
            halo_inside, values_channel, value_channels, value_depth,
        )  # fmt: skip
        weights = tl.exp2((scores - normalizer[:, None]) * LOG2_E)
        grad_scores = weights * (grad_weights - mean[:, None])
        visible = _in_window(rows, columns, halo_rows, halo_columns, halo_inside, window_size)
        grad_scores = tl.where(visible, grad_scores, 0.0)
        key = _load(frame_keys, keys_offsets, halo_inside, channels, keys_channel, key_channels)
        result = _multiply(grad_scores, key, result)
    offsets = rows * grad_query_row + columns * grad_query_column
    store(grad_query, result, offsets, inside, channels, grad_query_channel, key_channels)


@triton.jit(do_not_specialize=VARYING)
def grad_memory_kernel(
    grad_read, grad_read_stream, grad_read_channel, grad_read_row, grad_read_column,
    query, query_stream, query_channel, query_row, query_column,
    keys, keys_stream, keys_frame, keys_channel, keys_row, keys_column,
    values, values_stream, values_frame, values_channel, values_row, values_column,
    grad_keys, grad_keys_stream, grad_keys_frame, grad_keys_channel,
    grad_keys_row, grad_keys_column,
    grad_values, grad_values_stream, grad_values_frame, grad_values_channel,
    grad_values_row, grad_values_column,
    log_sum_exp, mean_grad, frames, height, width,
    window_size: tl.constexpr, key_channels: tl.constexpr, value_channels: tl.constexpr,
    tile_rows: tl.constexpr, tile_columns: tl.constexpr, step: tl.constexpr,
    key_depth: tl.constexpr, value_depth: tl.constexpr,
    key_block: tl.constexpr, value_block: tl.constexpr,
    of_keys: tl.constexpr, of_values: tl.constexpr,
):  # fmt: skip
    """Grid: tiles of the memory, blocks of the gradient's channels, streams * frames.

    Those who see a position of the memory lie in the same window around it, so this walks through
    the queries of the tile's halo. Gradients of keys or of values may be left out.
    """
    stream, frame = tl.program_id(2) // frames, tl.program_id(2) % frames
    query, grad_read = at(query, stream, query_stream), at(grad_read, stream, grad_read_stream)
    log_sum_exp = at(log_sum_exp, stream, height * width)
    mean_grad = at(mean_grad, stream, height * width)
    keys = at(at(keys, stream, keys_stream), frame, keys_frame)
    values = at(at(values, stream, values_stream), frame, values_frame)
    rows, columns, inside = tile_of_program(height, width, tile_rows, tile_columns)
    keys_offsets = rows * keys_row + columns * keys_column
    values_offsets = rows * values_row + columns * values_column
    begin, end, first_column = _halo_bounds(height, width, window_size, tile_rows, tile_columns)
    across: tl.constexpr = tile_columns + window_size - 1

    of_key = tl.program_id(1) * key_block + tl.arange(0, key_block)
    of_value = tl.program_id(1) * value_block + tl.arange(0, value_block)
    key_result = tl.zeros((tile_rows * tile_columns, key_block), tl.float32)
    value_result = tl.zeros((tile_rows * tile_columns, value_block), tl.float32)
    for index in range(tl.cdiv((end - begin) * across, step)):
        halo_rows, halo_columns, halo_inside = _halo(
            index, begin, end, first_column, width, across, step
        )
        visible = _in_window(rows, columns, halo_rows, halo_columns, halo_inside, window_size)
        query_offsets = halo_rows * query_row + halo_columns * query_column
        grad_offsets = halo_rows * grad_read_row + halo_columns * grad_read_column
        scores = _inner_products(
            keys, keys_offsets, inside, keys_channel,
            query, query_offsets, halo_inside, query_channel, key_channels, key_depth,
        )  # fmt: skip
        numbers = halo_rows * width + halo_columns
        normalizer = tl.load(log_sum_exp + numbers, halo_inside, other=0.0)
        weights = tl.exp2((scores - normalizer[None, :]) * LOG2_E)
        weights = tl.where(visible, weights, 0.0)
        if of_values:
            grads = _load(
                grad_read, grad_offsets, halo_inside, of_value, grad_read_channel, value_channels
            )
            value_result = _multiply(weights, grads, value_result)
        if of_keys:
            mean = tl.load(mean_grad + numbers, halo_inside, other=0.0)
            grad_weights = _inner_products(
                values, values_offsets, inside, values_channel,
                grad_read, grad_offsets, halo_inside, grad_read_channel,
                value_channels, value_depth,
            )  # fmt: skip
            grad_scores = tl.where(visible, weights * (grad_weights - mean[None, :]), 0.0)
            queries = _load(query, query_offsets, halo_inside, of_key, query_channel, key_channels)
            key_result = _multiply(grad_scores, queries, key_result)
    if of_keys:
        grad_keys = at(at(grad_keys, stream, grad_keys_stream), frame, grad_keys_frame)
        offsets = rows * grad_keys_row + columns * grad_keys_column
        store(grad_keys, key_result, offsets, inside, of_key, grad_keys_channel, key_channels)
    if of_values:
        grad_values = at(at(grad_values, stream, grad_values_stream), frame, grad_values_frame)
        offsets = rows * grad_values_row + columns * grad_values_column
        store(
            grad_values, value_result, offsets, inside, of_value, grad_values_channel,
            value_channels,
        )  # fmt: skip
