// Strided arrays of the caller, their element types, and copies of pieces of their rows.
#pragma once

#include "vectors.h"

namespace {

struct Bfloat16 {
  uint16_t bits;
};

inline float to_compute(float value) { return value; }
inline double to_compute(double value) { return value; }
inline float to_compute(Bfloat16 value) {
  const uint32_t bits = uint32_t(value.bits) << 16;
  float wide;
  std::memcpy(&wide, &bits, sizeof wide);
  return wide;
}

template <typename E, typename T> inline E to_element(T value) { return value; }
template <> inline Bfloat16 to_element<Bfloat16, float>(float value) {
  uint32_t bits;
  std::memcpy(&bits, &value, sizeof bits);
  if (value != value)
    return {uint16_t(bits >> 16 | 0x40)}; // stays NaN whatever the rounding would do
  return {uint16_t((bits + 0x7FFF + (bits >> 16 & 1)) >> 16)}; // to nearest, ties to even
}

// The type that elements of type E are computed in.
template <typename E> using Compute = decltype(to_compute(E()));

template <typename E> struct Array {
  E *data;
  int64_t batch, frame, channel, row, column; // strides

  explicit Array(const LmanetArray &array)
      : data(static_cast<E *>(array.data)), batch(array.strides[0]), frame(array.strides[1]),
        channel(array.strides[2]), row(array.strides[3]), column(array.strides[4]) {}

  E *at(int64_t b, int64_t t, int64_t y) const { return data + b * batch + t * frame + y * row; }
};

// A piece of a row of an image: columns first .. first + count - 1, some of them outside.
struct Span {
  int64_t first, count, width;
  bool inside() const { return first >= 0 && first + count <= width; }
  int64_t begin() const { return std::clamp<int64_t>(-first, 0, count); }
  int64_t end() const { return std::clamp<int64_t>(width - first, 0, count); }
};

// Copy a piece of a row to to[c * channel_stride + x * column_stride]; zeros outside.
template <typename E, typename T>
void copy_row(const Array<E> &array, E *row, int64_t channels, Span span, T *to,
              int64_t channel_stride, int64_t column_stride) {
  E *from = row + span.first * array.column;
  const int64_t begin = span.begin(), end = span.end();
  for (int64_t x = 0; x < span.count; ++x) {
    if (x == begin)
      x = end;
    if (x < span.count)
      for (int64_t c = 0; c < channels; ++c)
        to[c * channel_stride + x * column_stride] = 0;
  }
  if (array.column == 1) {
    for (int64_t c = 0; c < channels; ++c)
      for (int64_t x = begin; x < end; ++x)
        to[c * channel_stride + x * column_stride] = to_compute(from[c * array.channel + x]);
  } else {
    for (int64_t x = begin; x < end; ++x)
      for (int64_t c = 0; c < channels; ++c)
        to[c * channel_stride + x * column_stride] =
            to_compute(from[c * array.channel + x * array.column]);
  }
}

inline int64_t round_up(int64_t number, int64_t multiple) {
  return (number + multiple - 1) / multiple * multiple;
}

// Memory of one thread, in 64-byte aligned pieces.
template <typename T> class Scratch {
public:
  explicit Scratch(int64_t size)
      : data_(static_cast<T *>(std::aligned_alloc(64, round_up(size * sizeof(T), 64)))) {}
  T *get() const { return data_.get(); }

private:
  struct Free {
    void operator()(T *data) const { std::free(data); }
  };
  std::unique_ptr<T, Free> data_;
};

} // namespace
