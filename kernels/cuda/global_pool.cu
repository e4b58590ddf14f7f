// Global average pooling: the mean over all pixels of an image, for each channel, and its gradient.
#include "kernels/cuda/columns.h"
#include "kernels/cuda/families.h"

namespace lamella::cuda {
namespace {

// y[n,c] = sum over the pixels of image n of x / pixels.
// Threads: x take runs of V channels, y take pixels and merge; blocks y take images. One block for
// each image and tile of channels: meant for the small maps at the end of a net.
// x at x_pitch, y at y_pitch. Accumulation in f32. Deterministic.
// Least bytes: N * C * (pixels + 1) * sizeof(T).  FLOPs: N * pixels * C.
template <class T, int V>
__global__ void global_avg_pool_fwd_kernel(GlobalPoolShape s, const T* __restrict__ x,
                                           T* __restrict__ y) {
  const std::int64_t c = column<V>();
  for (std::int64_t n = blockIdx.y; n < s.N; n += gridDim.y) {
    Sums<1> sums[V];
    if (c < s.C) {
      const T* image = x + n * s.pixels * s.x_pitch + c;
      for (std::int64_t pixel = threadIdx.y; pixel < s.pixels; pixel += blockDim.y) {
        const Run<V> run = load<V>(image + pixel * s.x_pitch);
        for (int i = 0; i < V; ++i) sums[i].v[0] += run[i];
      }
    }
    merge_rows<V>(sums);
    if (threadIdx.y == 0 && c < s.C) {
      Run<V> mean;
      for (int i = 0; i < V; ++i) mean[i] = sums[i].v[0] / static_cast<float>(s.pixels);
      store<V>(y + n * s.y_pitch + c, mean);
    }
    __syncthreads();
  }
}

// dx[n,pixel,c] (=|+=) dy[n,c] / pixels.
// Threads: x take runs of V channels, y take pixels of all images. dy at y_pitch, dx at x_pitch.
// Deterministic: one element, one thread.
// Least bytes: N * C * (pixels + 1) * sizeof(T), one more dx when adding.  FLOPs: N * pixels * C.
template <class T, int V>
__global__ void global_avg_pool_bwd_kernel(GlobalPoolShape s, const T* __restrict__ dy,
                                           T* __restrict__ dx, Write write) {
  const float scale = 1.0F / static_cast<float>(s.pixels);
  const Loop channels = channel_loop<V>(), pixels = pixel_loop();
  for (std::int64_t c = channels.begin; c < s.C; c += channels.step) {
    for (std::int64_t pixel = pixels.begin; pixel < s.N * s.pixels; pixel += pixels.step) {
      Run<V> run = load<V>(dy + pixel / s.pixels * s.y_pitch + c);
      for (int i = 0; i < V; ++i) run[i] *= scale;
      store<V>(dx + pixel * s.x_pitch + c, run, write);
    }
  }
}

void global_avg_pool_fwd(const KernelContext& ctx, const GlobalPoolShape& s, const void* x,
                         void* y) {
  if (s.pixels == 0 || s.C == 0) return;
  const Access access{s.dtype, {s.C, s.x_pitch, s.y_pitch}, {x, y}};
  dispatch("global_avg_pool_fwd", access, [&]<class T, int V>() {
    Plan plan = plan_tiles<V>(1, s.C, 1);
    plan.grid.y = static_cast<unsigned>(std::min<std::int64_t>(s.N, 65535));
    launch("global_avg_pool_fwd", global_avg_pool_fwd_kernel<T, V>, plan.grid, plan.block, 0, ctx,
           s, static_cast<const T*>(x), static_cast<T*>(y));
  });
}

void global_avg_pool_bwd(const KernelContext& ctx, const GlobalPoolShape& s, const void* dy,
                         void* dx, Write write) {
  if (s.pixels == 0) return;
  dispatch("global_avg_pool_bwd", {s.dtype, {s.C, s.x_pitch, s.y_pitch}, {dy, dx}},
           [&]<class T, int V>() {
             const Plan plan = plan_matrix<V>(s.N * s.pixels, s.C);
             launch("global_avg_pool_bwd", global_avg_pool_bwd_kernel<T, V>, plan.grid, plan.block,
                    0, ctx, s, static_cast<const T*>(dy), static_cast<T*>(dx), write);
           });
}

}  // namespace

void add_global_pool(KernelTable& table) {
  table.global_avg_pool_fwd = global_avg_pool_fwd;
  table.global_avg_pool_bwd = global_avg_pool_bwd;
}

}  // namespace lamella::cuda
