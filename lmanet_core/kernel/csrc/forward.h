// The forward pass: an online softmax between the two products.
#pragma once

#include "arrays.h"
#include "forward_products.h"
#include "pairs.h"
#include "tiles.h"
#include "vectors.h"

namespace {

// Running softmax of a block of queries.
template <typename T> struct Softmax {
  // Scores may exceed the maximum so far by this much before the sums are scaled down: they stay
  // far from overflow, and scaling becomes rare.
  static constexpr T kSlack = 8;
  // Scores that differ from a reference by no more than this need no maximum: neither their
  // exponentials nor sums of these leave the range of numbers.
  static constexpr T kReach = 60;

  T maximum[kMembers];
  T total[kMembers][Simd<T>::lanes];
  T furthest; // of all maxima from 0

  void clear() {
    std::fill_n(maximum, kMembers, -std::numeric_limits<T>::infinity());
    std::fill_n(&total[0][0], kMembers * Simd<T>::lanes, T(0));
    furthest = 0;
  }

  // Let a member's sums refer to a higher maximum.
  void raise(int64_t member, T higher, T *out, int64_t out_stride) {
    const T scale = std::exp(maximum[member] - higher);
    for (T &lane : total[member])
      lane *= scale;
    for (int64_t c = 0; c < out_stride; ++c)
      out[member * out_stride + c] *= scale;
    maximum[member] = higher;
    furthest = std::max(furthest, std::abs(higher));
  }

  // Turn the scores of the first `rows` rows from `row` on into weights relative to the maximum,
  // which rises where it must. Weights of what a query does not see are 0.
  //
  // largest: that no score's magnitude exceeds; NaN or infinite where there is no such number.
  template <typename O>
  void update(const T *scores, T largest, int64_t row, int64_t rows, const Tiling<T> &tiling,
              const typename Simd<T>::Integer *mask, O *weights, T *out, int64_t out_stride) {
    const bool bounded = largest + furthest <= kReach;
    for (int64_t j = 0; j < kBlockColumns; ++j)
      for (int64_t i = 0; i < rows; ++i) {
        const int64_t member = j * kBlockRows + row + i;
        const int64_t at = (j * kBlockRows + i) * tiling.band_stride;
        if (!bounded)
          raise_if_exceeded(member, scores + at, j, tiling, out, out_stride);
        else if (maximum[member] == -std::numeric_limits<T>::infinity())
          maximum[member] = 0;
        weigh(member, scores + at, tiling, mask + j * tiling.band_stride,
              weights + at / Packing<O>::numbers);
      }
  }

private:
  void raise_if_exceeded(int64_t member, const T *scores, int64_t column, const Tiling<T> &tiling,
                         T *out, int64_t out_stride) {
    Mask<T> exceeds = {};
    for (int64_t x = 0; x < tiling.band_stride; x += Simd<T>::lanes)
      exceeds |= load(scores + x) > broadcast(maximum[member] + kSlack);
    if (__builtin_expect(!any<T>(exceeds), 1))
      return;
    T highest = maximum[member];
    for (int64_t x = column; x < column + tiling.window; ++x)
      highest = std::max(highest, scores[x]);
    if (highest > maximum[member])
      raise(member, highest, out, out_stride);
  }

  template <typename O>
  void weigh(int64_t member, const T *scores, const Tiling<T> &tiling,
             const typename Simd<T>::Integer *mask, O *weights) {
    Vector<T> sum = load(total[member]);
    const typename Packing<O>::Exponential exponential(maximum[member]);
    for (int64_t x = 0; x < tiling.band_stride; x += Simd<T>::lanes) {
      const Vector<T> seen = keep<T>(exponential(load(scores + x)), mask + x);
      store_packed(weights + x / Packing<O>::numbers, seen);
      sum += seen;
    }
    store(total[member], sum);
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
  // Large tiles: a row of the memory is packed anew for each of them, with the halo.
  Tiling<T> tiling{problem, value_stride, kBlockRows, kBlockColumns, 2 * kBlockRows, 32};
  Scratch<typename Simd<T>::Integer> mask = window_mask(tiling);

  int64_t blocks_across = tiling.columns / kBlockColumns;
  int64_t blocks = tiling.rows / kBlockRows * blocks_across;

  struct Workspace {
    Scratch<O> queries, key_row, value_row, weights;
    Scratch<T> scores, out, lengths; // of a block's longest query
    Scratch<Softmax<T>> softmax;
    T longest_key = 0; // of those in the row

    explicit Workspace(const Forward &f)
        : queries(f.blocks * kMembers * f.key_planes),
          key_row(f.key_planes * f.tiling.planar_stride),
          value_row(planes<O>(f.tiling.halo_columns) * f.value_stride),
          weights(kMembers * planes<O>(f.tiling.band_stride)),
          scores(kMembers * f.tiling.band_stride), out(f.blocks * kMembers * f.value_stride),
          lengths(f.blocks), softmax(f.blocks) {}
  };

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
        work.longest_key =
            longest<T>(work.key_row.get(), key_planes, tiling.planar_stride, tiling.planar_stride);
        for (int64_t top = tile.top; top < tile.bottom; top += kBlockRows) {
          const int64_t first = std::max(top, r - tiling.radius);
          const int64_t end = std::min({top + kBlockRows, tile.bottom, r + tiling.radius + 1});
          if (first < end)
            read_rows(tile, first - tile.top, end - first, value_row, stride, work);
        }
      }
    }
    finish(b, tile, work);
  }

  // Let rows of queries, all of one row of blocks, read a row of the memory that they see.
  void read_rows(const Tile &tile, int64_t first, int64_t count, const O *value_row,
                 int64_t value_row_stride, Workspace &work) const {
    with_number<kBlockRows>(count, [&](auto rows) {
      constexpr int kRows = decltype(rows)::value;
      // Those of the paper's networks and of the shipped default.
      if (tiling.window == 21)
        read_row<kRows, 21>(tile, first, value_row, value_row_stride, work);
      else if (tiling.window == 15)
        read_row<kRows, 15>(tile, first, value_row, value_row_stride, work);
      else
        read_row<kRows, 0>(tile, first, value_row, value_row_stride, work);
    });
  }

  // The block of a tile's location, and which of its members that is.
  int64_t block_of(int64_t y, int64_t x) const {
    return y / kBlockRows * blocks_across + x / kBlockColumns;
  }
  static int64_t member_of(int64_t y, int64_t x) {
    return x % kBlockColumns * kBlockRows + y % kBlockRows;
  }

  void start(int64_t b, const Tile &tile, Workspace &work) const {
    std::fill_n(work.queries.get(), blocks * kMembers * key_planes, O(0));
    for (int64_t y = tile.top; y < tile.bottom; ++y)
      for (int64_t x = 0; x < tile.columns; ++x) {
        const E *from = query.at(b, 0, y) + (tile.left + x) * query.column;
        O *to = work.queries.get() + block_of(y - tile.top, x) * kMembers * key_planes +
                member_of(y - tile.top, x);
        for (int64_t c = 0; c < key_planes; ++c)
          to[c * kMembers] = pack_channels<O>(from, query.channel, c, problem.key_channels);
      }
    for (int64_t block = 0; block < blocks; ++block) {
      work.lengths.get()[block] =
          longest<T>(work.queries.get() + block * kMembers * key_planes, key_planes, kMembers,
                     kMembers);
      work.softmax.get()[block].clear();
    }
    std::fill_n(work.out.get(), blocks * kMembers * value_stride, T(0));
  }

  template <int kRows, int kWindow>
  void read_row(const Tile &tile, int64_t first, const O *value_row, int64_t value_row_stride,
                Workspace &work) const {
    const int64_t weight_stride = tiling.band_stride / Packing<O>::numbers;
    const int64_t row = first % kBlockRows;
    T *scores = work.scores.get();
    O *weights = work.weights.get();
    for (int64_t across = 0; across < tile.blocks(); ++across) {
      const int64_t block = block_of(first, across * kBlockColumns);
      T *out = work.out.get() + block * kMembers * value_stride;
      const O *block_values =
          value_row + across * kBlockColumns / Packing<O>::numbers * value_row_stride;
      correlate_block<kRows>(work.queries.get() + block * kMembers * key_planes + row, key_planes,
                             work.key_row.get() + across * kBlockColumns, tiling.planar_stride,
                             tiling.band_stride / Simd<T>::lanes, scores, tiling.band_stride);
      work.softmax.get()[block].update(scores, work.lengths.get()[block] * work.longest_key, row,
                                       kRows, tiling, mask.get(), weights, out, value_stride);
      for (int64_t j = 0; j < kBlockColumns; ++j)
        accumulate_column<kRows, kWindow>(j, weights + j * kBlockRows * weight_stride, weight_stride,
                                 tiling.window, block_values, value_row_stride,
                                 out + (j * kBlockRows + row) * value_stride, value_stride,
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
        const int64_t block = block_of(y - tile.top, x), member = member_of(y - tile.top, x);
        Softmax<T> &softmax = work.softmax.get()[block];
        T *out = work.out.get() + block * kMembers * value_stride;
        if (padding > 0 && softmax.maximum[member] < 0)
          softmax.raise(member, 0, out, value_stride);
        T total = sum<T>(load(softmax.total[member]));
        if (padding > 0)
          total += padding * std::exp(-softmax.maximum[member]);
        const T scale = 1 / total;
        for (int64_t c = 0; c < problem.value_channels; ++c)
          read_row[x * read.column + c * read.channel] =
              to_element<E>(out[member * value_stride + c] * scale);
        *(log_sum_exp.at(b, 0, y) + (tile.left + x) * log_sum_exp.column) =
            softmax.maximum[member] + std::log(total);
      }
    }
  }
};

} // namespace
