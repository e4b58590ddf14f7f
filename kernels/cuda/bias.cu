// The bias: added to every pixel, and its gradient, the sum over all pixels of each channel of dy
// (convolution and linear add theirs themselves, and have the same gradient).
#include "kernels/cuda/columns.h"
#include "kernels/cuda/families.h"
#include "kernels/cuda/parameters.h"

namespace lamella::cuda {
namespace {

// y = x + bias[c].
// Threads: x take runs of V channels, whose bias they keep in registers; y take pixels.
// x at x_pitch, y at y_pitch. One element is one thread's: deterministic.
// Least bytes: pixels * C * sizeof(T) * 2 + 4 * C.  FLOPs: pixels * C.
template <class T, int V>
__global__ void bias_fwd_kernel(SliceShape s, const T* __restrict__ x,
                                const float* __restrict__ bias, T* __restrict__ y) {
  using Tile = Parameters<1, V>;
  SHARED(Tile, tile, [1]);
  stage<V>(tile[0], s.C, bias);
  const std::int64_t c = column<V>();
  if (c >= s.C) return;
  const Run<V> mine = staged(tile[0], 0);
  const Loop pixels = pixel_loop();
  for (std::int64_t pixel = pixels.begin; pixel < s.pixels; pixel += pixels.step) {
    Run<V> run = load<V>(x + pixel * s.x_pitch + c);
    for (int i = 0; i < V; ++i) run[i] += mine[i];
    store<V>(y + pixel * s.y_pitch + c, run);
  }
}

// partials[share][c] = sum of dy[pixel, c] over the pixels of this block's share.
// Threads: x take runs of V channels, y take pixels (kernels/cuda/columns.h). dy at x_pitch.
// Accumulation in f32: at most pixels / (block.y * grid.y) terms in one thread, then by halves.
// Deterministic: the order is fixed by the shape.
// Least bytes: pixels * C * sizeof(T).  FLOPs: pixels * C.
template <class T, int V>
__global__ void bias_bwd_partial_kernel(SliceShape s, const T* __restrict__ dy,
                                        float* __restrict__ partials) {
  Sums<1> sums[V];
  const std::int64_t c = column<V>();
  if (c < s.C) {
    const Loop pixels = pixel_loop();
    for (std::int64_t pixel = pixels.begin; pixel < s.pixels; pixel += pixels.step) {
      const Run<V> run = load<V>(dy + pixel * s.x_pitch + c);
      for (int i = 0; i < V; ++i) sums[i].v[0] += run[i];
    }
  }
  write_partial<V>(sums, s.C, partials);
}

// db[c] (=|+=) sum of `count` partials.
// Threads: x take channels, y take partials. Deterministic.
// Least bytes: (count + 1) * C * 4.  FLOPs: count * C.
__global__ void bias_bwd_merge_kernel(std::int64_t channels, int count,
                                      const float* __restrict__ partials, float* __restrict__ db,
                                      Write write) {
  const Sums<1> sum = merge_partials<Sums<1>>(partials, count, channels);
  if (threadIdx.y != 0 || column<1>() >= channels) return;
  store<1>(db + column<1>(), Run<1>{{sum.v[0]}}, write);
}

void bias_fwd(const KernelContext& ctx, const SliceShape& s, const void* x, const float* bias,
              void* y) {
  if (s.pixels == 0 || s.C == 0) return;
  dispatch("bias_fwd", {s.dtype, {s.C, s.x_pitch, s.y_pitch}, {x, y}}, [&]<class T, int V>() {
    const Plan plan = plan_with_parameters<T, V>(s.pixels, s.C, 4, 2);
    launch("bias_fwd", bias_fwd_kernel<T, V>, plan.grid, plan.block, 0, ctx, s,
           static_cast<const T*>(x), bias, static_cast<T*>(y));
  });
}

void bias_bwd(const KernelContext& ctx, const SliceShape& s, const void* dy, float* db,
              Write write) {
  if (s.pixels == 0 || s.C == 0) return;
  dispatch("bias_bwd", {s.dtype, {s.C, s.x_pitch}, {dy}}, [&]<class T, int V>() {
    const ColumnPlan plan = plan_columns<T, V, Sums<1>>(s.pixels, s.C);
    float* partials = ctx.scratch<float>(plan.partials(Sums<1>::kFields, s.C));
    launch("bias_bwd", bias_bwd_partial_kernel<T, V>, plan.grid, plan.block, 0, ctx, s,
           static_cast<const T*>(dy), partials);
    launch("bias_bwd", bias_bwd_merge_kernel, plan.merge_grid, plan.merge_block, 0, ctx, s.C,
           static_cast<int>(plan.grid.y), partials, db, write);
  });
}

}  // namespace

void add_bias(KernelTable& table) {
  table.bias_fwd = bias_fwd;
  table.bias_bwd = bias_bwd;
}

}  // namespace lamella::cuda
