// The kernels for x86 processors with AVX-512.
#include "kernel_includes.h"

#if defined(__x86_64__)
// After the standard headers: their inline functions must run on every processor.
#pragma GCC target("avx512f,avx512dq,avx512vl,avx512bw,fma,prefer-vector-width=512")
#define VECTOR_BYTES 64
#define VECTOR_REGISTERS 32
#ifndef __clang__ // takes no target pragma
#define X86_INSTRUCTIONS
#endif
#include "kernel.h"

extern const Kernels avx512_kernels = {forward, backward, classify};
#endif
