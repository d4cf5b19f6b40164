// The same as kernel_avx512_bf16.cpp but for its instructions: for any processor, for tests.
#include "kernel_includes.h"

#define VECTOR_BYTES 64
#define VECTOR_REGISTERS 32
#define PAIRS
#include "kernel.h"

int32_t emulated_bf16_forward(const LmanetProblem &problem, const LmanetArray &query,
                              const LmanetArray &keys, const LmanetArray &values,
                              const LmanetArray &read, const LmanetArray &log_sum_exp) {
  return forward_of<Bfloat16>(problem, query, keys, values, read, log_sum_exp);
}
