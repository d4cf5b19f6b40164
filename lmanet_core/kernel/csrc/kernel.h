// Local attention, forward and backward, on tiles of locations; compiled once for each instruction
// set by a file that defines VECTOR_BYTES and VECTOR_REGISTERS, and PAIRS if the forward pass of
// bfloat16 is to multiply pairs of numbers.
//
// The band. Neighbouring queries are taken in blocks. Of one row of the memory, a block sees a few
// columns more than window_size: a band, in which each query has its own window. Two small matrix
// products do nearly all of the work:
//
//   correlate    scores[block][band] = a[block][C] . b[C][band]     (b "planar": channels outermost)
//   accumulate   out[block][C]    += p[block][band] . b[band][C]    (b "interleaved": innermost)
//
// Forward, a block is four rows of one or two columns, so that windows hardly differ within it
// (forward_products.h); backward it is four columns of a row (products.h).
//
// Between them stand an online softmax (forward) or the recomputed probabilities (backward), so
// that no tensor of scores ever exists. The backward pass for keys and values is the same with the
// roles swapped: a block of memory locations and the band of queries that see them.
//
// The border. Memory outside of the image has score 0 and value 0 and counts in the softmax:
// columns outside are packed as zeros, rows outside are left out and counted at the end.
#pragma once

#include "backward.h"
#include "classify.h"
#include "forward.h"
#include "pairs.h"

namespace {

// What the products of the forward pass are made of.
#ifdef PAIRS
template <typename E>
using Operand = std::conditional_t<std::is_same_v<E, Bfloat16>, Pair, Compute<E>>;
#else
template <typename E> using Operand = Compute<E>;
#endif

// Call `function` with a value of the problem's element type; 1 if there is no such type.
template <typename Function> int32_t with_type(int32_t type, Function function) {
  switch (type) {
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

template <typename E>
int32_t forward_of(const LmanetProblem &problem, const LmanetArray &query, const LmanetArray &keys,
                   const LmanetArray &values, const LmanetArray &read,
                   const LmanetArray &log_sum_exp) {
  using In = Array<const E>;
  const Forward<E, Operand<E>> pass{problem, In(query), In(keys), In(values), Array<E>(read),
                                    Array<Compute<E>>(log_sum_exp)};
  run_tiles(pass, problem, pass.tiling);
  return 0;
}

int32_t forward(const LmanetProblem &problem, const LmanetArray &query, const LmanetArray &keys,
                const LmanetArray &values, const LmanetArray &read,
                const LmanetArray &log_sum_exp) {
  return with_type(problem.type, [&](auto element) {
    return forward_of<decltype(element)>(problem, query, keys, values, read, log_sum_exp);
  });
}

int32_t backward(const LmanetProblem &problem, const LmanetArray &query, const LmanetArray &keys,
                 const LmanetArray &values, const LmanetArray &read,
                 const LmanetArray &log_sum_exp, const LmanetArray &grad_read,
                 const LmanetArray &grad_query, const LmanetArray &grad_keys,
                 const LmanetArray &grad_values) {
  return with_type(problem.type, [&](auto element) {
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

int32_t classify(const LmanetLogits &problem, const LmanetArray &logits, uint8_t *labels,
                 uint8_t *confidence) {
  return with_type(problem.type, [&](auto element) {
    using E = decltype(element);
    if constexpr (std::is_same_v<E, double>) {
      return 1;
    } else {
      Classification<E>{problem, Array<const E>(logits), labels, confidence}.run();
      return 0;
    }
  });
}

} // namespace
