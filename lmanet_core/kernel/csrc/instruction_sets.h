// The kernels of each instruction set, as tables of functions.
#pragma once

#include "local_attention.h"

struct Kernels {
  int32_t (*forward)(const LmanetProblem &, const LmanetArray &query, const LmanetArray &keys,
                     const LmanetArray &values, const LmanetArray &read,
                     const LmanetArray &log_sum_exp);
  int32_t (*backward)(const LmanetProblem &, const LmanetArray &query, const LmanetArray &keys,
                      const LmanetArray &values, const LmanetArray &read,
                      const LmanetArray &log_sum_exp, const LmanetArray &grad_read,
                      const LmanetArray &grad_query, const LmanetArray &grad_keys,
                      const LmanetArray &grad_values);
  int32_t (*classify)(const LmanetLogits &, const LmanetArray &logits, uint8_t *labels,
                      uint8_t *confidence);
};

extern const Kernels baseline_kernels;
extern const Kernels avx2_kernels;
extern const Kernels avx512_kernels;
