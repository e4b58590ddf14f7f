// Parameters of channels in shared memory, for kernels that apply them to every pixel: memory is
// asked for them once by the block, not once by every thread.
#pragma once

#include "kernels/cuda/columns.h"

namespace lamella::cuda {

// `kArrays` parameters of each of a block's channels.
template <int kArrays, int V>
struct Parameters {
  alignas(16) float of[kArrays][kTileChannels<V>];
};

// Fills `tile` from as many arrays of `channels` values. All threads of the block call it.
template <int V, int kArrays, class... Arrays>
__device__ __forceinline__ void stage(Parameters<kArrays, V>& tile, std::int64_t channels,
                                      const Arrays* __restrict__... arrays) {
  static_assert(sizeof...(arrays) == kArrays);
  const unsigned thread = threadIdx.y * blockDim.x + threadIdx.x;
  const std::int64_t c = std::int64_t{blockIdx.x} * blockDim.x * V + thread;
  if (thread < blockDim.x * V && c < channels) {
    int row = 0;
    ((tile.of[row++][thread] = static_cast<float>(arrays[c])), ...);
  }
  __syncthreads();
}

// This thread's values of array `row`.
template <int V, int kArrays>
__device__ __forceinline__ Run<V> staged(const Parameters<kArrays, V>& tile, int row) {
  return load<V>(&tile.of[row][threadIdx.x * V]);
}

// The plan of an element-wise kernel with `bytes` of parameters for each channel, which reads or
// writes `accesses` elements for each of y: a block has so many pixels that its parameters add at
// most a twenty-fifth to what it moves.
template <class T, int V>
Plan plan_with_parameters(std::int64_t pixels, std::int64_t channels, int bytes, int accesses) {
  return plan_tiles<V>(pixels, channels,
                       divide_up(25 * bytes, accesses * static_cast<int>(sizeof(T))));
}

}  // namespace lamella::cuda
