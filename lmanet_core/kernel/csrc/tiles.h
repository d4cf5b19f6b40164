// How an image is cut into tiles, and what a tile sees of a row.
#pragma once

#include "arrays.h"
#include "vectors.h"

namespace {

struct Tile;

// How the locations of an image are cut into tiles, and the sizes that follow.
template <typename T> struct Tiling {
  static constexpr int64_t lanes = Simd<T>::lanes;
  // Accumulators of a tile beyond this size would leave the second-level cache.
  static constexpr int64_t kAccumulatorBytes = 1 << 18;

  int64_t height, width, window, radius;
  int64_t rows = 4, columns = 16;       // locations of a tile
  int64_t band, band_stride;            // columns that a block sees
  int64_t halo_columns, planar_stride;  // columns that a tile sees

  Tiling(const LmanetProblem &problem, int64_t accumulated_channels)
      : height(problem.height), width(problem.width), window(problem.window_size),
        radius(window / 2) {
    while (rows * columns * accumulated_channels * int64_t(sizeof(T)) > kAccumulatorBytes &&
           rows * columns > kBlock)
      rows > 1 ? rows /= 2 : columns /= 2;
    band = window + kBlock - 1;
    band_stride = round_up(band, lanes);
    halo_columns = columns + window - 1;
    // The last block's band is read in whole vectors.
    planar_stride = round_up(columns - kBlock + band_stride, lanes);
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

  template <typename T>
  Tile(const Tiling<T> &tiling, int64_t number)
      : top(number / tiling.tile_columns() * tiling.rows),
        bottom(std::min(top + tiling.rows, tiling.height)),
        left(number % tiling.tile_columns() * tiling.columns),
        columns(std::min(tiling.columns, tiling.width - left)) {}

  int64_t blocks() const { return (columns + kBlock - 1) / kBlock; }
};

// The columns that the tile's blocks see: whole blocks, also where the image ends within one.
template <typename T> Span Tiling<T>::columns_seen(const Tile &tile) const {
  return {tile.left - radius, tile.blocks() * kBlock + window - 1, width};
}

// The rows of the image that the tile sees.
template <typename T> int64_t Tiling<T>::first_row_seen(const Tile &tile) const {
  return std::max<int64_t>(tile.top - radius, 0);
}
template <typename T> int64_t Tiling<T>::end_of_rows_seen(const Tile &tile) const {
  return std::min(tile.bottom + radius, height);
}

// mask[i][x]: whether column x of the band lies in the window of the block's member i.
template <typename T> Scratch<typename Simd<T>::Integer> window_mask(const Tiling<T> &tiling) {
  Scratch<typename Simd<T>::Integer> mask(kBlock * tiling.band_stride);
  for (int64_t i = 0; i < kBlock; ++i)
    for (int64_t x = 0; x < tiling.band_stride; ++x)
      mask.get()[i * tiling.band_stride + x] = x >= i && x < i + tiling.window ? -1 : 0;
  return mask;
}

// A row's locations as blocks: to[block][c][i].
template <typename E, typename T>
void copy_blocks(const Array<E> &array, E *row, int64_t channels, const Tile &tile,
                 int64_t width, T *to) {
  for (int64_t block = 0; block < tile.blocks(); ++block) {
    const Span span{tile.left + block * kBlock, kBlock, width};
    copy_row(array, row, channels, span, to + block * channels * kBlock, kBlock, 1);
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

template <typename E, typename T>
void planar_row(const Array<E> &array, E *row, int64_t channels, Span span, T *copy,
                int64_t stride) {
  copy_row(array, row, channels, span, copy, stride, 1);
  // Vectors reach beyond the columns; what is left there must not look like a new maximum.
  for (int64_t c = 0; c < channels; ++c)
    std::fill(copy + c * stride + span.count, copy + (c + 1) * stride, T(0));
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
