// How an image is cut into tiles, and what a tile sees of a row.
#pragma once

#include "arrays.h"
#include "pairs.h"
#include "vectors.h"

namespace {

struct Tile;

// How the locations of an image are cut into tiles, and the sizes that follow.
template <typename T> struct Tiling {
  static constexpr int64_t lanes = Simd<T>::lanes;
  // Accumulators of a tile beyond this size would leave the second-level cache.
  static constexpr int64_t kAccumulatorBytes = 1 << 18;

  int64_t height, width, window, radius;
  int64_t rows, columns;                // locations of a tile
  int64_t block_columns;                // of a block
  int64_t band, band_stride;            // columns that a block sees
  int64_t halo_columns, planar_stride;  // columns that a tile sees

  Tiling(const LmanetProblem &problem, int64_t accumulated_channels, int64_t block_rows = 1,
         int64_t block_columns = kBlock, int64_t most_rows = 4, int64_t most_columns = 16)
      : height(problem.height), width(problem.width), window(problem.window_size),
        radius(window / 2), rows(most_rows), columns(most_columns), block_columns(block_columns) {
    while (rows * columns * accumulated_channels * int64_t(sizeof(T)) > kAccumulatorBytes &&
           rows * columns > block_rows * block_columns)
      rows > block_rows ? rows /= 2 : columns /= 2;
    band = window + block_columns - 1;
    band_stride = round_up(band, lanes);
    halo_columns = columns + window - 1;
    // The last block's band is read in whole vectors.
    planar_stride = round_up(columns - block_columns + band_stride, lanes);
  }

  int64_t tile_rows() const { return (height + rows - 1) / rows; }
  int64_t tile_columns() const { return (width + columns - 1) / columns; }
  int64_t tiles() const { return tile_rows() * tile_columns(); }
  Span columns_seen(const Tile &tile) const;
  int64_t first_row_seen(const Tile &tile) const;
  int64_t end_of_rows_seen(const Tile &tile) const;
};

struct Tile {
  int64_t top, bottom, left, columns; // rows top .. bottom - 1
  int64_t block_columns;

  template <typename T>
  Tile(const Tiling<T> &tiling, int64_t number)
      : top(number / tiling.tile_columns() * tiling.rows),
        bottom(std::min(top + tiling.rows, tiling.height)),
        left(number % tiling.tile_columns() * tiling.columns),
        columns(std::min(tiling.columns, tiling.width - left)),
        block_columns(tiling.block_columns) {}

  int64_t blocks() const { return (columns + block_columns - 1) / block_columns; }
};

// The columns that the tile's blocks see: whole blocks, also where the image ends within one.
template <typename T> Span Tiling<T>::columns_seen(const Tile &tile) const {
  return {tile.left - radius, tile.blocks() * block_columns + window - 1, width};
}

// The rows of the image that the tile sees.
template <typename T> int64_t Tiling<T>::first_row_seen(const Tile &tile) const {
  return std::max<int64_t>(tile.top - radius, 0);
}
template <typename T> int64_t Tiling<T>::end_of_rows_seen(const Tile &tile) const {
  return std::min(tile.bottom + radius, height);
}

// mask[i][x]: whether column x of the band lies in the window of the block's column i.
template <typename T> Scratch<typename Simd<T>::Integer> window_mask(const Tiling<T> &tiling) {
  Scratch<typename Simd<T>::Integer> mask(tiling.block_columns * tiling.band_stride);
  for (int64_t i = 0; i < tiling.block_columns; ++i)
    for (int64_t x = 0; x < tiling.band_stride; ++x)
      mask.get()[i * tiling.band_stride + x] = x >= i && x < i + tiling.window ? -1 : 0;
  return mask;
}

// How many operands hold so many channels.
template <typename O> constexpr int64_t planes(int64_t channels) {
  return (channels + Packing<O>::numbers - 1) / Packing<O>::numbers;
}

// The channels of a location that the operand number c holds; what is beyond the last one is 0.
template <typename O, typename E>
O pack_channels(const E *from, int64_t channel_stride, int64_t c, int64_t channels) {
  if constexpr (Packing<O>::numbers == 1)
    return to_compute(from[c * channel_stride]);
  else
    return from[2 * c * channel_stride].bits |
           (2 * c + 1 < channels ? Pair(from[(2 * c + 1) * channel_stride].bits) << 16 : 0);
}

// The length of the longest of `count` vectors from[plane * stride + x]; infinite where one is not
// finite.
template <typename T, typename O>
T longest(const O *from, int64_t planes, int64_t stride, int64_t count) {
  constexpr int64_t lanes = Simd<T>::lanes;
  T longest = 0;
  for (int64_t x = 0; x < count; x += lanes) {
    Vector<T> squares = {};
    for (int64_t c = 0; c < planes; ++c) {
      Vector<O> numbers = {};
      std::memcpy(&numbers, from + c * stride + x,
                  std::min(lanes, count - x) * int64_t(sizeof(O)));
      add_product(squares, numbers, numbers);
    }
    for (int64_t lane = 0; lane < lanes; ++lane) {
      if (!(squares[lane] <= std::numeric_limits<T>::max()))
        return std::numeric_limits<T>::infinity();
      longest = std::max(longest, squares[lane]);
    }
  }
  return std::sqrt(longest);
}

// Copy a piece of a row to to[c * stride + x]; zeros outside.
template <typename E, typename T>
void copy_planes(const Array<E> &array, E *row, int64_t channels, Span span, T *to,
                 int64_t stride) {
  copy_row(array, row, channels, span, to, stride, 1);
}

// The same as pairs of channels, to[c / 2 * stride + x]; zeros beside a last channel that is alone.
inline void copy_planes(const Array<const Bfloat16> &array, const Bfloat16 *row, int64_t channels,
                        Span span, Pair *to, int64_t stride) {
  const int64_t begin = span.begin(), end = span.end();
  for (int64_t c = 0; c < channels; c += 2, to += stride) {
    const Bfloat16 *from = row + span.first * array.column + c * array.channel;
    std::fill(to, to + begin, 0);
    std::fill(to + end, to + span.count, 0);
    if (c + 1 == channels)
      for (int64_t x = begin; x < end; ++x)
        to[x] = from[x * array.column].bits;
    else if (array.channel == 1) // one load
      for (int64_t x = begin; x < end; ++x)
        std::memcpy(&to[x], &from[x * array.column], sizeof(Pair));
    else
      for (int64_t x = begin; x < end; ++x)
        to[x] = from[x * array.column].bits |
                Pair(from[x * array.column + array.channel].bits) << 16;
  }
}

// A row's locations as blocks: to[block][c][i].
template <typename E, typename O>
void copy_blocks(const Array<E> &array, E *row, int64_t channels, const Tile &tile,
                 int64_t width, O *to) {
  for (int64_t block = 0; block < tile.blocks(); ++block) {
    const Span span{tile.left + block * kBlock, kBlock, width};
    copy_planes(array, row, channels, span, to + block * planes<O>(channels) * kBlock, kBlock);
  }
}

// The memory or query row that a tile sees, with its channels innermost: the array itself if that
// can be read as it is, otherwise a copy.
template <typename E, typename T>
const T *interleaved_row(const Array<E> &array, E *row, int64_t channels, Span span, T *copy,
                         int64_t &stride) {
  constexpr int64_t lanes = Simd<T>::lanes;
  if constexpr (std::is_same_v<std::remove_const_t<E>, T>)
    if (array.channel == 1 && span.inside() && channels % lanes == 0) {
      stride = array.column;
      return row + span.first * array.column;
    }
  stride = round_up(channels, lanes);
  for (int64_t x = 0; x < span.count; ++x)
    std::fill(copy + x * stride + channels, copy + (x + 1) * stride, T(0));
  copy_row(array, row, channels, span, copy, 1, stride);
  return copy;
}

// Numbers of 16 bits, each in the lower half of a pair.
inline Vector<Pair> widen(const uint16_t *from) {
#ifdef PAIR_INSTRUCTIONS
  return (Vector<Pair>)_mm512_cvtepu16_epi32(_mm256_loadu_si256((const __m256i *)from));
#else
  typedef uint16_t Halves __attribute__((vector_size(VECTOR_BYTES / 2)));
  Halves halves;
  std::memcpy(&halves, from, sizeof halves);
  return __builtin_convertvector(halves, Vector<Pair>);
#endif
}

// The same as pairs of columns, copy[x / 2 * stride + c]; zeros beyond the channels, too.
inline const Pair *interleaved_row(const Array<const Bfloat16> &array, const Bfloat16 *row,
                                   int64_t channels, Span span, Pair *copy, int64_t &stride) {
  stride = round_up(channels, Simd<Pair>::lanes);
  // The columns that are inside; what stands for others is any of them, not kept.
  const int64_t begin = span.begin(), last = span.end() - 1;
  const auto column = [&](int64_t x) {
    return row + (span.first + std::clamp(x, begin, last)) * array.column;
  };
  for (int64_t x = 0; x < span.count; x += 2) {
    Pair *to = copy + x / 2 * stride;
    const Bfloat16 *first = column(x), *second = column(x + 1);
    const Pair kept = (begin <= x && x <= last ? kFirstHalf : 0) |
                      (begin <= x + 1 && x + 1 <= last ? kSecondHalf : 0);
    int64_t c = 0;
    if (array.channel == 1) {
      constexpr int64_t lanes = Simd<Pair>::lanes;
      for (; c + lanes <= channels; c += lanes)
        store(to + c, (widen(&first[c].bits) | widen(&second[c].bits) << 16) & kept);
    }
    for (; c < channels; ++c)
      to[c] = (first[c * array.channel].bits | Pair(second[c * array.channel].bits) << 16) & kept;
    std::fill(to + channels, to + stride, 0);
  }
  return copy;
}

template <typename E, typename O>
void planar_row(const Array<E> &array, E *row, int64_t channels, Span span, O *copy,
                int64_t stride) {
  copy_planes(array, row, channels, span, copy, stride);
  // Vectors reach beyond the columns; what is left there must not look like a new maximum.
  for (int64_t c = 0; c < planes<O>(channels); ++c)
    std::fill(copy + c * stride + span.count, copy + (c + 1) * stride, O(0));
}

// Run `run_tile(batch, tile, workspace)` for all tiles in as many threads as the problem asks for.
template <typename Pass, typename T>
void run_tiles(const Pass &pass, const LmanetProblem &problem, const Tiling<T> &tiling) {
#pragma omp parallel num_threads(problem.threads)
  {
    typename Pass::Workspace work(pass);
#pragma omp for schedule(dynamic)
    for (int64_t n = 0; n < problem.batch * tiling.tiles(); ++n)
      pass.run_tile(n / tiling.tiles(), Tile(tiling, n % tiling.tiles()), work);
  }
}

} // namespace
