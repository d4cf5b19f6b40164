// C interface of the kernel: local attention, and labels of logits; see local_attention.cpp.
#pragma once

#include <cstdint>

extern "C" {

// A strided (batch, frame, channel, row, column) array; strides in elements. Arrays without a
// dimension have stride 0 there.
struct LmanetArray {
  void *data;
  int64_t strides[5];
};

enum LmanetType : int32_t { kLmanetFloat = 0, kLmanetBfloat16 = 1, kLmanetDouble = 2 };

enum LmanetInstructions : int32_t {
  kLmanetBaseline = 0, // SSE2 on x86, NEON on AArch64
  kLmanetEmulatedBf16 = 1, // on any processor what AVX-512 BF16 does: for tests
  kLmanetAvx2 = 2,
  kLmanetAvx512 = 3,
  kLmanetAvx512Bf16 = 4,
};

struct LmanetProblem {
  int64_t batch, frames, key_channels, value_channels, height, width, window_size;
  int32_t type;
  int32_t instructions;
  int32_t threads;
};

struct LmanetLogits {
  int64_t batch, classes, height, width; // at most 256 classes
  int64_t labels_height, labels_width;   // not below height and width
  int32_t corners_aligned;               // of logits and labels, where the latter are more
  int32_t type;                          // not double
  int32_t instructions;
  int32_t threads;
};

// The best instructions that both this library and this processor have.
int32_t lmanet_best_instructions();

// All return 0, or 1 for a type or instructions that are not there.

// Writes `read` (of the inputs' type) and `log_sum_exp` (double for double inputs, else float).
int32_t lmanet_forward(const LmanetProblem *problem, const LmanetArray *query,
                       const LmanetArray *keys, const LmanetArray *values,
                       const LmanetArray *read, const LmanetArray *log_sum_exp);

// Writes the three gradients from what the forward pass was given and has written.
int32_t lmanet_backward(const LmanetProblem *problem, const LmanetArray *query,
                        const LmanetArray *keys, const LmanetArray *values,
                        const LmanetArray *read, const LmanetArray *log_sum_exp,
                        const LmanetArray *grad_read, const LmanetArray *grad_query,
                        const LmanetArray *grad_keys, const LmanetArray *grad_values);

// Writes the label and, where there is room for it, the confidence of each pixel: (batch, row,
// column) bytes without gaps.
int32_t lmanet_classify(const LmanetLogits *problem, const LmanetArray *logits, uint8_t *labels,
                        uint8_t *confidence);
}
