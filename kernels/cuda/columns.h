// Reduction of a matrix of pixels x channels along the pixels, in two stages and without atomics:
// bias gradients and the sums and statistics of batch norm.
//   stage 1: each block reduces a share of the pixels of its channels and writes one partial for
//            each channel;
//   stage 2: one block for each tile of channels merges the partials in a fixed order.
// Threads x take neighbouring channels, so every access of a warp is contiguous; threads y take
// pixels and merge through shared memory. The grid depends on the shape alone: deterministic.
//
// An accumulator is a struct with `float v[kFields]`, zero by default, and `void merge(const A&)`.
#pragma once

#include "kernels/cuda/common.h"

namespace lamella::cuda {

template <int F>
struct Sums {
  static constexpr int kFields = F;
  float v[F] = {};
  __device__ void merge(const Sums& other) {
    for (int i = 0; i < F; ++i) v[i] += other.v[i];
  }
};

// Count, mean, and sum of squared distances from the mean, of some values of one channel.
struct Moments {
  static constexpr int kFields = 3;
  float v[kFields] = {};
  __device__ float count() const { return v[0]; }
  __device__ float mean() const { return v[1]; }
  __device__ float m2() const { return v[2]; }

  // Welford 1962.
  __device__ void add(float value) {
    const float delta = value - mean();
    v[0] += 1.0F;
    v[1] += delta / count();
    v[2] += delta * (value - mean());
  }
  // Chan, Golub and LeVeque 1979, eq. 2.1.
  __device__ void merge(const Moments& other) {
    if (other.count() == 0.0F) return;
    const float total = count() + other.count();
    const float delta = other.mean() - mean(), share = other.count() / total;
    v[2] += other.m2() + delta * delta * count() * share;
    v[1] += delta * share;
    v[0] = total;
  }
};

__device__ __forceinline__ std::int64_t column() {
  return std::int64_t{blockIdx.x} * blockDim.x + threadIdx.x;
}

// Merges the accumulators of the threads y of each column, by halves; all threads of the block
// call it, once in a kernel. The result is in threads y = 0.
template <class A>
__device__ __forceinline__ A merge_rows(A mine) {
  SHARED(float, tile, [A::kFields][kBlock]);
  const unsigned slot = threadIdx.y * blockDim.x + threadIdx.x;
  for (int i = 0; i < A::kFields; ++i) tile[i][slot] = mine.v[i];
  __syncthreads();
  for (unsigned rows = blockDim.y / 2; rows > 0; rows /= 2) {
    if (threadIdx.y < rows) {
      A other;
      for (int i = 0; i < A::kFields; ++i) other.v[i] = tile[i][slot + rows * blockDim.x];
      mine.merge(other);
      for (int i = 0; i < A::kFields; ++i) tile[i][slot] = mine.v[i];
    }
    __syncthreads();
  }
  return mine;
}

// End of stage 1: partials [kFields][gridDim.y][C].
template <class A>
__device__ __forceinline__ void write_partial(const A& mine, std::int64_t channels,
                                              float* __restrict__ partials) {
  const A sum = merge_rows(mine);
  if (threadIdx.y != 0 || column() >= channels) return;
  for (int i = 0; i < A::kFields; ++i) {
    partials[(std::int64_t{gridDim.y} * i + blockIdx.y) * channels + column()] = sum.v[i];
  }
}

// Stage 2: merges `count` partials of this thread's column; the result is in threads y = 0.
template <class A>
__device__ __forceinline__ A merge_partials(const float* __restrict__ partials, int count,
                                            std::int64_t channels) {
  A sum;
  if (column() < channels) {
    for (int row = static_cast<int>(threadIdx.y); row < count;
         row += static_cast<int>(blockDim.y)) {
      A part;
      for (int i = 0; i < A::kFields; ++i) {
        part.v[i] = partials[(std::int64_t{count} * i + row) * channels + column()];
      }
      sum.merge(part);
    }
  }
  return merge_rows(sum);
}

// Stage 1 runs on `grid`, stage 2 on `merge_grid`, both with `block`; partials are
// kFields * grid.y * C floats.
struct ColumnPlan {
  dim3 grid, merge_grid, block;
  std::int64_t partials(int fields, std::int64_t channels) const {
    return std::int64_t{fields} * grid.y * channels;
  }
};

// A warp covers 32 channels where there are so many. A thread gets at least 8 pixels, and there
// are at most about 1024 blocks.
inline ColumnPlan plan_columns(std::int64_t pixels, std::int64_t channels) {
  const dim3 block = block_for(channels, 32);
  const std::int64_t tiles = divide_up(channels, block.x);
  const std::int64_t most = std::max<std::int64_t>(1, 1024 / tiles);
  const std::int64_t shares =
      std::clamp<std::int64_t>(divide_up(pixels, std::int64_t{block.y} * 8), 1, most);
  const auto x = static_cast<unsigned>(tiles);
  return {{x, static_cast<unsigned>(shares), 1}, {x, 1, 1}, block};
}

}  // namespace lamella::cuda
