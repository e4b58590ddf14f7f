// Where the words of CUDA come from: the toolkit under nvcc, the emulator elsewhere.
#pragma once

#if defined(__CUDACC__)
#include <cuda_runtime.h>

namespace lamella {
// 16 bytes moved by one access, whatever type lies there.
using Raw16 = uint4;
// The device itself refuses an address that is no multiple of 16.
__device__ __forceinline__ void require_aligned16(const void*) {}
}  // namespace lamella
#else
#include "kernels/simt/language.h"
#endif
