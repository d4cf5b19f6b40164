// The backward pass: probabilities recomputed between the products.
#pragma once

#include "arrays.h"
#include "products.h"
#include "tiles.h"
#include "vectors.h"

namespace {

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
      const Vector<T> reference =
          kQueriesInBlock ? broadcast(log_sum_exp[i]) : load(log_sum_exp + x);
      const Vector<T> expected = kQueriesInBlock ? broadcast(mean[i]) : load(mean + x);
      const Vector<T> p = exponential(load(scores + at) - reference);
      store(scores + at, p);
      store(gradients + at, p * (load(gradients + at) - expected));
    }
}

// Write a tile's sums, from[location][c] with locations `stride` apart.
template <typename E, typename T>
void write_tile(const Tile &tile, const Tiling<T> &tiling, const T *from, int64_t stride,
                int64_t channels, const Array<E> &to, int64_t b, int64_t t) {
  for (int64_t y = tile.top; y < tile.bottom; ++y)
    for (int64_t x = 0; x < tile.columns; ++x) {
      const T *sums = from + ((y - tile.top) * tiling.columns + x) * stride;
      E *element = to.at(b, t, y) + (tile.left + x) * to.column;
      for (int64_t c = 0; c < channels; ++c)
        element[c * to.channel] = to_element<E>(sums[c]);
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
    const Span seen = tiling.columns_seen(tile);
    for (int64_t t = 0; t < problem.frames; ++t) {
      for (int64_t r = tiling.first_row_seen(tile); r < tiling.end_of_rows_seen(tile); ++r) {
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
    write_tile(tile, tiling, work.out.get(), key_stride, problem.key_channels, grad_query, b, 0);
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
        differentiate<true>(scores, gradients, tiling, work.log_sum_exp.get() + location,
                            work.means.get() + location);
        accumulate(gradients, tiling.band_stride, tiling.window,
                   key_row + block * kBlock * key_row_stride, key_row_stride,
                   work.out.get() + location * key_stride, key_stride, key_stride);
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
    const Span seen = tiling.columns_seen(tile);
    const Array<const E> &query = inputs.query, &grad_read = inputs.grad_read;
    for (int64_t y = tiling.first_row_seen(tile); y < tiling.end_of_rows_seen(tile); ++y) {
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
    write_tile(tile, tiling, work.grad_keys.get(), key_stride, problem.key_channels, grad_keys, b,
               t);
    write_tile(tile, tiling, work.grad_values.get(), value_stride, problem.value_channels,
               grad_values, b, t);
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
        differentiate<false>(scores, gradients, tiling, work.log_sum_exp.get() + column,
                             work.means.get() + column);
        accumulate(scores, tiling.band_stride, tiling.window, grad_row + column * grad_stride,
                   grad_stride, work.grad_values.get() + location * value_stride, value_stride,
                   value_stride);
        accumulate(gradients, tiling.band_stride, tiling.window, query_row + column * query_stride,
                   query_stride, work.grad_keys.get() + location * key_stride, key_stride,
                   key_stride);
      }
  }
};

} // namespace
