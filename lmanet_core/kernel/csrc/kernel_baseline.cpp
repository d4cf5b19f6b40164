// The kernels for any processor: SSE2 on x86, NEON on AArch64.
#include "kernel_includes.h"

#define WITH_DOUBLE // for checking gradients: speed does not matter there
#define VECTOR_BYTES 16
#if defined(__aarch64__)
#define VECTOR_REGISTERS 32
#else
#define VECTOR_REGISTERS 16
#endif
#include "kernel.h"

extern const Kernels baseline_kernels = {forward, backward, classify};
