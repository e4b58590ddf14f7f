// The words of CUDA for a host compiler: what a kernel file may use, each with the meaning it has
// on the device. What is not modelled is deleted in collectives.h and atomics.h, or missing, so
// that using it does not compile. Included through kernels/cuda/device/device.h only.
#pragma once

#include <cmath>
#include <cstdint>

#include "kernels/simt/atomics.h"
#include "kernels/simt/collectives.h"
#include "kernels/simt/place.h"

#define __host__
#define __device__
#define __forceinline__ inline __attribute__((always_inline))
// Calls are inlined into the kernel, as nvcc does: an access is known by its inlined call chain.
#define __global__ __attribute__((flatten))
#define __launch_bounds__(...)

using lamella::simt::dim3;

#define threadIdx (::lamella::simt::place.thread)
#define blockIdx (::lamella::simt::place.block)
#define blockDim (::lamella::simt::place.block_size)
#define gridDim (::lamella::simt::place.grid_size)
constexpr int warpSize = 32;

namespace lamella {
// 16 bytes moved by one access, whatever type lies there.
using Loaded16 __attribute__((vector_size(16), may_alias)) = unsigned;
using Stored16 = Loaded16;
using Stored8 __attribute__((may_alias)) = std::uint64_t;

template <int kBytes>
inline void require_aligned(const void* p) {
  if (reinterpret_cast<std::uintptr_t>(p) % kBytes != 0) simt::misaligned_access(p, kBytes);
}
}  // namespace lamella

template <class T>
inline T __ldg(const T* p) {
  return *p;
}

inline float rsqrtf(float x) {
  return 1.0F / std::sqrt(x);
}
