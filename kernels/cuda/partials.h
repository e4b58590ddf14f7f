// Sums over a whole array in two stages: each block leaves a partial result, one block adds them.
#pragma once

#include "kernels/cuda/common.h"

namespace lamella::cuda {

constexpr int kMaxPartials = 1024;

// partials[block] = the sum over this block's threads.
template <class T>
__device__ __forceinline__ void write_block_sum(T mine, T* __restrict__ partials) {
  const T sum = block_sum<kBlock>(mine);
  if (threadIdx.x == 0) partials[blockIdx.x] = sum;
}

// The sum of `count` partials; every thread of the one block gets it. Threads take neighbouring
// partials, then add by halves: deterministic.
template <class T>
__device__ __forceinline__ T sum_of_partials(std::int64_t count, const T* __restrict__ partials) {
  T mine{};
  for (std::int64_t i = threadIdx.x; i < count; i += kBlock) mine += partials[i];
  return block_sum<kBlock>(mine);
}

// The launch of the second stage.
constexpr Plan kOneBlock{{1, 1, 1}, {kBlock, 1, 1}};

}  // namespace lamella::cuda
