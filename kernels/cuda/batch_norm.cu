// Batch norm with ReLU on either side (kernels/shapes.h, BatchNormShape): statistics of a batch,
// normalisation, the running statistics. Ioffe & Szegedy 2015, algorithm 1. The backward pass is in
// batch_norm_backward.cu.
#include "kernels/cuda/batch_norm.h"
#include "kernels/cuda/families.h"

namespace lamella::cuda {
namespace {

// partials[share][c] = moments of z[., c] - z0[c] over this block's share of the pixels, where z0
// is the first pixel: distances from a value of the channel itself keep their digits where |mean|
// >> std, and Welford's update keeps them where that first value is an outlier. Threads: x take
// runs of V channels, y take pixels (kernels/cuda/columns.h). x at x_pitch. Accumulation in f32.
// Deterministic: the order is fixed by the shape. With `copy`, y = x on the way, at y_pitch.
// Least bytes: pixels * C * sizeof(T), twice with y.  FLOPs: pixels * C * 8.
template <class T, int V, bool copy>
__global__ void batch_norm_stats_partial_kernel(BatchNormShape s, const T* __restrict__ x,
                                                T* __restrict__ y, float* __restrict__ partials) {
  using Tile = Parameters<1, V>;
  SHARED(Tile, tile, [1]);
  stage<V>(tile[0], s.C, x);
  Moments moments[V];
  const std::int64_t c = column<V>();
  if (c < s.C) {
    const Run<V> first = staged(tile[0], 0);
    const Loop pixels = pixel_loop();
    for (std::int64_t pixel = pixels.begin; pixel < s.pixels; pixel += pixels.step) {
      const Run<V> run = load<V>(x + pixel * s.x_pitch + c);
      if constexpr (copy) store<V>(y + pixel * s.y_pitch + c, run);
      for (int i = 0; i < V; ++i) moments[i].add(input(s, run[i]) - input(s, first[i]));
    }
  }
  write_partial<V>(moments, s.C, partials);
}

// mean[c], var[c] (biased) from `count` partials.
// Threads: x take channels, y take partials. Deterministic.
// Least bytes: (3 * count + 2) * C * 4.  FLOPs: count * C * 10.
template <class T>
__global__ void batch_norm_stats_merge_kernel(BatchNormShape s, int count, const T* __restrict__ x,
                                              const float* __restrict__ partials,
                                              float* __restrict__ mean, float* __restrict__ var) {
  const Moments moments = merge_partials<Moments>(partials, count, s.C);
  const std::int64_t c = column<1>();
  if (threadIdx.y != 0 || c >= s.C) return;
  mean[c] = input(s, static_cast<float>(x[c])) + moments.mean();
  var[c] = moments.m2() / moments.count();
}

// y = t, or max(t, 0) with relu_out. Subtracting the mean first keeps the digits of z where
// |mean| >> std.
// Threads: x take runs of V channels, whose parameters they keep in registers; y take pixels.
// Deterministic. Least bytes: pixels * C * sizeof(T) * 2 + 16 * C.  FLOPs: pixels * C * 6.
template <class T, int V>
__global__ void batch_norm_apply_kernel(BatchNormShape s, const T* __restrict__ x,
                                        const float* __restrict__ mean,
                                        const float* __restrict__ var,
                                        const float* __restrict__ gamma,
                                        const float* __restrict__ beta, T* __restrict__ y) {
  using Tile = Parameters<4, V>;
  SHARED(Tile, tile, [1]);
  stage<V>(tile[0], s.C, mean, var, gamma, beta);
  const std::int64_t c = column<V>();
  if (c >= s.C) return;
  Channel channel[V];
  read_channels(tile[0], s.eps, channel);
  const Loop pixels = pixel_loop();
  for (std::int64_t pixel = pixels.begin; pixel < s.pixels; pixel += pixels.step) {
    Run<V> run = load<V>(x + pixel * s.x_pitch + c);
    for (int i = 0; i < V; ++i) {
      const float t = channel[i].scaled(channel[i].normalised(s, run[i]));
      run[i] = s.relu_out && t <= 0 ? 0.0F : t;
    }
    store<V>(y + pixel * s.y_pitch + c, run);
  }
}

// running_mean += momentum * (mean - running_mean);
// running_var  += momentum * (var * unbiased - running_var), unbiased = pixels / (pixels - 1).
// Threads take channels. Deterministic. Least bytes: 24 * C.  FLOPs: 7 * C.
__global__ void batch_norm_update_kernel(std::int64_t count, float momentum, float unbiased,
                                         const float* __restrict__ mean,
                                         const float* __restrict__ var,
                                         float* __restrict__ running_mean,
                                         float* __restrict__ running_var) {
  const Loop channels = element_loop<1>();
  for (std::int64_t c = channels.begin; c < count; c += channels.step) {
    running_mean[c] += momentum * (mean[c] - running_mean[c]);
    running_var[c] += momentum * (var[c] * unbiased - running_var[c]);
  }
}

// y is null without `copy`.
template <bool copy>
void launch_stats(const char* name, const KernelContext& ctx, const Access& access,
                  const BatchNormShape& s, const void* x, void* y, float* mean, float* var) {
  if (s.pixels == 0 || s.C == 0) return;
  dispatch(name, access, [&]<class T, int V>() {
    const auto* in = static_cast<const T*>(x);
    const ColumnPlan plan = plan_columns<T, V, Moments>(s.pixels, s.C);
    float* partials = ctx.scratch<float>(plan.partials(Moments::kFields, s.C));
    launch(name, batch_norm_stats_partial_kernel<T, V, copy>, plan.grid, plan.block, 0, ctx, s, in,
           static_cast<T*>(y), partials);
    launch(name, batch_norm_stats_merge_kernel<T>, plan.merge_grid, plan.merge_block, 0, ctx, s,
           static_cast<int>(plan.grid.y), in, partials, mean, var);
  });
}

void batch_norm_stats(const KernelContext& ctx, const BatchNormShape& s, const void* x, float* mean,
                      float* var) {
  const Access access{s.dtype, {s.C, s.x_pitch}, {x}};
  launch_stats<false>("batch_norm_stats", ctx, access, s, x, nullptr, mean, var);
}

void batch_norm_copy_stats(const KernelContext& ctx, const BatchNormShape& s, const void* x,
                           void* y, float* mean, float* var) {
  const Access access{s.dtype, {s.C, s.x_pitch, s.y_pitch}, {x, y}};
  launch_stats<true>("batch_norm_copy_stats", ctx, access, s, x, y, mean, var);
}

void batch_norm_apply(const KernelContext& ctx, const BatchNormShape& s, const void* x,
                      const float* mean, const float* var, const float* gamma, const float* beta,
                      void* y) {
  if (s.pixels == 0 || s.C == 0) return;
  const Access access{s.dtype, {s.C, s.x_pitch, s.y_pitch}, {x, y}};
  dispatch("batch_norm_apply", access, [&]<class T, int V>() {
    const Plan plan = plan_with_parameters<T, V>(s.pixels, s.C, 16, 2);
    launch("batch_norm_apply", batch_norm_apply_kernel<T, V>, plan.grid, plan.block, 0, ctx, s,
           static_cast<const T*>(x), mean, var, gamma, beta, static_cast<T*>(y));
  });
}

void batch_norm_update(const KernelContext& ctx, const BatchNormShape& s, float momentum,
                       const float* mean, const float* var, float* running_mean,
                       float* running_var) {
  if (s.pixels < 2) {
    throw std::runtime_error("batch_norm_update: " + std::to_string(s.pixels) +
                             " pixels have no unbiased variance; at least 2 are needed");
  }
  const double n = static_cast<double>(s.pixels);
  const Plan plan = plan_flat<1>(s.C);
  launch("batch_norm_update", batch_norm_update_kernel, plan.grid, plan.block, 0, ctx, s.C,
         momentum, static_cast<float>(n / (n - 1)), mean, var, running_mean, running_var);
}

}  // namespace

void add_batch_norm(KernelTable& table) {
  table.batch_norm_stats = batch_norm_stats;
  table.batch_norm_copy_stats = batch_norm_copy_stats;
  table.batch_norm_apply = batch_norm_apply;
  table.batch_norm_update = batch_norm_update;
}

}  // namespace lamella::cuda
