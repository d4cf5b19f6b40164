// The two matrix products of the backward pass: correlate and accumulate.
#pragma once

#include "pairs.h"
#include "vectors.h"

namespace {

// Vectors of columns or channels whose sums fit the registers, for a block of queries.
constexpr int kChunk = VECTOR_REGISTERS == 32 ? 4 : 3;

// sums[i] += a[i] * b for members kFirst .. kLast of the block; b has kVectors vectors. Inlined
// whatever the compiler's limits are: the sums are to stay in registers.
template <typename T, int kVectors, int kFirst, int kLast, typename O>
[[gnu::always_inline]] inline void add_products(Vector<T> (&sums)[kBlock][kVectors], const O *a,
                                                int64_t a_stride, const O *b) {
  // In this order sums, vectors and one broadcast just fit 16 registers.
  Vector<O> vectors[kVectors];
  for (int v = 0; v < kVectors; ++v)
    vectors[v] = load(b + v * Simd<O>::lanes);
  for (int i = kFirst; i <= kLast; ++i) {
    const Vector<O> factor = broadcast(a[i * a_stride]);
    for (int v = 0; v < kVectors; ++v)
      add_product(sums[i][v], factor, vectors[v]);
  }
}

template <typename T, int kVectors, typename O>
inline void correlate_chunk(const O *a, int64_t channels, const O *b, int64_t b_stride, T *scores,
                            int64_t score_stride) {
  constexpr int lanes = Simd<T>::lanes;
  Vector<T> sums[kBlock][kVectors] = {};
  for (int64_t c = 0; c < channels; ++c)
    add_products<T, kVectors, 0, kBlock - 1>(sums, a + c * kBlock, 1, b + c * b_stride);
  for (int i = 0; i < kBlock; ++i)
    for (int v = 0; v < kVectors; ++v)
      store(scores + i * score_stride + v * lanes, sums[i][v]);
}

// scores[i][x] = sum over c of a[c][i] * b[c][x], for a block of i and `columns` of x.
template <typename T, typename O>
inline void correlate(const O *a, int64_t channels, const O *b, int64_t b_stride, int64_t columns,
                      T *scores, int64_t score_stride) {
  constexpr int lanes = Simd<T>::lanes;
  int64_t x = 0;
  for (; x + (kChunk - 1) * lanes < columns; x += kChunk * lanes)
    correlate_chunk<T, kChunk>(a, channels, b + x, b_stride, scores + x, score_stride);
  const int64_t rest = columns - x;
  if (kChunk > 3 && rest > 2 * lanes)
    correlate_chunk<T, 3>(a, channels, b + x, b_stride, scores + x, score_stride);
  else if (rest > lanes)
    correlate_chunk<T, 2>(a, channels, b + x, b_stride, scores + x, score_stride);
  else if (rest > 0)
    correlate_chunk<T, 1>(a, channels, b + x, b_stride, scores + x, score_stride);
}

// sums[i] += sum over x in the window of i of p[i][x] * b[x].
//
// kWindow: the window's size where it is known to the compiler, which unrolls it; otherwise 0.
template <int kWindow, typename T, int kVectors>
[[gnu::always_inline]] inline void add_windows(Vector<T> (&sums)[kBlock][kVectors], const T *p,
                                               int64_t p_stride, int64_t any_window, const T *b,
                                               int64_t b_stride) {
  static_assert(kBlock == 4, "the ends of the band are written out for blocks of four");
  const int64_t window = kWindow ? kWindow : any_window;
  // Member i's window is columns i .. i + window - 1. What it does not see must not even be
  // multiplied by 0: it may be NaN.
  if (window >= kBlock) {
    add_products<T, kVectors, 0, 0>(sums, p, p_stride, b);
    add_products<T, kVectors, 0, 1>(sums, p + 1, p_stride, b + b_stride);
    add_products<T, kVectors, 0, 2>(sums, p + 2, p_stride, b + 2 * b_stride);
#pragma GCC unroll 6
    for (int64_t x = 3; x < window; ++x)
      add_products<T, kVectors, 0, 3>(sums, p + x, p_stride, b + x * b_stride);
    p += window;
    b += window * b_stride;
    add_products<T, kVectors, 1, 3>(sums, p, p_stride, b);
    add_products<T, kVectors, 2, 3>(sums, p + 1, p_stride, b + b_stride);
    add_products<T, kVectors, 3, 3>(sums, p + 2, p_stride, b + 2 * b_stride);
  } else {
    for (int64_t x = 0; x < window; ++x) {
      add_products<T, kVectors, 0, 0>(sums, p + x, p_stride, b + x * b_stride);
      add_products<T, kVectors, 1, 1>(sums, p + x + 1, p_stride, b + (x + 1) * b_stride);
      add_products<T, kVectors, 2, 2>(sums, p + x + 2, p_stride, b + (x + 2) * b_stride);
      add_products<T, kVectors, 3, 3>(sums, p + x + 3, p_stride, b + (x + 3) * b_stride);
    }
  }
}

template <typename T, int kVectors, int kWindow, typename O>
inline void accumulate_chunk(const O *p, int64_t p_stride, int64_t window, const O *b,
                             int64_t b_stride, T *out, int64_t out_stride) {
  constexpr int lanes = Simd<T>::lanes;
  Vector<T> sums[kBlock][kVectors];
  for (int i = 0; i < kBlock; ++i)
    for (int v = 0; v < kVectors; ++v)
      sums[i][v] = load(out + i * out_stride + v * lanes);
  add_windows<kWindow>(sums, p, p_stride, window, b, b_stride);
  for (int i = 0; i < kBlock; ++i)
    for (int v = 0; v < kVectors; ++v)
      store(out + i * out_stride + v * lanes, sums[i][v]);
}

template <typename T, int kWindow, typename O>
inline void accumulate_as(const O *p, int64_t p_stride, int64_t window, const O *b,
                          int64_t b_stride, T *out, int64_t out_stride, int64_t channels) {
  constexpr int lanes = Simd<T>::lanes;
  int64_t c = 0;
  for (; c + kChunk * lanes <= channels; c += kChunk * lanes)
    accumulate_chunk<T, kChunk, kWindow>(p, p_stride, window, b + c, b_stride, out + c, out_stride);
  const int64_t rest = (channels - c) / lanes;
  if (kChunk > 3 && rest == 3)
    accumulate_chunk<T, 3, kWindow>(p, p_stride, window, b + c, b_stride, out + c, out_stride);
  else if (rest == 2)
    accumulate_chunk<T, 2, kWindow>(p, p_stride, window, b + c, b_stride, out + c, out_stride);
  else if (rest == 1)
    accumulate_chunk<T, 1, kWindow>(p, p_stride, window, b + c, b_stride, out + c, out_stride);
}

// out[i][c] += sum over x in the window of i of p[i][x] * b[x][c]; `channels` in whole vectors.
template <typename T, typename O>
inline void accumulate(const O *p, int64_t p_stride, int64_t window, const O *b, int64_t b_stride,
                       T *out, int64_t out_stride, int64_t channels) {
  if (window == 21) // the default of all models
    accumulate_as<T, 21>(p, p_stride, window, b, b_stride, out, out_stride, channels);
  else
    accumulate_as<T, 0>(p, p_stride, window, b, b_stride, out, out_stride, channels);
}

} // namespace
