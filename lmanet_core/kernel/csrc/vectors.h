// Vectors of numbers as the compiler offers them on any processor.
#pragma once

namespace {

constexpr int kBlock = 4; // queries that are computed together

template <typename T> struct Simd {
  static constexpr int lanes = VECTOR_BYTES / sizeof(T);
  typedef T Vector __attribute__((vector_size(VECTOR_BYTES)));
  using Integer = std::conditional_t<sizeof(T) == 4, int32_t, int64_t>;
  typedef Integer Mask __attribute__((vector_size(VECTOR_BYTES)));
};
template <typename T> using Vector = typename Simd<T>::Vector;
template <typename T> using Mask = typename Simd<T>::Mask;

template <typename T> inline Vector<T> load(const T *from) {
  Vector<T> vector;
  std::memcpy(&vector, from, sizeof vector);
  return vector;
}

template <typename T> inline void store(T *to, Vector<T> vector) {
  std::memcpy(to, &vector, sizeof vector);
}

// Subtracting zero changes no number, so that only the broadcast itself remains.
template <typename T> inline Vector<T> broadcast(T value) { return value - Vector<T>{}; }

template <typename T> inline T sum(Vector<T> vector) {
  T total = 0;
  for (int lane = 0; lane < Simd<T>::lanes; ++lane)
    total += vector[lane];
  return total;
}

template <typename T> inline bool any(Mask<T> mask) {
#if defined(X86_INSTRUCTIONS) && VECTOR_BYTES == 64
  return _mm512_test_epi64_mask((__m512i)mask, (__m512i)mask) != 0;
#elif defined(X86_INSTRUCTIONS) && VECTOR_BYTES == 32
  return _mm256_movemask_epi8((__m256i)mask) != 0;
#else
  int64_t words[VECTOR_BYTES / 8], either = 0;
  std::memcpy(words, &mask, sizeof words);
  for (int64_t word : words)
    either |= word;
  return either != 0;
#endif
}

// A vector of numbers from anywhere in an array.
class Gather {
public:
  explicit Gather(const int32_t *index) : index_(index), first_(index[0]) {
    std::memcpy(&near_, index, sizeof near_);
    near_ -= first_;
    for (int lane = 0; lane < Simd<float>::lanes; ++lane)
      is_near_ &= 0 <= near_[lane] && near_[lane] < Simd<float>::lanes;
  }

  // Reads a whole vector from the first number on.
  Vector<float> from(const float *array) const {
#ifndef __clang__
    if (is_near_)
      return __builtin_shuffle(load(array + first_), near_);
#endif
    Vector<float> vector;
    for (int lane = 0; lane < Simd<float>::lanes; ++lane)
      vector[lane] = array[index_[lane]];
    return vector;
  }

private:
  const int32_t *index_;
  int32_t first_;
  Mask<float> near_;
  bool is_near_ = true;
};

// The vector where the mask is set, 0 elsewhere, also in the place of NaN.
template <typename T>
inline Vector<T> keep(Vector<T> vector, const typename Simd<T>::Integer *mask) {
  Mask<T> bits, kept;
  std::memcpy(&bits, &vector, sizeof bits);
  std::memcpy(&kept, mask, sizeof kept);
  bits &= kept;
  std::memcpy(&vector, &bits, sizeof bits);
  return vector;
}

// exp(x) for x up to about 80, exp(-87) below -87, NaN for NaN. Relative error 1e-7: the range is
// reduced by powers of 2, the rest is Cephes' polynomial.
inline Vector<float> exponential(Vector<float> x) {
  constexpr float kLowest = -87.0f, kRounder = 12582912.0f; // 1.5 * 2^23
  x = broadcast(kLowest) > x ? broadcast(kLowest) : x;
  const Vector<float> shifted = x * 1.44269504088896341f + kRounder;
  const Vector<float> power = shifted - kRounder;
  const Vector<float> r = (x - power * 0.693359375f) + power * 2.12194440e-4f;
  Vector<float> y = r * 1.9875691500e-4f + 1.3981999507e-3f;
  y = y * r + 8.3334519073e-3f;
  y = y * r + 4.1665795894e-2f;
  y = y * r + 1.6666665459e-1f;
  y = y * r + 5.0000001201e-1f;
  y = y * (r * r) + r + 1.0f;
  Mask<float> bits;
  std::memcpy(&bits, &shifted, sizeof bits);
  bits = (bits - (0x4B400000 - 127)) << 23; // 0x4B400000: the bits of kRounder
  Vector<float> scale;
  std::memcpy(&scale, &bits, sizeof scale);
  return y * scale;
}

// For checking gradients, not for speed.
inline Vector<double> exponential(Vector<double> x) {
  for (int lane = 0; lane < Simd<double>::lanes; ++lane)
    x[lane] = std::exp(x[lane]);
  return x;
}

} // namespace
