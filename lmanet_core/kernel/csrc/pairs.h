// Pairs of bfloat16, which processors multiply and add up at once: what the forward pass of
// bfloat16 is made of where PAIRS is defined.
//
// A score sums over pairs of channels, a read value over pairs of columns; sums are float32. With
// PAIR_INSTRUCTIONS the product is AVX-512 BF16's vdpbf16ps, otherwise the same in portable C++:
// that is how tests run the rest of it, addresses and tails included, on any processor.
//
// Arm's bfdot would be another `add_product`. AMX (tdpbf16ps) and Arm's bfmmla multiply small
// matrices: they would be another `correlate` and `add_windows`, on the same pairs.
#pragma once

#include "vectors.h"

namespace {

using Pair = uint32_t; // the first in the lower half
constexpr Pair kFirstHalf = 0x0000FFFF, kSecondHalf = 0xFFFF0000;

template <typename V> inline void add_product(V &sum, V a, V b) { sum += a * b; }

template <typename T> inline void store_packed(T *to, Vector<T> vector) { store(to, vector); }

#ifdef PAIR_INSTRUCTIONS

inline void add_product(Vector<float> &sum, Vector<Pair> a, Vector<Pair> b) {
  sum = (Vector<float>)_mm512_dpbf16_ps((__m512)sum, (__m512bh)a, (__m512bh)b);
}

// Round to bfloat16; two neighbours become a pair.
inline void store_packed(Pair *to, Vector<float> vector) {
  const __m256bh packed = _mm512_cvtneps_pbh((__m512)vector);
  std::memcpy(to, &packed, sizeof packed);
}

#else

inline Vector<float> as_floats(Vector<Pair> bits) {
  Vector<float> floats;
  std::memcpy(&floats, &bits, sizeof floats);
  return floats;
}

inline void add_product(Vector<float> &sum, Vector<Pair> a, Vector<Pair> b) {
  sum += as_floats(a & kSecondHalf) * as_floats(b & kSecondHalf);
  sum += as_floats(a << 16) * as_floats(b << 16);
}

inline void store_packed(Pair *to, Vector<float> vector) {
  typedef uint16_t Halves __attribute__((vector_size(VECTOR_BYTES / 2)));
  Vector<Pair> bits;
  std::memcpy(&bits, &vector, sizeof bits);
  const Vector<Pair> rounded = (bits + 0x7FFF + (bits >> 16 & 1)) >> 16;
  const Vector<Pair> not_a_number = Vector<Pair>{} + 0x7FC0;
  const Halves packed =
      __builtin_convertvector(vector == vector ? rounded : not_a_number, Halves);
  std::memcpy(to, &packed, sizeof packed);
}

#endif

constexpr float kLog2E = 1.44269504088896341f;

// exp(x) for x up to about 80, 2^-126 where that is larger, NaN for NaN. Relative error 1e-4, a
// twentieth of bfloat16's: a polynomial for 2^r that is minimax there.
inline Vector<float> short_exponential(Vector<float> x) {
  constexpr float kLowest = -126.0f, kRounder = 12582912.0f + 127.0f; // 1.5 * 2^23, the bias
  x = x * kLog2E;
  x = broadcast(kLowest) > x ? broadcast(kLowest) : x;
  const Vector<float> shifted = x + kRounder;
  const Vector<float> r = x - (shifted - kRounder);
  Vector<float> y = r * 0.05517177f + 0.24261137f;
  y = y * r + 0.69326097f;
  y = y * r + 0.99992803f;
  Mask<float> bits;
  std::memcpy(&bits, &shifted, sizeof bits);
  bits <<= 23; // leaves the biased power
  Vector<float> scale;
  std::memcpy(&scale, &bits, sizeof scale);
  return y * scale;
}

// How the forward pass packs numbers into the operands of its products, and the exponential that is
// exact enough for them, relative to a reference. Rows whose weights are all below exp(-kNegligible)
// of another weight are left out: a thousand such weights are 0.6 % of it in bfloat16, where each
// weight is rounded by up to 0.4 %, and 2e-5 in float32.
template <typename O> struct Packing {
  static constexpr int64_t numbers = 1;
  static constexpr O kNegligible = sizeof(O) == 4 ? 18 : 40;
  struct Exponential {
    O reference;
    explicit Exponential(O reference) : reference(reference) {}
    Vector<O> operator()(Vector<O> scores) const {
      return exponential(scores - broadcast(reference));
    }
  };
};
template <> struct Packing<Pair> {
  static constexpr int64_t numbers = 2;
  static constexpr float kNegligible = 12;
#ifdef PAIR_INSTRUCTIONS
  struct Exponential {
    Vector<float> offset;
    explicit Exponential(float reference) : offset(broadcast(-reference * kLog2E)) {}
    // The same polynomial as in short_exponential, by what is between the whole powers of 2.
    Vector<float> operator()(Vector<float> scores) const {
      const Vector<float> x = scores * kLog2E + offset;
      const Vector<float> r = (Vector<float>)_mm512_reduce_ps((__m512)x, 0x08); // to nearest
      Vector<float> y = r * 0.05517177f + 0.24261137f;
      y = y * r + 0.69326097f;
      y = y * r + 0.99992803f;
      return (Vector<float>)_mm512_scalef_ps((__m512)y, (__m512)(x - r));
    }
  };
#else
  struct Exponential {
    float reference;
    explicit Exponential(float reference) : reference(reference) {}
    Vector<float> operator()(Vector<float> scores) const {
      return short_exponential(scores - broadcast(reference));
    }
  };
#endif
};

} // namespace
