// The sum of partial products, which shares of the depth leave behind.
#pragma once

#include "kernels/cuda/product/tile.h"

namespace lamella::cuda {

// y (=|+=) sum of the shares' partials (+ bias), in order.
// Threads: x take columns, y take rows. Deterministic.
// Least bytes: (shares + 1) * rows * columns * 4.  FLOPs: shares * rows * columns.
template <class T>
__global__ void merge_shares_kernel(TileOut out, int shares, const float* __restrict__ partials,
                                    const float* __restrict__ bias, T* __restrict__ y) {
  const Loop columns = channel_loop<1>(), rows = pixel_loop();
  const std::int64_t count = out.rows * out.columns;
  for (std::int64_t column = columns.begin; column < out.columns; column += columns.step) {
    for (std::int64_t row = rows.begin; row < out.rows; row += rows.step) {
      float sum = bias != nullptr ? bias[column] : 0.0F;
      for (int share = 0; share < shares; ++share) {
        sum += partials[share * count + row * out.columns + column];
      }
      store<1>(y + row * out.pitch + column, Run<1>{{sum}}, out.write);
    }
  }
}

// Partials and result as `out` says.
template <class T>
void merge_shares(const char* name, const KernelContext& ctx, const TileOut& out,
                  std::int64_t shares, const float* bias, T* y) {
  const Plan plan = plan_matrix<1>(out.rows, out.columns);
  launch(name, merge_shares_kernel<T>, plan.grid, plan.block, 0, ctx, out, static_cast<int>(shares),
         out.partials, bias, y);
}

}  // namespace lamella::cuda
