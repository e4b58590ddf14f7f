// The ladder of batch_norm_stats: mean[c] and biased variance var[c] of z[., c] over all pixels,
// z = relu_in ? max(x, 0) : x. All accumulate in f32 and are deterministic.
// Least bytes: pixels * C * sizeof(T) + 8 * C.
#include "bench/ladder/rung.h"
#include "kernels/cuda/columns.h"

namespace lamella::ladder {
namespace {

using cuda::kBlock;

template <class T>
__device__ __forceinline__ float input(const BatchNormShape& s, const T& x) {
  const auto value = static_cast<float>(x);
  return s.relu_in && value <= 0 ? 0.0F : value;
}

// A block takes a channel and its threads take pixels, as one would write it for [N,C,H,W]. Here
// the channels of a pixel are neighbours: each thread's read fetches a sector of its own.
// FLOPs: pixels * C * 4.
template <class T>
__global__ void block_channel_kernel(BatchNormShape s, const T* __restrict__ x,
                                     float* __restrict__ mean, float* __restrict__ var) {
  const std::int64_t c = blockIdx.x;
  const auto pixels = static_cast<float>(s.pixels);
  const float first = input(s, x[c]);  // sums of distances from it keep digits where |mean| >> std
  float sum = 0, squares = 0;
  for (std::int64_t pixel = threadIdx.x; pixel < s.pixels; pixel += kBlock) {
    sum += input(s, x[pixel * s.x_pitch + c]) - first;
  }
  const float center = first + block_sum<kBlock>(sum) / pixels;
  for (std::int64_t pixel = threadIdx.x; pixel < s.pixels; pixel += kBlock) {
    const float distance = input(s, x[pixel * s.x_pitch + c]) - center;
    squares += distance * distance;
  }
  squares = block_sum<kBlock>(squares);
  if (threadIdx.x != 0) return;
  mean[c] = center;
  var[c] = squares / pixels;
}

void block_channel(const KernelContext& ctx, const BatchNormShape& s, const void* x, float* mean,
                   float* var) {
  if (s.pixels == 0) return;
  cuda::dispatch_type("batch_norm_stats", s.dtype, [&]<class T>() {
    launch("batch_norm_stats", block_channel_kernel<T>, dim3{static_cast<unsigned>(s.C), 1, 1},
           dim3{kBlock, 1, 1}, 0, ctx, s, static_cast<const T*>(x), mean, var);
  });
}

// Threads take neighbouring channels and walk down the pixels: a warp's read is contiguous. But C
// threads are few for a GPU, and long chains of additions lose digits: a block is 32 x 32, whose
// rows share the pixels. Threads: x take channels, y every 32nd pixel. FLOPs: pixels * C * 4.
constexpr int kRows = 32;

// The sum of `mine` over the threads y of this column, for all of them.
__device__ __forceinline__ float sum_of_rows(float mine) {
  SHARED(float, rows, [kRows][kWarpLanes]);
  __syncthreads();  // whoever reads the sums before is done
  rows[threadIdx.y][threadIdx.x] = mine;
  __syncthreads();
  float sum = 0;
  for (int row = 0; row < kRows; ++row) sum += rows[row][threadIdx.x];
  return sum;
}

// The sum of value(pixel) over this thread's pixels, in chains of 64 at most.
template <class Value>
__device__ __forceinline__ float sum_of_pixels(std::int64_t pixels, const Value& value) {
  constexpr std::int64_t kChain = 64 * kRows;
  float sum = 0;
  for (std::int64_t first = threadIdx.y; first < pixels; first += kChain) {
    const std::int64_t end = first + kChain < pixels ? first + kChain : pixels;
    float part = 0;
    for (std::int64_t pixel = first; pixel < end; pixel += kRows) part += value(pixel);
    sum += part;
  }
  return sum;
}

template <class T>
__global__ void coalesced_kernel(BatchNormShape s, const T* __restrict__ x,
                                 float* __restrict__ mean, float* __restrict__ var) {
  const std::int64_t c = std::int64_t{blockIdx.x} * kWarpLanes + threadIdx.x;
  const std::int64_t pixels = c < s.C ? s.pixels : 0;
  const float first = c < s.C ? input(s, x[c]) : 0.0F;
  const float sum = sum_of_pixels(
      pixels, [&](std::int64_t pixel) { return input(s, x[pixel * s.x_pitch + c]) - first; });
  const float center = first + sum_of_rows(sum) / static_cast<float>(s.pixels);
  float squares = sum_of_pixels(pixels, [&](std::int64_t pixel) {
    const float distance = input(s, x[pixel * s.x_pitch + c]) - center;
    return distance * distance;
  });
  squares = sum_of_rows(squares);
  if (threadIdx.y != 0 || c >= s.C) return;
  mean[c] = center;
  var[c] = squares / static_cast<float>(s.pixels);
}

void coalesced(const KernelContext& ctx, const BatchNormShape& s, const void* x, float* mean,
               float* var) {
  if (s.pixels == 0) return;
  const auto blocks = static_cast<unsigned>(cuda::divide_up(s.C, kWarpLanes));
  cuda::dispatch_type("batch_norm_stats", s.dtype, [&]<class T>() {
    launch("batch_norm_stats", coalesced_kernel<T>, dim3{blocks, 1, 1}, dim3{kWarpLanes, kRows, 1},
           0, ctx, s, static_cast<const T*>(x), mean, var);
  });
}

// One pass: moments[share][c] = count, mean and squared distances of z[., c] - z0[c] over this
// block's share of the pixels, z0 being the first pixel: Welford's update, one read instead of two.
// The pixels are shared out over blocks y as well, so there are threads enough. Threads: x take
// channels, y take pixels (kernels/cuda/columns.h). FLOPs: pixels * C * 8.
template <class T>
__global__ void one_pass_kernel(BatchNormShape s, const T* __restrict__ x,
                                float* __restrict__ partials) {
  cuda::Moments moments[1];
  const std::int64_t c = cuda::column<1>();
  if (c < s.C) {
    const float first = input(s, x[c]);
    const cuda::Loop pixels = cuda::pixel_loop();
    for (std::int64_t pixel = pixels.begin; pixel < s.pixels; pixel += pixels.step) {
      moments[0].add(input(s, x[pixel * s.x_pitch + c]) - first);
    }
  }
  cuda::write_partial<1>(moments, s.C, partials);
}

// mean[c] and var[c] from `count` partials. Threads: x take channels, y take partials.
template <class T>
__global__ void one_pass_merge_kernel(BatchNormShape s, int count, const T* __restrict__ x,
                                      const float* __restrict__ partials, float* __restrict__ mean,
                                      float* __restrict__ var) {
  const auto moments = cuda::merge_partials<cuda::Moments>(partials, count, s.C);
  const std::int64_t c = cuda::column<1>();
  if (threadIdx.y != 0 || c >= s.C) return;
  mean[c] = input(s, x[c]) + moments.mean();
  var[c] = moments.m2() / moments.count();
}

void one_pass(const KernelContext& ctx, const BatchNormShape& s, const void* x, float* mean,
              float* var) {
  if (s.pixels == 0 || s.C == 0) return;
  cuda::dispatch_type("batch_norm_stats", s.dtype, [&]<class T>() {
    const auto* in = static_cast<const T*>(x);
    const auto plan = cuda::plan_columns<T, 1, cuda::Moments>(s.pixels, s.C);
    float* partials = ctx.scratch<float>(plan.partials(cuda::Moments::kFields, s.C));
    launch("batch_norm_stats", one_pass_kernel<T>, plan.grid, plan.block, 0, ctx, s, in, partials);
    launch("batch_norm_stats", one_pass_merge_kernel<T>, plan.merge_grid, plan.merge_block, 0, ctx,
           s, static_cast<int>(plan.grid.y), in, partials, mean, var);
  });
}

}  // namespace

Ladder batch_norm_ladder() {
  return {"batch_norm",
          "batch_norm_stats pixels=3136 C=64",
          {
              {"block_channel", "a block takes a channel, as for [N,C,H,W]",
               [](KernelTable& table) { table.batch_norm_stats = block_channel; }},
              {"coalesced", "threads take neighbouring channels",
               [](KernelTable& table) { table.batch_norm_stats = coalesced; }},
              {"one_pass", "Welford's moments, merged: one read",
               [](KernelTable& table) { table.batch_norm_stats = one_pass; }},
          }};
}

}  // namespace lamella::ladder
