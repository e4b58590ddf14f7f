// Reductions over the 32 lanes of a warp, by shuffles. Every lane of the warp calls them, and
// every lane gets the result. The order of additions is fixed: deterministic.
#pragma once

#include "kernels/cuda/device/language.h"

namespace lamella {

constexpr int kWarpLanes = 32;
constexpr unsigned kAllLanes = 0xFFFFFFFFU;

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
