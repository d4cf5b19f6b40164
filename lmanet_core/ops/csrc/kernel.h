// Local attention, forward and backward, on tiles of locations; compiled once for each instruction
// set by a file that defines VECTOR_BYTES and VECTOR_REGISTERS.
//
// The band. Queries are taken in blocks of four neighbours in a row. Of one row of the memory, the
// four see window_size + 3 columns between them: a band, in which each has its own window. Two
// small matrix products do nearly all of the work:
//
//   correlate    scores[4][band] = a[4][C] . b[C][band]        (b "planar": channels outermost)
//   accumulate   out[4][C]      += p[4][band] . b[band][C]     (b "interleaved": channels innermost)
//
// Between them stand an online softmax (forward) or the recomputed probabilities (backward), so
// that no tensor of scores ever exists. The backward pass for keys and values is the same with the
// roles swapped: a block of four memory locations and the band of queries that see them.
//
// The border. Memory outside of the image has score 0 and value 0 and counts in the softmax:
// columns outside are packed as zeros, rows outside are left out and counted at the end.
#pragma once

namespace {

// ---- Vectors -----------------------------------------------------------------------------------

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
  int64_t words[VECTOR_BYTES / 8], either = 0;
  std::memcpy(words, &mask, sizeof words);
  for (int64_t word : words)
    either |= word;
  return either != 0;
}

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

// ---- Arrays ------------------------------------------------------------------------------------

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

// ---- The two products --------------------------------------------------------------------------

// Vectors of columns or channels whose sums fit the registers, for a block of queries.
constexpr int kChunk = VECTOR_REGISTERS == 32 ? 4 : 3;

// sums[i] += a[i] * b for members kFirst .. kLast of the block; b has kVectors vectors.
template <typename T, int kVectors, int kFirst, int kLast>
inline void add_products(Vector<T> (&sums)[kBlock][kVectors], const T *a, int64_t a_stride,
                         const T *b) {
  // In this order sums, vectors and one broadcast just fit 16 registers.
  Vector<T> vectors[kVectors];
  for (int v = 0; v < kVectors; ++v)
    vectors[v] = load(b + v * Simd<T>::lanes);
  for (int i = kFirst; i <= kLast; ++i) {
    const Vector<T> factor = broadcast(a[i * a_stride]);
    for (int v = 0; v < kVectors; ++v)
      sums[i][v] += factor * vectors[v];
  }
}

template <typename T, int kVectors>
inline void correlate_chunk(const T *a, int64_t channels, const T *b, int64_t b_stride, T *scores,
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
template <typename T>
inline void correlate(const T *a, int64_t channels, const T *b, int64_t b_stride, int64_t columns,
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

template <typename T, int kVectors>
inline void accumulate_chunk(const T *p, int64_t p_stride, int64_t window, const T *b,
                             int64_t b_stride, T *out, int64_t out_stride) {
  static_assert(kBlock == 4, "the ends of the band are written out for blocks of four");
  constexpr int lanes = Simd<T>::lanes;
  Vector<T> sums[kBlock][kVectors];
  for (int i = 0; i < kBlock; ++i)
    for (int v = 0; v < kVectors; ++v)
      sums[i][v] = load(out + i * out_stride + v * lanes);
  // Member i's window is columns i .. i + window - 1. What it does not see must not even be
  // multiplied by 0: it may be NaN.
  if (window >= kBlock) {
    add_products<T, kVectors, 0, 0>(sums, p, p_stride, b);
    add_products<T, kVectors, 0, 1>(sums, p + 1, p_stride, b + b_stride);
    add_products<T, kVectors, 0, 2>(sums, p + 2, p_stride, b + 2 * b_stride);
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
  for (int i = 0; i < kBlock; ++i)
    for (int v = 0; v < kVectors; ++v)
      store(out + i * out_stride + v * lanes, sums[i][v]);
}

// out[i][c] += sum over x in the window of i of p[i][x] * b[x][c]; `channels` in whole vectors.
template <typename T>
inline void accumulate(const T *p, int64_t p_stride, int64_t window, const T *b, int64_t b_stride,
                       T *out, int64_t out_stride, int64_t channels) {
  constexpr int lanes = Simd<T>::lanes;
  int64_t c = 0;
  for (; c + kChunk * lanes <= channels; c += kChunk * lanes)
    accumulate_chunk<T, kChunk>(p, p_stride, window, b + c, b_stride, out + c, out_stride);
  const int64_t rest = (channels - c) / lanes;
  if (kChunk > 3 && rest == 3)
    accumulate_chunk<T, 3>(p, p_stride, window, b + c, b_stride, out + c, out_stride);
  else if (rest == 2)
    accumulate_chunk<T, 2>(p, p_stride, window, b + c, b_stride, out + c, out_stride);
  else if (rest == 1)
    accumulate_chunk<T, 1>(p, p_stride, window, b + c, b_stride, out + c, out_stride);
}

// ---- Tiles -------------------------------------------------------------------------------------

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
  // Read in whole vectors and masked, but a signalling pattern would cost time.
  for (int64_t c = 0; c < channels; ++c)
    std::fill(copy + c * stride + span.count, copy + (c + 1) * stride, T(0));
}

// ---- Forward -----------------------------------------------------------------------------------

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
  // of what a query does not see are left undefined.
  void update(T *scores, const Tiling<T> &tiling, const typename Simd<T>::Integer *mask, T *out,
              int64_t out_stride) {
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
        const Vector<T> weights =
            exponential(load(scores + i * stride + x) - broadcast(maximum[i]));
        store(scores + i * stride + x, weights);
        weights_total += keep<T>(weights, mask + i * stride + x);
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

template <typename E> struct Forward {
  using T = Compute<E>;

  const LmanetProblem &problem;
  Array<const E> query, keys, values;
  Array<E> read;
  Array<T> log_sum_exp;
  int64_t value_stride = round_up(problem.value_channels, Simd<T>::lanes);
  Tiling<T> tiling{problem, value_stride};
  Scratch<typename Simd<T>::Integer> mask = window_mask(tiling);

  struct Workspace {
    Scratch<T> queries, key_row, value_row, scores, out;
    Scratch<Softmax<T>> softmax;

    explicit Workspace(const Forward &f)
        : queries(f.tiling.rows * f.tiling.columns * f.problem.key_channels),
          key_row(f.problem.key_channels * f.tiling.planar_stride),
          value_row(f.tiling.halo_columns * f.value_stride),
          scores(kBlock * f.tiling.band_stride),
          out(f.tiling.rows * f.tiling.columns * f.value_stride),
          softmax(f.tiling.rows * f.tiling.columns / kBlock) {}
  };

  int64_t block_number(int64_t row, int64_t block) const {
    return row * (tiling.columns / kBlock) + block;
  }

  void run_tile(int64_t b, const Tile &tile, Workspace &work) const {
    start(b, tile, work);
    const Span halo{tile.left - tiling.radius, tile.columns + tiling.window - 1, problem.width};
    // Whole blocks, also where the image ends within one.
    const Span seen{halo.first, tile.blocks() * kBlock + tiling.window - 1, problem.width};
    for (int64_t t = 0; t < problem.frames; ++t) {
      const int64_t last = std::min(tile.bottom - 1 + tiling.radius, problem.height - 1);
      for (int64_t r = std::max<int64_t>(tile.top - tiling.radius, 0); r <= last; ++r) {
        planar_row(keys, keys.at(b, t, r), problem.key_channels, seen, work.key_row.get(),
                   tiling.planar_stride);
        int64_t stride;
        const T *value_row = interleaved_row(values, values.at(b, t, r), problem.value_channels,
                                             seen, work.value_row.get(), stride);
        read_row(tile, r, value_row, stride, work);
      }
    }
    finish(b, tile, work);
  }

  void start(int64_t b, const Tile &tile, Workspace &work) const {
    for (int64_t y = tile.top; y < tile.bottom; ++y)
      copy_blocks(query, query.at(b, 0, y), problem.key_channels, tile, problem.width,
                  work.queries.get() + (y - tile.top) * tiling.columns * problem.key_channels);
    std::fill_n(work.out.get(), tiling.rows * tiling.columns * value_stride, T(0));
    for (int64_t n = 0; n < tiling.rows * tiling.columns / kBlock; ++n)
      work.softmax.get()[n].clear();
  }

  // Let all queries of the tile that see memory row r read it.
  void read_row(const Tile &tile, int64_t r, const T *value_row, int64_t value_row_stride,
                Workspace &work) const {
    const int64_t first = std::max(tile.top, r - tiling.radius);
    const int64_t end = std::min(tile.bottom, r + tiling.radius + 1);
    for (int64_t y = first; y < end; ++y)
      for (int64_t block = 0; block < tile.blocks(); ++block) {
        const int64_t number = block_number(y - tile.top, block);
        T *out = work.out.get() + number * kBlock * value_stride;
        correlate(work.queries.get() + number * kBlock * problem.key_channels,
                  problem.key_channels, work.key_row.get() + block * kBlock, tiling.planar_stride,
                  tiling.band, work.scores.get(), tiling.band_stride);
        work.softmax.get()[number].update(work.scores.get(), tiling, mask.get(), out,
                                          value_stride);
        accumulate(work.scores.get(), tiling.band_stride, tiling.window,
                   value_row + block * kBlock * value_row_stride, value_row_stride, out,
                   value_stride, value_stride);
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
        const T total =
            sum<T>(load(softmax.total[i])) + (padding > 0 ? padding * std::exp(-softmax.maximum[i]) : 0);
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

// ---- Backward ----------------------------------------------------------------------------------

// Turn scores into probabilities p and their gradients into p * (gradient - mean), in place.
// Members of the block are queries (kQueriesInBlock) or memory locations; the other side of the
// band is the other one. log_sum_exp and mean belong to the queries.
template <bool kQueriesInBlock, typename T>
inline void differentiate(T *scores, T *gradients, const Tiling<T> &tiling, const T *log_sum_exp,
                          const T *mean) {
  constexpr int64_t lanes = Simd<T>::lanes;
  const int64_t stride = tiling.band_stride;
  for (int64_t i = 0; i < kBlock; ++i)
    for (int64_t x = 0; x < stride; x += lanes) {
      const int64_t at = i * stride + x;
      const Vector<T> reference = kQueriesInBlock ? broadcast(log_sum_exp[i]) : load(log_sum_exp + x);
      const Vector<T> expected = kQueriesInBlock ? broadcast(mean[i]) : load(mean + x);
      const Vector<T> p = exponential(load(scores + at) - reference);
      store(scores + at, p);
      store(gradients + at, p * (load(gradients + at) - expected));
    }
}

// What the two backward passes share: the inputs, and for each query <grad_read, read>.
template <typename E> struct BackwardInputs {
  using T = Compute<E>;

  Array<const E> query, keys, values, read;
  Array<T> log_sum_exp;
  Array<const E> grad_read;
  Scratch<T> means; // (batch, height, width)

  void compute_means(const LmanetProblem &problem) {
    const int64_t rows = problem.batch * problem.height;
#pragma omp parallel for num_threads(problem.threads)
    for (int64_t n = 0; n < rows; ++n) {
      const int64_t b = n / problem.height, y = n % problem.height;
      for (int64_t x = 0; x < problem.width; ++x) {
        const E *out = read.at(b, 0, y) + x * read.column;
        const E *grad = grad_read.at(b, 0, y) + x * grad_read.column;
        T mean = 0;
        for (int64_t c = 0; c < problem.value_channels; ++c)
          mean += to_compute(out[c * read.channel]) * to_compute(grad[c * grad_read.channel]);
        means.get()[n * problem.width + x] = mean;
      }
    }
  }
};

// grad_query, by tiles of queries over the rows of their halo.
template <typename E> struct QueryBackward {
  using T = Compute<E>;

  const LmanetProblem &problem;
  const BackwardInputs<E> &inputs;
  Array<E> grad_query;
  int64_t key_stride = round_up(problem.key_channels, Simd<T>::lanes);
  Tiling<T> tiling{problem, problem.value_channels + 2 * key_stride};

  struct Workspace {
    Scratch<T> queries, grads, log_sum_exp, means, key_planes, value_planes, key_row, scores,
        gradients, out;

    explicit Workspace(const QueryBackward &f)
        : queries(f.tiling.rows * f.tiling.columns * f.problem.key_channels),
          grads(f.tiling.rows * f.tiling.columns * f.problem.value_channels),
          log_sum_exp(f.tiling.rows * f.tiling.columns), means(f.tiling.rows * f.tiling.columns),
          key_planes(f.problem.key_channels * f.tiling.planar_stride),
          value_planes(f.problem.value_channels * f.tiling.planar_stride),
          key_row(f.tiling.halo_columns * f.key_stride),
          scores(kBlock * f.tiling.band_stride), gradients(kBlock * f.tiling.band_stride),
          out(f.tiling.rows * f.tiling.columns * f.key_stride) {}
  };

  void run_tile(int64_t b, const Tile &tile, Workspace &work) const {
    start(b, tile, work);
    const Span seen{tile.left - tiling.radius, tile.blocks() * kBlock + tiling.window - 1,
                    problem.width};
    for (int64_t t = 0; t < problem.frames; ++t) {
      const int64_t last = std::min(tile.bottom - 1 + tiling.radius, problem.height - 1);
      for (int64_t r = std::max<int64_t>(tile.top - tiling.radius, 0); r <= last; ++r) {
        const Array<const E> &keys = inputs.keys, &values = inputs.values;
        planar_row(keys, keys.at(b, t, r), problem.key_channels, seen, work.key_planes.get(),
                   tiling.planar_stride);
        planar_row(values, values.at(b, t, r), problem.value_channels, seen,
                   work.value_planes.get(), tiling.planar_stride);
        int64_t stride;
        const T *key_row = interleaved_row(keys, keys.at(b, t, r), problem.key_channels, seen,
                                           work.key_row.get(), stride);
        add_row(tile, r, key_row, stride, work);
      }
    }
    finish(b, tile, work);
  }

  void start(int64_t b, const Tile &tile, Workspace &work) const {
    for (int64_t y = tile.top; y < tile.bottom; ++y) {
      const int64_t first = (y - tile.top) * tiling.columns;
      copy_blocks(inputs.query, inputs.query.at(b, 0, y), problem.key_channels, tile,
                  problem.width, work.queries.get() + first * problem.key_channels);
      copy_blocks(inputs.grad_read, inputs.grad_read.at(b, 0, y), problem.value_channels, tile,
                  problem.width, work.grads.get() + first * problem.value_channels);
      for (int64_t x = 0; x < tiling.columns; ++x) {
        const bool inside = x < tile.columns;
        const int64_t column = tile.left + x;
        work.log_sum_exp.get()[first + x] =
            inside ? inputs.log_sum_exp.at(b, 0, y)[column * inputs.log_sum_exp.column] : 0;
        work.means.get()[first + x] =
            inside ? inputs.means.get()[(b * problem.height + y) * problem.width + column] : 0;
      }
    }
    std::fill_n(work.out.get(), tiling.rows * tiling.columns * key_stride, T(0));
  }

  void add_row(const Tile &tile, int64_t r, const T *key_row, int64_t key_row_stride,
               Workspace &work) const {
    const int64_t first = std::max(tile.top, r - tiling.radius);
    const int64_t end = std::min(tile.bottom, r + tiling.radius + 1);
    T *scores = work.scores.get(), *gradients = work.gradients.get();
    for (int64_t y = first; y < end; ++y)
      for (int64_t block = 0; block < tile.blocks(); ++block) {
        const int64_t location = (y - tile.top) * tiling.columns + block * kBlock;
        correlate(work.queries.get() + location * problem.key_channels, problem.key_channels,
                  work.key_planes.get() + block * kBlock, tiling.planar_stride, tiling.band, scores,
                  tiling.band_stride);
        correlate(work.grads.get() + location * problem.value_channels, problem.value_channels,
                  work.value_planes.get() + block * kBlock, tiling.planar_stride, tiling.band,
                  gradients, tiling.band_stride);
        differentiate<true>(scores, gradients, tiling, work.log_sum_exp.get() + location, work.means.get() + location);
        accumulate(gradients, tiling.band_stride, tiling.window,
                   key_row + block * kBlock * key_row_stride, key_row_stride,
                   work.out.get() + location * key_stride, key_stride, key_stride);
      }
  }

  void finish(int64_t b, const Tile &tile, Workspace &work) const {
    for (int64_t y = tile.top; y < tile.bottom; ++y)
      for (int64_t x = 0; x < tile.columns; ++x) {
        const T *out = work.out.get() + ((y - tile.top) * tiling.columns + x) * key_stride;
        E *to = grad_query.at(b, 0, y) + (tile.left + x) * grad_query.column;
        for (int64_t c = 0; c < problem.key_channels; ++c)
          to[c * grad_query.channel] = to_element<E>(out[c]);
      }
  }
};

// grad_keys and grad_values, by tiles of memory locations over the rows of queries that see them.
template <typename E> struct MemoryBackward {
  using T = Compute<E>;

  const LmanetProblem &problem;
  const BackwardInputs<E> &inputs;
  Array<E> grad_keys, grad_values;
  int64_t key_stride = round_up(problem.key_channels, Simd<T>::lanes);
  int64_t value_stride = round_up(problem.value_channels, Simd<T>::lanes);
  Tiling<T> tiling{problem, 2 * (key_stride + value_stride)};

  struct Workspace {
    Scratch<T> keys, values, query_planes, grad_planes, query_row, grad_row, log_sum_exp, means,
        scores, gradients, grad_keys, grad_values;

    explicit Workspace(const MemoryBackward &f)
        : keys(f.tiling.rows * f.tiling.columns * f.problem.key_channels),
          values(f.tiling.rows * f.tiling.columns * f.problem.value_channels),
          query_planes(f.problem.key_channels * f.tiling.planar_stride),
          grad_planes(f.problem.value_channels * f.tiling.planar_stride),
          query_row(f.tiling.halo_columns * f.key_stride),
          grad_row(f.tiling.halo_columns * f.value_stride), log_sum_exp(f.tiling.planar_stride),
          means(f.tiling.planar_stride), scores(kBlock * f.tiling.band_stride),
          gradients(kBlock * f.tiling.band_stride),
          grad_keys(f.tiling.rows * f.tiling.columns * f.key_stride),
          grad_values(f.tiling.rows * f.tiling.columns * f.value_stride) {}
  };

  // Frames are independent here: they are counted as further streams of the batch.
  void run_tile(int64_t stream, const Tile &tile, Workspace &work) const {
    const int64_t b = stream / problem.frames, t = stream % problem.frames;
    start(b, t, tile, work);
    const Span seen{tile.left - tiling.radius, tile.blocks() * kBlock + tiling.window - 1,
                    problem.width};
    const Array<const E> &query = inputs.query, &grad_read = inputs.grad_read;
    const int64_t last = std::min(tile.bottom - 1 + tiling.radius, problem.height - 1);
    for (int64_t y = std::max<int64_t>(tile.top - tiling.radius, 0); y <= last; ++y) {
      planar_row(query, query.at(b, 0, y), problem.key_channels, seen, work.query_planes.get(),
                 tiling.planar_stride);
      planar_row(grad_read, grad_read.at(b, 0, y), problem.value_channels, seen,
                 work.grad_planes.get(), tiling.planar_stride);
      copy_statistics(b, y, seen, work);
      int64_t query_stride, grad_stride;
      const T *query_row = interleaved_row(query, query.at(b, 0, y), problem.key_channels, seen,
                                           work.query_row.get(), query_stride);
      const T *grad_row = interleaved_row(grad_read, grad_read.at(b, 0, y), problem.value_channels,
                                          seen, work.grad_row.get(), grad_stride);
      add_row(tile, y, query_row, query_stride, grad_row, grad_stride, work);
    }
    finish(grad_keys, work.grad_keys.get(), key_stride, problem.key_channels, b, t, tile);
    finish(grad_values, work.grad_values.get(), value_stride, problem.value_channels, b, t, tile);
  }

  void start(int64_t b, int64_t t, const Tile &tile, Workspace &work) const {
    for (int64_t y = tile.top; y < tile.bottom; ++y) {
      const int64_t first = (y - tile.top) * tiling.columns;
      copy_blocks(inputs.keys, inputs.keys.at(b, t, y), problem.key_channels, tile, problem.width,
                  work.keys.get() + first * problem.key_channels);
      copy_blocks(inputs.values, inputs.values.at(b, t, y), problem.value_channels, tile,
                  problem.width, work.values.get() + first * problem.value_channels);
    }
    const int64_t locations = tiling.rows * tiling.columns;
    std::fill_n(work.grad_keys.get(), locations * key_stride, T(0));
    std::fill_n(work.grad_values.get(), locations * value_stride, T(0));
  }

  // Queries outside of the image get zeros; their gradients are zeros, so they add nothing.
  void copy_statistics(int64_t b, int64_t y, Span span, Workspace &work) const {
    std::fill_n(work.log_sum_exp.get(), tiling.planar_stride, T(0));
    std::fill_n(work.means.get(), tiling.planar_stride, T(0));
    for (int64_t x = span.begin(); x < span.end(); ++x) {
      const int64_t column = span.first + x;
      work.log_sum_exp.get()[x] =
          inputs.log_sum_exp.at(b, 0, y)[column * inputs.log_sum_exp.column];
      work.means.get()[x] = inputs.means.get()[(b * problem.height + y) * problem.width + column];
    }
  }

  void add_row(const Tile &tile, int64_t y, const T *query_row, int64_t query_stride,
               const T *grad_row, int64_t grad_stride, Workspace &work) const {
    const int64_t first = std::max(tile.top, y - tiling.radius);
    const int64_t end = std::min(tile.bottom, y + tiling.radius + 1);
    T *scores = work.scores.get(), *gradients = work.gradients.get();
    for (int64_t r = first; r < end; ++r)
      for (int64_t block = 0; block < tile.blocks(); ++block) {
        const int64_t column = block * kBlock;
        const int64_t location = (r - tile.top) * tiling.columns + column;
        correlate(work.keys.get() + location * problem.key_channels, problem.key_channels,
                  work.query_planes.get() + column, tiling.planar_stride, tiling.band, scores,
                  tiling.band_stride);
        correlate(work.values.get() + location * problem.value_channels, problem.value_channels,
                  work.grad_planes.get() + column, tiling.planar_stride, tiling.band, gradients,
                  tiling.band_stride);
        differentiate<false>(scores, gradients, tiling, work.log_sum_exp.get() + column, work.means.get() + column);
        accumulate(scores, tiling.band_stride, tiling.window, grad_row + column * grad_stride,
                   grad_stride, work.grad_values.get() + location * value_stride, value_stride,
                   value_stride);
        accumulate(gradients, tiling.band_stride, tiling.window, query_row + column * query_stride,
                   query_stride, work.grad_keys.get() + location * key_stride, key_stride,
                   key_stride);
      }
  }

  void finish(const Array<E> &to, const T *from, int64_t stride, int64_t channels, int64_t b,
              int64_t t, const Tile &tile) const {
    for (int64_t y = tile.top; y < tile.bottom; ++y)
      for (int64_t x = 0; x < tile.columns; ++x) {
        const T *out = from + ((y - tile.top) * tiling.columns + x) * stride;
        E *element = to.at(b, t, y) + (tile.left + x) * to.column;
        for (int64_t c = 0; c < channels; ++c)
          element[c * to.channel] = to_element<E>(out[c]);
      }
  }
};

// ---- Entry points ------------------------------------------------------------------------------

// Call `function` with a value of the problem's element type; 1 if there is no such type.
template <typename Function> int32_t with_type(const LmanetProblem &problem, Function function) {
  switch (problem.type) {
  case kLmanetFloat:
    return function(float());
  case kLmanetBfloat16:
    return function(Bfloat16());
#ifdef WITH_DOUBLE
  case kLmanetDouble:
    return function(double());
#endif
  default:
    return 1;
  }
}

int32_t forward(const LmanetProblem &problem, const LmanetArray &query, const LmanetArray &keys,
                const LmanetArray &values, const LmanetArray &read,
                const LmanetArray &log_sum_exp) {
  return with_type(problem, [&](auto element) {
    using E = decltype(element);
    using In = Array<const E>;
    const Forward<E> pass{problem, In(query), In(keys), In(values), Array<E>(read),
                          Array<Compute<E>>(log_sum_exp)};
    run_tiles(pass, problem, pass.tiling);
    return 0;
  });
}

int32_t backward(const LmanetProblem &problem, const LmanetArray &query, const LmanetArray &keys,
                 const LmanetArray &values, const LmanetArray &read,
                 const LmanetArray &log_sum_exp, const LmanetArray &grad_read,
                 const LmanetArray &grad_query, const LmanetArray &grad_keys,
                 const LmanetArray &grad_values) {
  return with_type(problem, [&](auto element) {
    using E = decltype(element);
    using T = Compute<E>;
    using In = Array<const E>;
    BackwardInputs<E> inputs{In(query),       In(keys),      In(values),
                             In(read),        Array<T>(log_sum_exp), In(grad_read),
                             Scratch<T>(problem.batch * problem.height * problem.width)};
    inputs.compute_means(problem);
    const QueryBackward<E> query_pass{problem, inputs, Array<E>(grad_query)};
    run_tiles(query_pass, problem, query_pass.tiling);
    LmanetProblem streams = problem;
    streams.batch = problem.batch * problem.frames;
    const MemoryBackward<E> memory_pass{problem, inputs, Array<E>(grad_keys),
                                        Array<E>(grad_values)};
    run_tiles(memory_pass, streams, memory_pass.tiling);
    return 0;
  });
}

} // namespace
