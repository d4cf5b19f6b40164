// The forward pass of bfloat16 for x86 processors with AVX-512 BF16.
#include "kernel_includes.h"

#ifdef WITH_AVX512_BF16
#if defined(__GNUC__) && !defined(__clang__)
// GCC 12 takes what its own intrinsics leave undefined on purpose for a mistake of ours.
#pragma GCC diagnostic ignored "-Wmaybe-uninitialized"
#endif

// After the standard headers: their inline functions must run on every processor.
#pragma GCC target("avx512f,avx512dq,avx512vl,avx512bw,avx512bf16,fma,prefer-vector-width=512")
#define VECTOR_BYTES 64
#define VECTOR_REGISTERS 32
#define PAIRS
#define PAIR_INSTRUCTIONS
#define X86_INSTRUCTIONS
#include "kernel.h"

int32_t avx512_bf16_forward(const LmanetProblem &problem, const LmanetArray &query,
                            const LmanetArray &keys, const LmanetArray &values,
                            const LmanetArray &read, const LmanetArray &log_sum_exp) {
  return forward_of<Bfloat16>(problem, query, keys, values, read, log_sum_exp);
}
#endif
