// Labels and confidences of logits: one pass over what is by far the largest array of a frame.
#pragma once

#include "arrays.h"
#include "vectors.h"

namespace {

template <typename E> struct Classification {
  // A piece of a row whose logits stay in the first-level cache.
  static constexpr int64_t kColumns = 128;
  static constexpr int64_t lanes = Simd<float>::lanes;
  typedef uint8_t Bytes __attribute__((vector_size(lanes)));

  const LmanetLogits &problem;
  Array<const E> logits;
  uint8_t *labels, *confidence; // no confidence if that is null

  void run() const {
#pragma omp parallel num_threads(problem.threads)
    {
      // Planar even where the logits are interleaved.
      Scratch<float> planes(problem.classes * kColumns);
#pragma omp for schedule(static)
      for (int64_t n = 0; n < problem.batch * problem.height; ++n)
        run_row(n, planes.get());
    }
  }

private:
  void run_row(int64_t n, float *planes) const {
    const E *row = logits.at(n / problem.height, 0, n % problem.height);
    for (int64_t x = 0; x < problem.width; x += kColumns) {
      const Span span{x, std::min(kColumns, problem.width - x), problem.width};
      copy_row(logits, row, problem.classes, span, planes, kColumns, 1);
      for (int64_t v = 0; v < span.count; v += lanes)
        classify_vector(planes + v, n * problem.width + x + v,
                        std::min(lanes, span.count - v));
    }
  }

  void classify_vector(const float *planes, int64_t at, int64_t count) const {
    Vector<float> best = load(planes);
    Mask<float> label = {};
    for (int64_t c = 1; c < problem.classes; ++c) {
      const Vector<float> value = load(planes + c * kColumns);
      const Mask<float> higher = value > best;
      best = higher ? value : best;
      label = higher ? Mask<float>{} + int32_t(c) : label;
    }
    write(labels + at, label, count);
    if (confidence)
      write(confidence + at, certainty(planes, best), count);
  }

  // The largest of the softmax, which is 1 / sum(exp(logit - largest logit)), in 255ths.
  Mask<float> certainty(const float *planes, Vector<float> best) const {
    Vector<float> total = {};
    for (int64_t c = 0; c < problem.classes; ++c)
      total += exponential(load(planes + c * kColumns) - best);
    const Vector<float> certainty = 255.0f / total + 0.5f;
    return __builtin_convertvector(certainty == certainty ? certainty : Vector<float>{},
                                   Mask<float>);
  }

  static void write(uint8_t *to, Mask<float> numbers, int64_t count) {
    const Bytes bytes = __builtin_convertvector(numbers, Bytes);
    std::memcpy(to, &bytes, count);
  }
};

} // namespace
