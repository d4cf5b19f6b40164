// The kernels of each instruction set, as tables of functions.
#pragma once

#include <type_traits>

#include "local_attention.h"

// The first GCC to know and to recognise these instructions is 11; clang takes no target pragma.
#if defined(__x86_64__) && !defined(__clang__) && __GNUC__ >= 11
#define WITH_AVX512_BF16
#endif

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

// The forward pass of bfloat16 alone, in pairs; see pairs.h.
std::remove_pointer_t<decltype(Kernels::forward)> emulated_bf16_forward, avx512_bf16_forward;
