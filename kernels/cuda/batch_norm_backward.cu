// Batch norm backward: the two sums over pixels and the gradient. t, the value before the ReLU on
// the output, is not stored: it is recomputed from x.
//
// Where several layers normalise the same channels with the same statistics, as all layers of a
// dense block do, the gradient of x is
//   sum over layers of gamma/sqrt(var+eps) * g    the direct part, added up layer by layer, and
//   -(A + (x - mean) * B) / pixels                what comes through the statistics, with
//   A = sum over layers of gamma/sqrt(var+eps) * sum over pixels of g
//   B = sum over layers of gamma/(var+eps) * sum over pixels of g * zhat.
// A and B are two numbers for a channel: so the second part is one pass for all layers together,
// and the first needs no sum before it, so that a layer reads its x and dy once, not twice.
#include "kernels/cuda/batch_norm.h"
#include "kernels/cuda/families.h"

namespace lamella::cuda {
namespace {

// partials[share][c] = sums of g and of g * zhat over this block's share of the pixels. With
// `direct`, on the way, dx (=|+=) gamma / sqrt(var + eps) * g.
// Threads: x take runs of V channels, y take pixels (kernels/cuda/columns.h). x at x_pitch, dy at
// y_pitch, dx at dx_pitch. Accumulation in f32. Deterministic: the order is fixed by the shape.
// Least bytes: pixels * C * sizeof(T) * 2, with dx 3 (4 when adding).  FLOPs: pixels * C * 9,
// or 11.
template <class T, int V, bool direct>
__global__ void batch_norm_bwd_reduce_partial_kernel(
    BatchNormShape s, const T* __restrict__ x, const T* __restrict__ dy,
    const float* __restrict__ mean, const float* __restrict__ var, const float* __restrict__ gamma,
    const float* __restrict__ beta, std::int64_t dx_pitch, T* __restrict__ dx, Write write,
    float* __restrict__ partials) {
  using Tile = Parameters<4, V>;
  SHARED(Tile, tile, [1]);
  stage<V>(tile[0], s.C, mean, var, gamma, beta);
  Sums<2> sums[V];
  const std::int64_t c = column<V>();
  if (c < s.C) {
    Channel channel[V];
    read_channels(tile[0], s.eps, channel);
    const Loop pixels = pixel_loop();
    for (std::int64_t pixel = pixels.begin; pixel < s.pixels; pixel += pixels.step) {
      const Run<V> in = load<V>(x + pixel * s.x_pitch + c);
      Run<V> run = load<V>(dy + pixel * s.y_pitch + c);
      for (int i = 0; i < V; ++i) {
        const float zhat = channel[i].normalised(s, in[i]);
        const float g = channel[i].passed(s, zhat, run[i]);
        sums[i].v[0] += g;
        sums[i].v[1] += g * zhat;
        run[i] = channel[i].gamma * channel[i].inverse_std * g;
      }
      if constexpr (direct) store<V>(dx + pixel * dx_pitch + c, run, write);
    }
  }
  write_partial<V>(sums, s.C, partials);
}

// sums[0..C) = sum g = dbeta, sums[C..2C) = sum g * zhat = dgamma, from `count` partials.
// Threads: x take channels, y take partials. Deterministic.
// Least bytes: (2 * count + 2) * C * 4.  FLOPs: 2 * count * C.
__global__ void batch_norm_bwd_reduce_merge_kernel(std::int64_t channels, int count,
                                                   const float* __restrict__ partials,
                                                   float* __restrict__ sums) {
  const Sums<2> sum = merge_partials<Sums<2>>(partials, count, channels);
  const std::int64_t c = column<1>();
  if (threadIdx.y != 0 || c >= channels) return;
  sums[c] = sum.v[0];
  sums[channels + c] = sum.v[1];
}

// training:  dz = gamma / sqrt(var + eps) * (g - sums_g / pixels - zhat * sums_gz / pixels)
// otherwise: dz = gamma / sqrt(var + eps) * g.     dx (=|+=) relu_in && x <= 0 ? 0 : dz.
// Threads: x take runs of V channels, whose parameters they keep in registers; y take pixels.
// x at x_pitch, dy at y_pitch, dx at dx_pitch. Deterministic.
// Least bytes: pixels * C * sizeof(T) * 3 (4 when adding) + 24 * C.  FLOPs: pixels * C * 12.
template <class T, int V>
__global__ void batch_norm_bwd_apply_kernel(
    BatchNormShape s, const T* __restrict__ x, const T* __restrict__ dy,
    const float* __restrict__ mean, const float* __restrict__ var, const float* __restrict__ gamma,
    const float* __restrict__ beta, const float* __restrict__ sums, std::int64_t dx_pitch,
    T* __restrict__ dx, Write write) {
  using Tile = Parameters<6, V>;
  SHARED(Tile, tile, [1]);
  stage<V>(tile[0], s.C, mean, var, gamma, beta, sums, sums + s.C);
  const std::int64_t c = column<V>();
  if (c >= s.C) return;
  Channel channel[V];
  read_channels(tile[0], s.eps, channel);
  Run<V> mean_g = staged(tile[0], 4), mean_gz = staged(tile[0], 5);
  const float per_pixel = 1.0F / static_cast<float>(s.pixels);
  for (int i = 0; i < V; ++i) {
    mean_g[i] = s.training ? mean_g[i] * per_pixel : 0.0F;
    mean_gz[i] = s.training ? mean_gz[i] * per_pixel : 0.0F;
  }
  const Loop pixels = pixel_loop();
  for (std::int64_t pixel = pixels.begin; pixel < s.pixels; pixel += pixels.step) {
    const Run<V> in = load<V>(x + pixel * s.x_pitch + c);
    Run<V> run = load<V>(dy + pixel * s.y_pitch + c);
    for (int i = 0; i < V; ++i) {
      const float zhat = channel[i].normalised(s, in[i]);
      const float g = channel[i].passed(s, zhat, run[i]);
      const float dz =
          channel[i].gamma * channel[i].inverse_std * (g - mean_g[i] - zhat * mean_gz[i]);
      run[i] = s.relu_in && in[i] <= 0 ? 0.0F : dz;
    }
    store<V>(dx + pixel * dx_pitch + c, run, write);
  }
}

// sums[0..C) and sums[C..2C) from `count` partials; A in shared[0..C) and B in
// shared[shared_pitch..) take this layer's share.
// Threads: x take channels, y take partials. Deterministic.
// Least bytes: (2 * count + 8) * C * 4.  FLOPs: (2 * count + 8) * C.
__global__ void batch_norm_bwd_shared_merge_kernel(
    BatchNormShape s, int count, const float* __restrict__ partials, const float* __restrict__ var,
    const float* __restrict__ gamma, float* __restrict__ sums, std::int64_t shared_pitch,
    float* __restrict__ shared) {
  const Sums<2> sum = merge_partials<Sums<2>>(partials, count, s.C);
  const std::int64_t c = column<1>();
  if (threadIdx.y != 0 || c >= s.C) return;
  const float inverse_std = 1.0F / sqrtf(var[c] + s.eps);
  const float scale = gamma[c] * inverse_std;
  sums[c] = sum.v[0];
  sums[s.C + c] = sum.v[1];
  shared[c] += scale * sum.v[0];
  shared[shared_pitch + c] += scale * inverse_std * sum.v[1];
}

// dx (=|+=) dy - (A + (x - mean) * B) / pixels.
// Threads: x take runs of V channels, whose parameters they keep in registers; y take pixels.
// x at x_pitch, dy at y_pitch, dx at dx_pitch; dx may be dy. Deterministic.
// Least bytes: pixels * C * sizeof(T) * 3 (4 when adding) + 12 * C.  FLOPs: pixels * C * 4.
template <class T, int V>
__global__ void batch_norm_stats_bwd_kernel(BatchNormShape s, const T* __restrict__ x, const T* dy,
                                            const float* __restrict__ mean,
                                            std::int64_t shared_pitch,
                                            const float* __restrict__ shared, std::int64_t dx_pitch,
                                            T* dx, Write write) {
  using Tile = Parameters<3, V>;
  SHARED(Tile, tile, [1]);
  stage<V>(tile[0], s.C, mean, shared, shared + shared_pitch);
  const std::int64_t c = column<V>();
  if (c >= s.C) return;
  const Run<V> centre = staged(tile[0], 0);
  Run<V> offset = staged(tile[0], 1), slope = staged(tile[0], 2);
  const float per_pixel = 1.0F / static_cast<float>(s.pixels);
  for (int i = 0; i < V; ++i) {
    offset[i] = offset[i] * per_pixel;
    slope[i] = slope[i] * per_pixel;
  }
  const Loop pixels = pixel_loop();
  for (std::int64_t pixel = pixels.begin; pixel < s.pixels; pixel += pixels.step) {
    const Run<V> in = load<V>(x + pixel * s.x_pitch + c);
    Run<V> run = load<V>(dy + pixel * s.y_pitch + c);
    for (int i = 0; i < V; ++i) run[i] -= offset[i] + (in[i] - centre[i]) * slope[i];
    store<V>(dx + pixel * dx_pitch + c, run, write);
  }
}

void batch_norm_bwd_reduce(const KernelContext& ctx, const BatchNormShape& s, const void* x,
                           const void* dy, const float* mean, const float* var, const float* gamma,
                           const float* beta, float* sums) {
  if (s.pixels == 0 || s.C == 0) return;
  const Access access{s.dtype, {s.C, s.x_pitch, s.y_pitch}, {x, dy}};
  dispatch("batch_norm_bwd_reduce", access, [&]<class T, int V>() {
    const ColumnPlan plan = plan_columns<T, V, Sums<2>>(s.pixels, s.C);
    float* partials = ctx.scratch<float>(plan.partials(Sums<2>::kFields, s.C));
    launch("batch_norm_bwd_reduce", batch_norm_bwd_reduce_partial_kernel<T, V, false>, plan.grid,
           plan.block, 0, ctx, s, static_cast<const T*>(x), static_cast<const T*>(dy), mean, var,
           gamma, beta, 0, nullptr, Write::Set, partials);
    launch("batch_norm_bwd_reduce", batch_norm_bwd_reduce_merge_kernel, plan.merge_grid,
           plan.merge_block, 0, ctx, s.C, static_cast<int>(plan.grid.y), partials, sums);
  });
}

void batch_norm_bwd_apply(const KernelContext& ctx, const BatchNormShape& s, const void* x,
                          const void* dy, const float* mean, const float* var, const float* gamma,
                          const float* beta, const float* sums, std::int64_t dx_pitch, void* dx,
                          Write write) {
  if (s.pixels == 0 || s.C == 0) return;
  const Access access{s.dtype, {s.C, s.x_pitch, s.y_pitch, dx_pitch}, {x, dy, dx}};
  dispatch("batch_norm_bwd_apply", access, [&]<class T, int V>() {
    const Plan plan = plan_with_parameters<T, V>(s.pixels, s.C, 24, 3);
    launch("batch_norm_bwd_apply", batch_norm_bwd_apply_kernel<T, V>, plan.grid, plan.block, 0, ctx,
           s, static_cast<const T*>(x), static_cast<const T*>(dy), mean, var, gamma, beta, sums,
           dx_pitch, static_cast<T*>(dx), write);
  });
}

void batch_norm_bwd_shared(const KernelContext& ctx, const BatchNormShape& s, const void* x,
                           const void* dy, const float* mean, const float* var, const float* gamma,
                           const float* beta, float* sums, std::int64_t shared_pitch, float* shared,
                           std::int64_t dx_pitch, void* dx, Write write) {
  if (s.pixels == 0 || s.C == 0) return;
  const Access access{s.dtype, {s.C, s.x_pitch, s.y_pitch, dx_pitch}, {x, dy, dx}};
  dispatch("batch_norm_bwd_shared", access, [&]<class T, int V>() {
    const ColumnPlan plan = plan_columns<T, V, Sums<2>>(s.pixels, s.C);
    float* partials = ctx.scratch<float>(plan.partials(Sums<2>::kFields, s.C));
    launch("batch_norm_bwd_shared", batch_norm_bwd_reduce_partial_kernel<T, V, true>, plan.grid,
           plan.block, 0, ctx, s, static_cast<const T*>(x), static_cast<const T*>(dy), mean, var,
           gamma, beta, dx_pitch, static_cast<T*>(dx), write, partials);
    launch("batch_norm_bwd_shared", batch_norm_bwd_shared_merge_kernel, plan.merge_grid,
           plan.merge_block, 0, ctx, s, static_cast<int>(plan.grid.y), partials, var, gamma, sums,
           shared_pitch, shared);
  });
}

void batch_norm_stats_bwd(const KernelContext& ctx, const BatchNormShape& s, const void* x,
                          const void* dy, const float* mean, std::int64_t shared_pitch,
                          const float* shared, std::int64_t dx_pitch, void* dx, Write write) {
  if (s.pixels == 0 || s.C == 0) return;
  const Access access{s.dtype, {s.C, s.x_pitch, s.y_pitch, dx_pitch}, {x, dy, dx}};
  dispatch("batch_norm_stats_bwd", access, [&]<class T, int V>() {
    const Plan plan = plan_with_parameters<T, V>(s.pixels, s.C, 12, 3);
    launch("batch_norm_stats_bwd", batch_norm_stats_bwd_kernel<T, V>, plan.grid, plan.block, 0, ctx,
           s, static_cast<const T*>(x), static_cast<const T*>(dy), mean, shared_pitch, shared,
           dx_pitch, static_cast<T*>(dx), write);
  });
}

}  // namespace

void add_batch_norm_backward(KernelTable& table) {
  table.batch_norm_bwd_reduce = batch_norm_bwd_reduce;
  table.batch_norm_bwd_apply = batch_norm_bwd_apply;
  table.batch_norm_bwd_shared = batch_norm_bwd_shared;
  table.batch_norm_stats_bwd = batch_norm_stats_bwd;
}

}  // namespace lamella::cuda
