// Where the words of CUDA come from: the toolkit under nvcc, the emulator elsewhere.
#pragma once

#if defined(__CUDACC__)
#include <cuda_runtime.h>

#include <type_traits>

namespace lamella {
// 16 bytes moved by one access, whatever type lies there. nvcc takes the members of a uint4 apart,
// and where they are floats does not always put a store together again; an __int128 stays whole
// when stored, but not when loaded, and 16-bit elements reach it through local memory only
// (tests/ptx and tools/checks/spills.sh see it).
using Loaded16 = uint4;
template <class T>
using Stored16 = std::conditional_t<sizeof(T) == 4, unsigned __int128, uint4>;
// The device itself refuses an address that is no multiple of 16.
__device__ __forceinline__ void require_aligned16(const void*) {}
}  // namespace lamella
#else
#include "kernels/simt/language.h"
#endif
