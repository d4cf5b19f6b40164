// The kernels for x86 processors with AVX2 and FMA.
#include "kernel_includes.h"

#if defined(__x86_64__)
// After the standard headers: their inline functions must run on every processor.
#pragma GCC target("avx2,fma")
#define VECTOR_BYTES 32
#define VECTOR_REGISTERS 16
#ifndef __clang__ // takes no target pragma
#define X86_INSTRUCTIONS
#endif
#include "kernel.h"

extern const Kernels avx2_kernels = {forward, backward, classify};
#endif
