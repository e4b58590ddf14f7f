// The product in shared memory that the middle rungs of two ladders share: tiles of 32 x 32, one
// element of y for each thread.
#pragma once

#include "kernels/cuda/common.h"

namespace lamella::ladder {

constexpr int kSide = 32;  // rows, columns and depth of a tile

// y[row, column] (+)= sum over depth of a(row, depth) * b(column, depth), plus bias[column] where
// given. a and b are called with rows, columns and depths inside the product only.
// A block takes 32 x 32 elements. It brings 32 of depth of its 32 rows and 32 columns into shared
// memory, lanes along the depth, where memory is contiguous; each of them is used 32 times from
// there. A row of a tile is 33 long: threads that read down a column meet different banks.
// Threads: x take columns, y take rows. Accumulation in f32; deterministic.
template <class A, class B, class T>
__device__ __forceinline__ void multiply_tiles(const A& a, const B& b, std::int64_t rows,
                                               std::int64_t columns, std::int64_t depth,
                                               const float* __restrict__ bias, std::int64_t y_pitch,
                                               T* __restrict__ y) {
  SHARED(float, left, [kSide][kSide + 1]);
  SHARED(float, right, [kSide][kSide + 1]);
  const unsigned tx = threadIdx.x, ty = threadIdx.y;
  const std::int64_t row = std::int64_t{blockIdx.x} * kSide + ty;
  const std::int64_t column = std::int64_t{blockIdx.y} * kSide + tx;
  const std::int64_t line = std::int64_t{blockIdx.y} * kSide + ty;  // of b, when it is brought
  float sum = 0;
  for (std::int64_t first = 0; first < depth; first += kSide) {
    const std::int64_t d = first + tx;
    left[ty][tx] = row < rows && d < depth ? a(row, d) : 0.0F;
    right[ty][tx] = line < columns && d < depth ? b(line, d) : 0.0F;
    __syncthreads();
    for (int k = 0; k < kSide; ++k) sum += left[ty][k] * right[tx][k];
    __syncthreads();
  }
  if (row >= rows || column >= columns) return;
  y[row * y_pitch + column] = static_cast<T>(sum + (bias != nullptr ? bias[column] : 0.0F));
}

// A matrix whose rows run along the depth.
template <class T>
struct Matrix {
  const T* data;
  std::int64_t pitch;
  __device__ float operator()(std::int64_t row, std::int64_t depth) const {
    return static_cast<float>(data[row * pitch + depth]);
  }
};

inline dim3 tiles_of(std::int64_t rows, std::int64_t columns) {
  return {static_cast<unsigned>(cuda::divide_up(rows, kSide)),
          static_cast<unsigned>(cuda::divide_up(columns, kSide)), 1};
}

}  // namespace lamella::ladder
