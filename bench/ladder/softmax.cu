// The ladder of softmax_fwd: probs[n,c] = exp(x[n,c] - max of row n) / sum of exp(x[n,.] - max).
// Each rung reads a row three times: for the maximum, for the sum, for the result. All accumulate
// in f32 and are deterministic. Least bytes: N * C * (sizeof(T) + 4).  FLOPs: N * C * 6.
#include "bench/ladder/rung.h"
#include "kernels/cuda/common.h"

namespace lamella::ladder {
namespace {

using cuda::divide_up;

// Thread n takes row n. Neighbouring threads read addresses a whole row apart, so each of a warp's
// 32 reads fetches a sector of its own, and uses 4 of its 32 bytes.
template <class T>
__global__ void thread_row_kernel(SoftmaxShape s, const T* __restrict__ x,
                                  float* __restrict__ probs) {
  const std::int64_t n = std::int64_t{blockIdx.x} * blockDim.x + threadIdx.x;
  if (n >= s.N) return;
  const T* row = x + n * s.x_pitch;
  float max = -INFINITY, sum = 0;
  for (std::int64_t c = 0; c < s.C; ++c) max = fmaxf(max, static_cast<float>(row[c]));
  for (std::int64_t c = 0; c < s.C; ++c) sum += expf(static_cast<float>(row[c]) - max);
  for (std::int64_t c = 0; c < s.C; ++c) {
    probs[n * s.C + c] = expf(static_cast<float>(row[c]) - max) / sum;
  }
}

void thread_row(const KernelContext& ctx, const SoftmaxShape& s, const void* x, float* probs) {
  constexpr unsigned kThreads = 32;  // so that few rows still make more than one block
  const auto blocks = static_cast<unsigned>(divide_up(s.N, kThreads));
  cuda::dispatch_type("softmax_fwd", s.dtype, [&]<class T>() {
    launch("softmax_fwd", thread_row_kernel<T>, dim3{blocks, 1, 1}, dim3{kThreads, 1, 1}, 0, ctx, s,
           static_cast<const T*>(x), probs);
  });
}

// A warp takes a row: lanes take neighbouring classes, so 32 reads share 4 sectors (f32). Maximum
// and sum meet in shuffles. Threads: x is the lane, y the row of the block.
template <class T>
__global__ void warp_row_kernel(SoftmaxShape s, const T* __restrict__ x,
                                float* __restrict__ probs) {
  const std::int64_t n = std::int64_t{blockIdx.x} * blockDim.y + threadIdx.y;
  if (n >= s.N) return;
  const T* row = x + n * s.x_pitch;
  float max = -INFINITY, sum = 0;
  for (std::int64_t c = threadIdx.x; c < s.C; c += kWarpLanes) {
    max = fmaxf(max, static_cast<float>(row[c]));
  }
  max = warp_max(max);
  for (std::int64_t c = threadIdx.x; c < s.C; c += kWarpLanes) {
    sum += expf(static_cast<float>(row[c]) - max);
  }
  sum = warp_sum(sum);
  for (std::int64_t c = threadIdx.x; c < s.C; c += kWarpLanes) {
    probs[n * s.C + c] = expf(static_cast<float>(row[c]) - max) / sum;
  }
}

constexpr dim3 kFourWarps{kWarpLanes, 4, 1};

void warp_row(const KernelContext& ctx, const SoftmaxShape& s, const void* x, float* probs) {
  const auto blocks = static_cast<unsigned>(divide_up(s.N, kFourWarps.y));
  cuda::dispatch_type("softmax_fwd", s.dtype, [&]<class T>() {
    launch("softmax_fwd", warp_row_kernel<T>, dim3{blocks, 1, 1}, kFourWarps, 0, ctx, s,
           static_cast<const T*>(x), probs);
  });
}

// As warp_row, but a lane takes V neighbouring classes with one access of 16 bytes: the bytes stay
// the same, the requests are a quarter (f32), and so are the instructions that make them.
template <class T, int V>
__global__ void vector_row_kernel(SoftmaxShape s, const T* __restrict__ x,
                                  float* __restrict__ probs) {
  const std::int64_t n = std::int64_t{blockIdx.x} * blockDim.y + threadIdx.y;
  if (n >= s.N) return;
  const T* row = x + n * s.x_pitch;
  float max = -INFINITY, sum = 0;
  for (std::int64_t c = threadIdx.x * V; c < s.C; c += kWarpLanes * V) {
    const cuda::Run<V> run = cuda::load<V>(row + c);
    for (int i = 0; i < V; ++i) max = fmaxf(max, run[i]);
  }
  max = warp_max(max);
  for (std::int64_t c = threadIdx.x * V; c < s.C; c += kWarpLanes * V) {
    const cuda::Run<V> run = cuda::load<V>(row + c);
    for (int i = 0; i < V; ++i) sum += expf(run[i] - max);
  }
  sum = warp_sum(sum);
  for (std::int64_t c = threadIdx.x * V; c < s.C; c += kWarpLanes * V) {
    cuda::Run<V> run = cuda::load<V>(row + c);
    for (int i = 0; i < V; ++i) run[i] = expf(run[i] - max) / sum;
    cuda::store<V>(probs + n * s.C + c, run);
  }
}

void vector_row(const KernelContext& ctx, const SoftmaxShape& s, const void* x, float* probs) {
  const auto blocks = static_cast<unsigned>(divide_up(s.N, kFourWarps.y));
  cuda::dispatch("softmax_fwd", {s.dtype, {s.C, s.x_pitch}, {x, probs}}, [&]<class T, int V>() {
    launch("softmax_fwd", vector_row_kernel<T, V>, dim3{blocks, 1, 1}, kFourWarps, 0, ctx, s,
           static_cast<const T*>(x), probs);
  });
}

}  // namespace

Ladder softmax_ladder() {
  return {"softmax",
          "softmax_fwd N=64 C=1000",
          {
              {"thread_row", "one thread takes one row",
               [](KernelTable& table) { table.softmax_fwd = thread_row; }},
              {"warp_row", "a warp takes a row; shuffles",
               [](KernelTable& table) { table.softmax_fwd = warp_row; }},
              {"vector_row", "16 bytes in one access",
               [](KernelTable& table) { table.softmax_fwd = vector_row; }},
          }};
}

}  // namespace lamella::ladder
