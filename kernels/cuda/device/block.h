// Reductions over the threads of a block of one dimension: shuffles inside each warp, then one
// warp over the warps' results. Every thread of the block calls them and gets the result; shared
// memory may be reused right after. The order of additions is fixed: deterministic.
#pragma once

#include "kernels/cuda/device/language.h"
#include "kernels/cuda/device/memory.h"
#include "kernels/cuda/device/warp.h"

namespace lamella {

// `across_warp` reduces a value over one warp, as warp_sum; `neutral` does not change a result.
template <int kThreads, class T, class AcrossWarp>
__device__ __forceinline__ T block_reduce(T value, T neutral, const AcrossWarp& across_warp) {
  static_assert(kThreads % kWarpLanes == 0 && kThreads <= kWarpLanes * kWarpLanes);
  constexpr int kWarps = kThreads / kWarpLanes;
  SHARED(T, warp_results, [kWarps]);
  const int lane = lane_of_thread();
  value = across_warp(value);
  if (lane == 0) warp_results[warp_of_thread()] = value;
  __syncthreads();
  value = across_warp(lane < kWarps ? warp_results[lane] : neutral);
  __syncthreads();
  return value;
}

template <int kThreads, class T>
__device__ __forceinline__ T block_sum(T value) {
  return block_reduce<kThreads>(value, T{}, [](T mine) { return warp_sum(mine); });
}

// `lowest` is at most every value, -INFINITY for floats.
template <int kThreads, class T>
__device__ __forceinline__ T block_max(T value, T lowest) {
  return block_reduce<kThreads>(value, lowest, [](T mine) { return warp_max(mine); });
}

}  // namespace lamella
