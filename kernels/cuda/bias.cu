// Bias gradient of convolution and linear: the sum over all pixels of each channel of dy.
#include "kernels/cuda/columns.h"
#include "kernels/cuda/families.h"

namespace lamella::cuda {
namespace {

// partials[share][c] = sum of dy[pixel, c] over the pixels of this block's share.
// Threads: x take channels, y take pixels (kernels/cuda/columns.h). dy at x_pitch.
// Accumulation in f32: at most pixels / (block.y * grid.y) terms in one thread, then by halves.
// Deterministic: the order is fixed by the shape.
// Least bytes: pixels * C * sizeof(T).  FLOPs: pixels * C.
template <class T>
__global__ void bias_bwd_partial_kernel(SliceShape s, const T* __restrict__ dy,
                                        float* __restrict__ partials) {
  Sums<1> sum;
  if (column() < s.C) {
    const Loop pixels = pixel_loop();
    for (std::int64_t pixel = pixels.begin; pixel < s.pixels; pixel += pixels.step) {
      sum.v[0] += static_cast<float>(dy[pixel * s.x_pitch + column()]);
    }
  }
  write_partial(sum, s.C, partials);
}

// db[c] (=|+=) sum of `count` partials.
// Threads: x take channels, y take partials. Deterministic.
// Least bytes: (count + 1) * C * 4.  FLOPs: count * C.
__global__ void bias_bwd_merge_kernel(std::int64_t channels, int count,
                                      const float* __restrict__ partials, float* __restrict__ db,
                                      Write write) {
  const Sums<1> sum = merge_partials<Sums<1>>(partials, count, channels);
  if (threadIdx.y == 0 && column() < channels) store<1>(db + column(), Run<1>{{sum.v[0]}}, write);
}

void bias_bwd(const KernelContext& ctx, const SliceShape& s, const void* dy, float* db,
              Write write) {
  if (s.pixels == 0 || s.C == 0) return;
  dispatch_type("bias_bwd", s.dtype, [&]<class T>() {
    const ColumnPlan plan = plan_columns(s.pixels, s.C);
    float* partials = ctx.scratch<float>(plan.partials(Sums<1>::kFields, s.C));
    launch("bias_bwd", bias_bwd_partial_kernel<T>, plan.grid, plan.block, 0, ctx, s,
           static_cast<const T*>(dy), partials);
    launch("bias_bwd", bias_bwd_merge_kernel, plan.merge_grid, plan.block, 0, ctx, s.C,
           static_cast<int>(plan.grid.y), partials, db, write);
  });
}

}  // namespace

void add_bias(KernelTable& table) {
  table.bias_bwd = bias_bwd;
}

}  // namespace lamella::cuda
