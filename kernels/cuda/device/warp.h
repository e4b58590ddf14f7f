// The 32 lanes of a warp: where a thread is among them, and reductions over them by shuffles, which
// every lane calls and whose result every lane gets. The order of additions is fixed:
// deterministic.
#pragma once

#include "kernels/cuda/device/language.h"

namespace lamella {

constexpr int kWarpLanes = 32;
constexpr unsigned kAllLanes = 0xFFFFFFFFU;

// Of this thread, in a block of one dimension.
__device__ __forceinline__ int lane_of_thread() {
  return static_cast<int>(threadIdx.x) % kWarpLanes;
}
__device__ __forceinline__ int warp_of_thread() {
  return static_cast<int>(threadIdx.x) / kWarpLanes;
}

template <class T>
__device__ __forceinline__ T warp_sum(T value) {
  for (int distance = kWarpLanes / 2; distance > 0; distance /= 2) {
    value += __shfl_xor_sync(kAllLanes, value, distance);
  }
  return value;
}

template <class T>
__device__ __forceinline__ T warp_max(T value) {
  for (int distance = kWarpLanes / 2; distance > 0; distance /= 2) {
    const T other = __shfl_xor_sync(kAllLanes, value, distance);
    value = value < other ? other : value;
  }
  return value;
}

}  // namespace lamella
