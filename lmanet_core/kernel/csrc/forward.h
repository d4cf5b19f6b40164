// The forward pass: an online softmax between the two products.
#pragma once

#include "arrays.h"
#include "pairs.h"
#include "products.h"
#include "tiles.h"
#include "vectors.h"

namespace {

// Running softmax of a block of queries.
template <typename T> struct Softmax {
  // Scores may exceed the maximum so far by this much before the sums are scaled down: they stay
  // far from overflow, and scaling becomes rare.
  static constexpr T kSlack = 8;

  T maximum[kBlock];
  T total[kBlock][Simd<T>::lanes];

  void clear() {
    std::fill_n(maximum, kBlock, -std::numeric_limits<T>::infinity());
    std::fill_n(&total[0][0], kBlock * Simd<T>::lanes, T(0));
  }

  // Let query i's sums refer to a higher maximum.
  void raise(int64_t i, T higher, T *out, int64_t out_stride) {
    const T scale = std::exp(maximum[i] - higher);
    for (T &lane : total[i])
      lane *= scale;
    for (int64_t c = 0; c < out_stride; ++c)
      out[i * out_stride + c] *= scale;
    maximum[i] = higher;
  }

  // Turn a band of scores into weights relative to the maximum, which rises where it must. Weights
  // of what a query does not see are 0.
  template <typename O>
  void update(const T *scores, const Tiling<T> &tiling, const typename Simd<T>::Integer *mask,
              O *weights, T *out, int64_t out_stride) {
    constexpr int64_t lanes = Simd<T>::lanes;
    const int64_t stride = tiling.band_stride;
    Mask<T> exceeds = {};
    for (int64_t i = 0; i < kBlock; ++i)
      for (int64_t x = 0; x < stride; x += lanes)
        exceeds |= load(scores + i * stride + x) > broadcast(maximum[i] + kSlack);
    if (__builtin_expect(any<T>(exceeds), 0))
      raise_where_needed(scores, tiling, out, out_stride);
    for (int64_t i = 0; i < kBlock; ++i) {
      Vector<T> weights_total = load(total[i]);
      for (int64_t x = 0; x < stride; x += lanes) {
        const int64_t at = i * stride + x;
        const Vector<T> seen = keep<T>(
            Packing<O>::weights(load(scores + at) - broadcast(maximum[i])), mask + at);
        store_packed(weights + at / Packing<O>::numbers, seen);
        weights_total += seen;
      }
      store(total[i], weights_total);
    }
  }

private:
  void raise_where_needed(const T *scores, const Tiling<T> &tiling, T *out, int64_t out_stride) {
    for (int64_t i = 0; i < kBlock; ++i) {
      T highest = maximum[i];
      for (int64_t x = i; x < i + tiling.window; ++x)
        highest = std::max(highest, scores[i * tiling.band_stride + x]);
      if (highest > maximum[i])
        raise(i, highest, out, out_stride);
    }
  }
};

// O: what its products are made of, numbers or pairs of them.
template <typename E, typename O> struct Forward {
  using T = Compute<E>;

  const LmanetProblem &problem;
  Array<const E> query, keys, values;
  Array<E> read;
  Array<T> log_sum_exp;
  int64_t value_stride = round_up(problem.value_channels, Simd<T>::lanes);
  int64_t key_planes = planes<O>(problem.key_channels);
  Tiling<T> tiling{problem, value_stride};
  Scratch<typename Simd<T>::Integer> mask = window_mask(tiling);

  struct Workspace {
    Scratch<O> queries, key_row, value_row, weights;
    Scratch<T> scores, out;
    Scratch<Softmax<T>> softmax;

    explicit Workspace(const Forward &f)
        : queries(f.tiling.rows * f.tiling.columns * f.key_planes),
          key_row(f.key_planes * f.tiling.planar_stride),
          value_row(planes<O>(f.tiling.halo_columns) * f.value_stride),
          weights(kBlock * planes<O>(f.tiling.band_stride)),
          scores(kBlock * f.tiling.band_stride),
          out(f.tiling.rows * f.tiling.columns * f.value_stride),
          softmax(f.tiling.rows * f.tiling.columns / kBlock) {}
  };

  int64_t block_number(int64_t row, int64_t block) const {
    return row * (tiling.columns / kBlock) + block;
  }

  void run_tile(int64_t b, const Tile &tile, Workspace &work) const {
    start(b, tile, work);
    const Span seen = tiling.columns_seen(tile);
    for (int64_t t = 0; t < problem.frames; ++t) {
      for (int64_t r = tiling.first_row_seen(tile); r < tiling.end_of_rows_seen(tile); ++r) {
        planar_row(keys, keys.at(b, t, r), problem.key_channels, seen, work.key_row.get(),
                   tiling.planar_stride);
        int64_t stride;
        const O *value_row = interleaved_row(values, values.at(b, t, r), problem.value_channels,
                                             seen, work.value_row.get(), stride);
        read_row(tile, r, value_row, stride, work);
      }
    }
    finish(b, tile, work);
  }

  void start(int64_t b, const Tile &tile, Workspace &work) const {
    for (int64_t y = tile.top; y < tile.bottom; ++y)
      copy_blocks(query, query.at(b, 0, y), problem.key_channels, tile, problem.width,
                  work.queries.get() + (y - tile.top) * tiling.columns * key_planes);
    std::fill_n(work.out.get(), tiling.rows * tiling.columns * value_stride, T(0));
    for (int64_t n = 0; n < tiling.rows * tiling.columns / kBlock; ++n)
      work.softmax.get()[n].clear();
  }

  // Let all queries of the tile that see memory row r read it.
  void read_row(const Tile &tile, int64_t r, const O *value_row, int64_t value_row_stride,
                Workspace &work) const {
    const int64_t first = std::max(tile.top, r - tiling.radius);
    const int64_t end = std::min(tile.bottom, r + tiling.radius + 1);
    const int64_t weight_stride = tiling.band_stride / Packing<O>::numbers;
    const int64_t block_stride = kBlock / Packing<O>::numbers * value_row_stride;
    for (int64_t y = first; y < end; ++y)
      for (int64_t block = 0; block < tile.blocks(); ++block) {
        const int64_t number = block_number(y - tile.top, block);
        T *out = work.out.get() + number * kBlock * value_stride;
        correlate(work.queries.get() + number * kBlock * key_planes, key_planes,
                  work.key_row.get() + block * kBlock, tiling.planar_stride, tiling.band,
                  work.scores.get(), tiling.band_stride);
        work.softmax.get()[number].update(work.scores.get(), tiling, mask.get(),
                                          work.weights.get(), out, value_stride);
        accumulate(work.weights.get(), weight_stride, tiling.window,
                   value_row + block * block_stride, value_row_stride, out, value_stride,
                   value_stride);
      }
  }

  // Count the rows outside of the image, normalise, write.
  void finish(int64_t b, const Tile &tile, Workspace &work) const {
    for (int64_t y = tile.top; y < tile.bottom; ++y) {
      const int64_t rows_outside = std::max<int64_t>(tiling.radius - y, 0) +
                                   std::max<int64_t>(y + tiling.radius - problem.height + 1, 0);
      const T padding = T(problem.frames * rows_outside * tiling.window);
      E *read_row = read.at(b, 0, y) + tile.left * read.column;
      for (int64_t x = 0; x < tile.columns; ++x) {
        const int64_t number = block_number(y - tile.top, x / kBlock), i = x % kBlock;
        Softmax<T> &softmax = work.softmax.get()[number];
        T *out = work.out.get() + number * kBlock * value_stride;
        if (padding > 0 && softmax.maximum[i] < 0)
          softmax.raise(i, 0, out, value_stride);
        T total = sum<T>(load(softmax.total[i]));
        if (padding > 0)
          total += padding * std::exp(-softmax.maximum[i]);
        const T scale = 1 / total;
        for (int64_t c = 0; c < problem.value_channels; ++c)
          read_row[x * read.column + c * read.channel] =
              to_element<E>(out[i * value_stride + c] * scale);
        *(log_sum_exp.at(b, 0, y) + (tile.left + x) * log_sum_exp.column) =
            softmax.maximum[i] + std::log(total);
      }
    }
  }
};

} // namespace
