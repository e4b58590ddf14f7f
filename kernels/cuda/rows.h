// The map from warps to rows, for kernels in which a warp takes a row: threads x are its lanes.
#pragma once

#include "kernels/cuda/common.h"

namespace lamella::cuda {

constexpr int kRowsPerBlock = 4;  // one warp each

// The first row of this warp and the distance to its next.
__device__ __forceinline__ Loop row_loop() {
  return {std::int64_t{blockIdx.x} * kRowsPerBlock + threadIdx.y,
          std::int64_t{gridDim.x} * kRowsPerBlock};
}

inline Plan plan_rows(std::int64_t rows) {
  const auto blocks = std::min<std::int64_t>(divide_up(rows, kRowsPerBlock), kMaxBlocks);
  return {{static_cast<unsigned>(blocks), 1, 1}, {kWarpLanes, kRowsPerBlock, 1}};
}

}  // namespace lamella::cuda
