// Choice of the kernel at run time: one source, compiled once for each instruction set.
#include "local_attention.h"

#include "instruction_sets.h"

namespace {

const Kernels *kernels_for(int32_t type, int32_t instructions) {
  if (type == kLmanetDouble)
    return &baseline_kernels;
  switch (instructions) {
  case kLmanetBaseline:
  case kLmanetEmulatedBf16:
    return &baseline_kernels;
#if defined(__x86_64__)
  case kLmanetAvx2:
    return &avx2_kernels;
  case kLmanetAvx512:
#ifdef WITH_AVX512_BF16
  case kLmanetAvx512Bf16:
#endif
    return &avx512_kernels;
#endif
  default:
    return nullptr;
  }
}

// Some instruction sets have a forward pass of their own for bfloat16.
decltype(Kernels::forward) forward_for(const Kernels &kernels, int32_t type,
                                       int32_t instructions) {
  if (type == kLmanetBfloat16 && instructions == kLmanetEmulatedBf16)
    return emulated_bf16_forward;
#ifdef WITH_AVX512_BF16
  if (type == kLmanetBfloat16 && instructions == kLmanetAvx512Bf16)
    return avx512_bf16_forward;
#endif
  return kernels.forward;
}

} // namespace

int32_t lmanet_best_instructions() {
#if defined(__x86_64__)
  __builtin_cpu_init();
  if (__builtin_cpu_supports("avx512f") && __builtin_cpu_supports("avx512dq") &&
      __builtin_cpu_supports("avx512vl") && __builtin_cpu_supports("avx512bw")) {
#ifdef WITH_AVX512_BF16
    if (__builtin_cpu_supports("avx512bf16"))
      return kLmanetAvx512Bf16;
#endif
    return kLmanetAvx512;
  }
  if (__builtin_cpu_supports("avx2") && __builtin_cpu_supports("fma"))
    return kLmanetAvx2;
#endif
  return kLmanetBaseline;
}

int32_t lmanet_forward(const LmanetProblem *problem, const LmanetArray *query,
                       const LmanetArray *keys, const LmanetArray *values,
                       const LmanetArray *read, const LmanetArray *log_sum_exp) {
  const Kernels *kernels = kernels_for(problem->type, problem->instructions);
  if (!kernels)
    return 1;
  const auto forward = forward_for(*kernels, problem->type, problem->instructions);
  return forward(*problem, *query, *keys, *values, *read, *log_sum_exp);
}

int32_t lmanet_backward(const LmanetProblem *problem, const LmanetArray *query,
                        const LmanetArray *keys, const LmanetArray *values,
                        const LmanetArray *read, const LmanetArray *log_sum_exp,
                        const LmanetArray *grad_read, const LmanetArray *grad_query,
                        const LmanetArray *grad_keys, const LmanetArray *grad_values) {
  const Kernels *kernels = kernels_for(problem->type, problem->instructions);
  if (!kernels)
    return 1;
  return kernels->backward(*problem, *query, *keys, *values, *read, *log_sum_exp, *grad_read,
                           *grad_query, *grad_keys, *grad_values);
}

int32_t lmanet_classify(const LmanetLogits *problem, const LmanetArray *logits, uint8_t *labels,
                        uint8_t *confidence) {
  const Kernels *kernels = kernels_for(problem->type, problem->instructions);
  if (!kernels)
    return 1;
  return kernels->classify(*problem, *logits, labels, confidence);
}
