// Where the words of CUDA come from: the toolkit under nvcc, the emulator elsewhere. And
//   UNROLL for (...)   a loop whose counter indexes an array of registers: it must be unrolled, or
//                      the array goes to local memory
#pragma once

#if defined(__CUDACC__)
#include <cuda_runtime.h>

#define UNROLL _Pragma("unroll")

namespace lamella {
// 16 bytes moved by one access, whatever type lies there. nvcc takes the members of a uint4 apart
// and does not always put a store together again (tests/ptx sees it); an __int128 stays whole when
// stored, but not when loaded.
using Loaded16 = uint4;
using Stored16 = unsigned __int128;
using Stored8 = unsigned long long;
// The device itself refuses an address that is no multiple of the access's size.
template <int kBytes>
__device__ __forceinline__ void require_aligned(const void*) {}
}  // namespace lamella
#else
#define UNROLL
#include "kernels/simt/language.h"
#endif
