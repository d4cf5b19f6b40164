// Labels and confidences of logits: one pass over what is by far the largest array of a frame. Logits
// smaller than the labels are enlarged on the way, bilinearly, piece by piece.
#pragma once

#include "arrays.h"
#include "vectors.h"

namespace {

// Where a coordinate of the labels lies among those of the logits, as in PyTorch's interpolation.
struct Place {
  int64_t first, second;
  float weight; // of the second

  Place(int64_t at, int64_t labels, int64_t logits, bool corners_aligned) {
    const float steps = corners_aligned ? float(logits - 1) / float(std::max<int64_t>(labels - 1, 1))
                                        : float(logits) / float(labels);
    const float exact = corners_aligned ? steps * float(at)
                                        : std::max(steps * (float(at) + 0.5f) - 0.5f, 0.0f);
    first = std::min(int64_t(exact), logits - 1);
    second = std::min(first + 1, logits - 1);
    weight = std::min(exact - float(first), 1.0f);
  }
};

template <typename E> struct Classification {
  // A piece of a row whose logits stay in the first-level cache, and how many rows of such pieces
  // are enlarged together.
  static constexpr int64_t kColumns = 128, kRows = 32;
  static constexpr int64_t lanes = Simd<float>::lanes;
  typedef uint8_t Bytes __attribute__((vector_size(lanes)));

  const LmanetLogits &problem;
  Array<const E> logits;
  uint8_t *labels, *confidence; // no confidence if that is null

  void run() const {
    const bool enlarged =
        problem.height != problem.labels_height || problem.width != problem.labels_width;
    const int64_t rows = enlarged ? kRows : 1;
    const int64_t bands = (problem.labels_height + rows - 1) / rows;
#pragma omp parallel num_threads(problem.threads)
    {
      Workspace work(*this);
#pragma omp for schedule(static)
      for (int64_t n = 0; n < problem.batch * bands; ++n) {
        const int64_t b = n / bands, top = n % bands * rows;
        if (enlarged)
          run_enlarged(b, top, std::min(top + rows, problem.labels_height), work);
        else
          run_row(b, top, work.pieces[0].get());
      }
    }
  }

private:
  // Planar even where the logits are interleaved: [class][column].
  struct Workspace {
    Scratch<float> pieces[2];
    int64_t rows[2] = {-1, -1}; // of the logits that the pieces are made of
    // Whole vectors reach beyond the columns that an enlarged piece is made of.
    int64_t stride;
    Scratch<float> narrow;
    Scratch<int32_t> first{kColumns}, second{kColumns};
    Scratch<float> weights{kColumns};

    explicit Workspace(const Classification &c)
        : pieces{Scratch<float>(c.problem.classes * kColumns),
                 Scratch<float>(c.problem.classes * kColumns)},
          stride(kColumns + 2 + 2 * lanes), narrow(c.problem.classes * stride) {
      std::fill_n(narrow.get(), c.problem.classes * stride, 0.0f);
    }
  };

  void run_row(int64_t b, int64_t y, float *planes) const {
    const E *row = logits.at(b, 0, y);
    for (int64_t x = 0; x < problem.width; x += kColumns) {
      const Span span{x, std::min(kColumns, problem.width - x), problem.width};
      copy_row(logits, row, problem.classes, span, planes, kColumns, 1);
      classify_piece(b, y, span, [&](int64_t at) { return load(planes + at); });
    }
  }

  // Rows top .. bottom - 1 of the labels.
  void run_enlarged(int64_t b, int64_t top, int64_t bottom, Workspace &work) const {
    for (int64_t x = 0; x < problem.labels_width; x += kColumns) {
      const Span span{x, std::min(kColumns, problem.labels_width - x), problem.labels_width};
      const Span narrow = place_columns(span, work);
      work.rows[0] = work.rows[1] = -1;
      for (int64_t y = top; y < bottom; ++y) {
        const Place place(y, problem.labels_height, problem.height, problem.corners_aligned);
        const int64_t upper = piece_of(b, place.first, place.second, narrow, work);
        const int64_t lower = piece_of(b, place.second, place.first, narrow, work);
        const float *first = work.pieces[upper].get(), *second = work.pieces[lower].get();
        const Vector<float> weight = broadcast(place.weight);
        const Vector<float> other = 1.0f - weight;
        classify_piece(b, y, span, [&](int64_t at) {
          return other * load(first + at) + weight * load(second + at);
        });
      }
    }
  }

  // Between which columns of the logits those of a piece lie; returns all of them.
  Span place_columns(Span span, Workspace &work) const {
    const auto place = [&](int64_t x) {
      // Beyond the piece's end there is room for whole vectors.
      return Place(std::min(span.first + x, problem.labels_width - 1), problem.labels_width,
                   problem.width, problem.corners_aligned);
    };
    const int64_t begin = place(0).first;
    for (int64_t x = 0; x < kColumns; ++x) {
      const Place at = place(std::min(x, span.count - 1));
      work.first.get()[x] = int32_t(at.first - begin);
      work.second.get()[x] = int32_t(at.second - begin);
      work.weights.get()[x] = at.weight;
    }
    return {begin, work.second.get()[kColumns - 1] + 1, problem.width};
  }

  // Which of the two pieces is row `row` of the logits at the columns of the labels. It is made, if
  // it is not there, in the place of what is not row `other`.
  int64_t piece_of(int64_t b, int64_t row, int64_t other, Span narrow, Workspace &work) const {
    for (int64_t n = 0; n < 2; ++n)
      if (work.rows[n] == row)
        return n;
    const int64_t n = work.rows[0] == other ? 1 : 0;
    work.rows[n] = row;
    copy_row(logits, logits.at(b, 0, row), problem.classes, narrow, work.narrow.get(), work.stride,
             1);
    for (int64_t v = 0; v < kColumns; v += lanes) {
      const Vector<float> weight = load(work.weights.get() + v);
      const Vector<float> other_weight = 1.0f - weight;
      const Gather first(work.first.get() + v), second(work.second.get() + v);
      for (int64_t c = 0; c < problem.classes; ++c) {
        const float *from = work.narrow.get() + c * work.stride;
        store(work.pieces[n].get() + c * kColumns + v,
              other_weight * first.from(from) + weight * second.from(from));
      }
    }
    return n;
  }

  // `score(class * kColumns + column)` gives a vector of logits.
  template <typename Score>
  void classify_piece(int64_t b, int64_t y, Span span, Score score) const {
    const int64_t at = (b * problem.labels_height + y) * problem.labels_width + span.first;
    for (int64_t v = 0; v < span.count; v += lanes)
      classify_vector([&](int64_t c) { return score(c * kColumns + v); }, at + v,
                      std::min(lanes, span.count - v));
  }

  template <typename Score>
  void classify_vector(Score score, int64_t at, int64_t count) const {
    Vector<float> best = score(0);
    Mask<float> label = {};
    for (int64_t c = 1; c < problem.classes; ++c) {
      const Vector<float> value = score(c);
      const Mask<float> higher = value > best;
      best = higher ? value : best;
      label = higher ? Mask<float>{} + int32_t(c) : label;
    }
    write(labels + at, label, count);
    if (confidence)
      write(confidence + at, certainty(score, best), count);
  }

  // The largest of the softmax, which is 1 / sum(exp(logit - largest logit)), in 255ths.
  template <typename Score> Mask<float> certainty(Score score, Vector<float> best) const {
    Vector<float> total = {};
    for (int64_t c = 0; c < problem.classes; ++c)
      total += exponential(score(c) - best);
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
