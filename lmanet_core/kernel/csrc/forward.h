// The forward pass: an online softmax between the two products. Of a row of the memory whose weights
// are negligible for a query beside one that it has seen, the second product is left out.
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
  T limit[kMembers]; // scores below it are negligible beside one that the member has seen
  T total[kMembers][Simd<T>::lanes];
  T furthest; // of all maxima from 0

  void clear() {
    std::fill_n(maximum, kMembers, -std::numeric_limits<T>::infinity());
    std::fill_n(limit, kMembers, -std::numeric_limits<T>::infinity());
    std::fill_n(&total[0][0], kMembers * Simd<T>::lanes, T(0));
    furthest = 0;
  }

  // Let a member's sums refer to a higher maximum.
  void raise(int64_t member, T higher, T *out, int64_t out_stride) {
    const T scale = std::exp(maximum[member] - higher);
    for (T &lane : total[member])
      lane *= scale;
    for (int64_t c = 0; c < out_stride; ++c)
      out[c] *= scale;
    maximum[member] = higher;
    furthest = std::max(furthest, std::abs(higher));
  }

  // Whether scores no larger than that need no maximum; not where it is NaN or infinite.
  bool is_bounded(T largest) const { return largest + furthest <= kReach; }

  // Whether one of a member's scores is not negligible; NaN is not.
  bool counts(int64_t member, const T *scores, int64_t band) const {
    Mask<T> counts = {};
    for (int64_t x = 0; x < band; x += Simd<T>::lanes)
      counts |= ~(load(scores + x) < broadcast(limit[member]));
    return any<T>(counts);
  }

  // Turn the scores of a member into weights relative to its maximum, which rises where it must.
  // Weights of what it does not see are 0.
  template <typename O>
  [[gnu::always_inline]] void weigh(int64_t member, const T *scores, bool bounded, int64_t band,
                                    const typename Simd<T>::Integer *mask, O *weights, T *out,
                                    int64_t out_stride) {
    if (!bounded)
      raise_if_exceeded(member, scores, band, mask, Packing<O>::kNegligible, out, out_stride);
    else if (maximum[member] == -std::numeric_limits<T>::infinity())
      maximum[member] = 0;
    Vector<T> sum = load(total[member]);
    const typename Packing<O>::Exponential exponential(maximum[member]);
    for (int64_t x = 0; x < band; x += Simd<T>::lanes) {
      const Vector<T> seen = keep<T>(exponential(load(scores + x)), mask + x);
      store_packed(weights + x / Packing<O>::numbers, seen);
      sum += seen;
    }
    store(total[member], sum);
  }

private:
  void raise_if_exceeded(int64_t member, const T *scores, int64_t band,
                         const typename Simd<T>::Integer *mask, T negligible, T *out,
                         int64_t out_stride) {
    Mask<T> exceeds = {};
    for (int64_t x = 0; x < band; x += Simd<T>::lanes)
      exceeds |= load(scores + x) > broadcast(maximum[member] + kSlack);
    if (__builtin_expect(!any<T>(exceeds), 1))
      return;
    T highest = maximum[member];
    for (int64_t x = 0; x < band; ++x)
      highest = mask[x] ? std::max(highest, scores[x]) : highest;
    if (highest > maximum[member]) {
      raise(member, highest, out, out_stride);
      limit[member] = highest - negligible;
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
  Tiling<T> tiling{problem, value_stride, kBlockRows, kBlockColumns, most_rows(), kTileColumns};
  Scratch<typename Simd<T>::Integer> mask = window_mask(tiling);

  // Large tiles: a row of the memory is packed anew for each of them, with the halo. But there have
  // to be some for each thread; not by their number, on which no result is to depend.
  static constexpr int64_t kTileColumns = 32, kEnoughTiles = 16;
  int64_t most_rows() const {
    const int64_t rows = 4 * kBlockRows;
    const int64_t tiles = problem.batch * ((problem.height + rows - 1) / rows) *
                          ((problem.width + kTileColumns - 1) / kTileColumns);
    return tiles < kEnoughTiles ? rows / 2 : rows;
  }

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
    const int64_t first = tiling.first_row_seen(tile), end = tiling.end_of_rows_seen(tile);
    for (int64_t t = 0; t < problem.frames; ++t) {
      // The tile's own rows come first: what is near is most often like it, and what is less like
      // it is negligible from then on.
      for (int64_t r = tile.top; r < tile.bottom; ++r)
        read_memory_row(b, t, r, tile, seen, work);
      for (int64_t r = first; r < tile.top; ++r)
        read_memory_row(b, t, r, tile, seen, work);
      for (int64_t r = tile.bottom; r < end; ++r)
        read_memory_row(b, t, r, tile, seen, work);
    }
    finish(b, tile, work);
  }

  void read_memory_row(int64_t b, int64_t t, int64_t r, const Tile &tile, Span seen,
                       Workspace &work) const {
    planar_row(keys, keys.at(b, t, r), problem.key_channels, seen, work.key_row.get(),
               tiling.planar_stride);
    int64_t stride;
    const O *value_row = interleaved_row(values, values.at(b, t, r), problem.value_channels, seen,
                                         work.value_row.get(), stride);
    work.longest_key =
        longest<T>(work.key_row.get(), key_planes, tiling.planar_stride, tiling.planar_stride);
    for (int64_t top = tile.top; top < tile.bottom; top += kBlockRows) {
      const int64_t first = std::max(top, r - tiling.radius);
      const int64_t end = std::min({top + kBlockRows, tile.bottom, r + tiling.radius + 1});
      if (first < end)
        read_rows(tile, first - tile.top, end - first, value_row, stride, work);
    }
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
    const int64_t band = kWindow ? round_up(kWindow + kBlockColumns - 1, Simd<T>::lanes)
                                 : tiling.band_stride;
    const int64_t weight_stride = band / Packing<O>::numbers;
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
                             band / Simd<T>::lanes, scores, band);
      Softmax<T> &softmax = work.softmax.get()[block];
      const bool bounded = softmax.is_bounded(work.lengths.get()[block] * work.longest_key);
      for (int64_t j = 0; j < kBlockColumns; ++j) {
        const int64_t first_member = j * kBlockRows + row;
        const T *column_scores = scores + j * kBlockRows * band;
        uint32_t counted = (1 << kRows) - 1; // a bit for each member
        if (!bounded) {
          counted = 0;
          for (int64_t i = 0; i < kRows; ++i)
            counted |= uint32_t(softmax.counts(first_member + i, column_scores + i * band, band))
                       << i;
        }
        // Those that count, one behind the other.
        T *sums[kRows];
        int64_t count = 0;
        for (; counted; counted &= counted - 1, ++count) {
          const int64_t i = __builtin_ctz(counted);
          sums[count] = out + (first_member + i) * value_stride;
          softmax.weigh(first_member + i, column_scores + i * band, bounded, band,
                        mask.get() + j * band, weights + count * weight_stride, sums[count],
                        value_stride);
        }
        if (count > 0)
          with_number<kRows>(count, [&](auto number) {
            accumulate_column<decltype(number)::value, kWindow>(
                j, weights, weight_stride, tiling.window, block_values, value_row_stride, sums,
                value_stride);
          });
      }
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
          softmax.raise(member, 0, out + member * value_stride, value_stride);
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
