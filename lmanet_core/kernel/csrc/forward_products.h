// The two matrix products of the forward pass, for queries that stand one below the other.
//
// Those of a column see the same columns of a row of the memory, so that their windows are one, and
// what is outside of it is not computed: rows that some of them do not see are computed for the
// others alone. Where there are registers for it a block is two columns, which share what they load.
#pragma once

#include "pairs.h"
#include "products.h"
#include "vectors.h"

namespace {

constexpr int kBlockRows = 4;
constexpr int kBlockColumns = VECTOR_REGISTERS == 32 ? 2 : 1;
constexpr int kMembers = kBlockRows * kBlockColumns; // column by column

// Vectors of the band, or of channels, whose sums fit the registers.
constexpr int kMostBands = 3, kMostChannels = VECTOR_REGISTERS == 32 ? 6 : 3;

// Call `function` with a number from 1 to kMost that the compiler knows.
template <int kMost, typename Function>
[[gnu::always_inline]] inline void with_number(int64_t number, Function function) {
  if constexpr (kMost > 1)
    if (number < kMost)
      return with_number<kMost - 1>(number, function);
  function(std::integral_constant<int, kMost>());
}

// sums += a * b for the first kRows rows of each column of a block.
template <int kRows, int kSeen, int kVectors, typename Sum, typename O>
[[gnu::always_inline]] inline void add_block(Sum (&sums)[kSeen][kVectors], const O *a,
                                             const O *b) {
  Vector<O> bands[kVectors];
  for (int v = 0; v < kVectors; ++v)
    bands[v] = load(b + v * Simd<O>::lanes);
  for (int m = 0; m < kSeen; ++m) {
    const Vector<O> factor = broadcast(a[m / kRows * kBlockRows + m % kRows]);
    for (int v = 0; v < kVectors; ++v)
      add_product(sums[m][v], factor, bands[v]);
  }
}

// scores[member][x] = sum over c of a[c][member] * b[c][x] for the first kRows rows of a block.
template <int kRows, typename T, typename O>
inline void correlate_block(const O *a, int64_t channels, const O *b, int64_t b_stride,
                            int64_t vectors, T *scores, int64_t score_stride) {
  constexpr int lanes = Simd<T>::lanes;
  for (int64_t first = 0; first < vectors; first += kMostBands)
    with_number<kMostBands>(std::min<int64_t>(vectors - first, kMostBands), [&](auto number) {
      constexpr int kVectors = decltype(number)::value, kSeen = kBlockColumns * kRows;
      Vector<T> sums[kSeen][kVectors] = {};
      for (int64_t c = 0; c < channels; ++c)
        add_block<kRows>(sums, a + c * kMembers, b + c * b_stride + first * lanes);
      for (int m = 0; m < kSeen; ++m)
        for (int v = 0; v < kVectors; ++v)
          store(scores + (m / kRows * kBlockRows + m % kRows) * score_stride +
                    (first + v) * lanes,
                sums[m][v]);
    });
}

// sums[i] += p[i] * b for kRows rows of a column.
template <int kRows, int kVectors, typename Sum, typename O, typename Value>
[[gnu::always_inline]] inline void add_column(Sum (&sums)[kRows][kVectors], const O *p,
                                              int64_t p_stride, const Value (&b)[kVectors]) {
  for (int i = 0; i < kRows; ++i) {
    const Value factor = broadcast(p[i * p_stride]);
    for (int v = 0; v < kVectors; ++v)
      add_product(sums[i][v], factor, b[v]);
  }
}

// sums[i] += sum over x of p[i][x] * b[x] for `window` columns from x = column on, of a block's
// band.
template <int kRows, int kVectors, typename T>
[[gnu::always_inline]] inline void add_window(Vector<T> (&sums)[kRows][kVectors], int64_t column,
                                              const T *p, int64_t p_stride, int64_t window,
                                              const T *b, int64_t b_stride) {
  p += column;
  b += column * b_stride;
#pragma GCC unroll 4
  for (int64_t x = 0; x < window; ++x) {
    Vector<T> values[kVectors];
    for (int v = 0; v < kVectors; ++v)
      values[v] = load(b + x * b_stride + v * Simd<T>::lanes);
    add_column(sums, p + x, p_stride, values);
  }
}

// The same for pairs of columns: window / 2 whole ones, before them half a pair where the column is
// odd, after them where it is even. The other half's weight is 0, but its value may be NaN.
template <int kRows, int kVectors>
[[gnu::always_inline]] inline void add_window(Vector<float> (&sums)[kRows][kVectors],
                                              int64_t column, const Pair *p, int64_t p_stride,
                                              int64_t window, const Pair *b, int64_t b_stride) {
  constexpr int lanes = Simd<Pair>::lanes;
  const int64_t whole = window / 2, half = column ? 0 : whole;
  Vector<Pair> values[kVectors];
  for (int64_t x = column; x < column + whole; ++x) {
    for (int v = 0; v < kVectors; ++v)
      values[v] = load(b + x * b_stride + v * lanes);
    add_column(sums, p + x, p_stride, values);
  }
  const Vector<Pair> kept = broadcast(column ? kSecondHalf : kFirstHalf);
  for (int v = 0; v < kVectors; ++v)
    values[v] = load(b + half * b_stride + v * lanes) & kept;
  add_column(sums, p + half, p_stride, values);
}

// out[i][c] += sum over x of p[i][x] * b[x][c] for kRows queries of a block's column.
//
// kWindow: the window's size where it is known to the compiler, otherwise 0.
template <int kRows, int kWindow, typename T, typename O>
inline void accumulate_column(int64_t column, const O *p, int64_t p_stride, int64_t any_window,
                              const O *b, int64_t b_stride, T *const *out, int64_t channels) {
  constexpr int lanes = Simd<T>::lanes;
  const int64_t window = kWindow ? kWindow : any_window;
  const int64_t vectors = channels / lanes;
  const int64_t parts = (vectors + kMostChannels - 1) / kMostChannels;
  for (int64_t part = 0, done = 0; part < parts; ++part) {
    const int64_t count = (vectors - done + parts - part - 1) / (parts - part);
    with_number<kMostChannels>(count, [&](auto number) {
      constexpr int kVectors = decltype(number)::value;
      Vector<T> sums[kRows][kVectors];
      for (int i = 0; i < kRows; ++i)
        for (int v = 0; v < kVectors; ++v)
          sums[i][v] = load(out[i] + (done + v) * lanes);
      add_window(sums, column, p, p_stride, window, b + done * lanes, b_stride);
      for (int i = 0; i < kRows; ++i)
        for (int v = 0; v < kVectors; ++v)
          store(out[i] + (done + v) * lanes, sums[i][v]);
    });
    done += count;
  }
}

} // namespace
