// Softmax of rows, and the cross-entropy loss on it with its gradient.
//
// A warp takes a row: lanes take neighbouring classes, and the maximum and the sum over the row go
// through shuffles. The row is read three times, the second and third time from cache.
#include "kernels/cuda/common.h"
#include "kernels/cuda/families.h"

namespace lamella::cuda {
namespace {

constexpr int kRowsPerBlock = 4;  // one warp each

struct RowSum {
  float max, sum;  // of the row, and of exp(x - max); equal in all lanes
};

// probs[0..classes) = softmax(x[0..classes)), by one whole warp.
template <class T>
__device__ __forceinline__ RowSum softmax_row(std::int64_t classes, const T* __restrict__ x,
                                              float* __restrict__ probs) {
  float max = -INFINITY, sum = 0;
  for (std::int64_t c = threadIdx.x; c < classes; c += kWarpLanes) {
    max = fmaxf(max, static_cast<float>(x[c]));
  }
  max = warp_max(max);
  for (std::int64_t c = threadIdx.x; c < classes; c += kWarpLanes) {
    sum += expf(static_cast<float>(x[c]) - max);
  }
  sum = warp_sum(sum);
  for (std::int64_t c = threadIdx.x; c < classes; c += kWarpLanes) {
    probs[c] = expf(static_cast<float>(x[c]) - max) / sum;
  }
  return {max, sum};
}

// The first row of this warp and the distance to its next.
__device__ __forceinline__ Loop row_loop() {
  return {std::int64_t{blockIdx.x} * kRowsPerBlock + threadIdx.y,
          std::int64_t{gridDim.x} * kRowsPerBlock};
}

// probs[n,c] = exp(x[n,c] - max) / sum of exp(x[n,.] - max).
// Threads: a warp takes a row. x at x_pitch, probs dense. Accumulation in f32. Deterministic.
// Least bytes: N * C * (sizeof(T) + 4).  FLOPs: N * C * 6.
template <class T>
__global__ void softmax_fwd_kernel(SoftmaxShape s, const T* __restrict__ x,
                                   float* __restrict__ probs) {
  const Loop rows = row_loop();
  for (std::int64_t n = rows.begin; n < s.N; n += rows.step) {
    softmax_row(s.C, x + n * s.x_pitch, probs + n * s.C);
  }
}

// probs as above; row_loss[n] = log(sum) - (x[n,label] - max), NaN for a label outside [0,C).
// Threads: a warp takes a row. Deterministic.
// Least bytes: N * (C * (sizeof(T) + 4) + 8).  FLOPs: N * C * 6.
template <class T>
__global__ void cross_entropy_rows_kernel(SoftmaxShape s, const T* __restrict__ x,
                                          const std::int32_t* __restrict__ labels,
                                          float* __restrict__ row_loss, float* __restrict__ probs) {
  const Loop rows = row_loop();
  for (std::int64_t n = rows.begin; n < s.N; n += rows.step) {
    const T* row = x + n * s.x_pitch;
    const RowSum total = softmax_row(s.C, row, probs + n * s.C);
    if (threadIdx.x != 0) continue;
    const std::int32_t label = labels[n];
    const bool known = label >= 0 && label < s.C;
    row_loss[n] = known ? logf(total.sum) - (static_cast<float>(row[label]) - total.max) : NAN;
  }
}

// loss[0] = mean of row_loss[0..count).
// Threads: one block; its threads take neighbouring rows, then add by halves. Deterministic.
// Least bytes: count * 4.  FLOPs: count.
__global__ void cross_entropy_mean_kernel(std::int64_t count, const float* __restrict__ row_loss,
                                          float* __restrict__ loss) {
  float sum = 0;
  for (std::int64_t n = threadIdx.x; n < count; n += kBlock) sum += row_loss[n];
  sum = block_sum<kBlock>(sum);
  if (threadIdx.x == 0) loss[0] = sum / static_cast<float>(count);
}

// dx[n,c] (=|+=) dloss[0] / N * (probs[n,c] - (c == label ? 1 : 0)).
// Threads: x take classes, y take rows. probs dense, dx at x_pitch. Deterministic.
// Least bytes: N * C * (4 + sizeof(T)) + 4 * N, one more dx when adding.  FLOPs: 2 * N * C.
template <class T>
__global__ void cross_entropy_bwd_kernel(SoftmaxShape s, const float* __restrict__ probs,
                                         const std::int32_t* __restrict__ labels,
                                         const float* __restrict__ dloss, T* __restrict__ dx,
                                         Write write) {
  const float scale = dloss[0] / static_cast<float>(s.N);
  const Loop classes = channel_loop<1>(), rows = pixel_loop();
  for (std::int64_t n = rows.begin; n < s.N; n += rows.step) {
    const std::int64_t label = labels[n];
    for (std::int64_t c = classes.begin; c < s.C; c += classes.step) {
      const float target = c == label ? 1.0F : 0.0F;
      store<1>(dx + n * s.x_pitch + c, Run<1>{{scale * (probs[n * s.C + c] - target)}}, write);
    }
  }
}

Plan plan_rows(std::int64_t rows) {
  const auto blocks = std::min<std::int64_t>(divide_up(rows, kRowsPerBlock), kMaxBlocks);
  return {{static_cast<unsigned>(blocks), 1, 1}, {kWarpLanes, kRowsPerBlock, 1}};
}

void softmax_fwd(const KernelContext& ctx, const SoftmaxShape& s, const void* x, float* probs) {
  dispatch_type("softmax_fwd", s.dtype, [&]<class T>() {
    const Plan plan = plan_rows(s.N);
    launch("softmax_fwd", softmax_fwd_kernel<T>, plan.grid, plan.block, 0, ctx, s,
           static_cast<const T*>(x), probs);
  });
}

void softmax_cross_entropy_fwd(const KernelContext& ctx, const SoftmaxShape& s, const void* x,
                               const std::int32_t* labels, float* loss, float* probs) {
  if (s.N == 0) return;
  dispatch_type("softmax_cross_entropy_fwd", s.dtype, [&]<class T>() {
    const Plan plan = plan_rows(s.N);
    float* row_loss = ctx.scratch<float>(s.N);
    launch("softmax_cross_entropy_fwd", cross_entropy_rows_kernel<T>, plan.grid, plan.block, 0, ctx,
           s, static_cast<const T*>(x), labels, row_loss, probs);
    launch("softmax_cross_entropy_fwd", cross_entropy_mean_kernel, dim3{1, 1, 1},
           dim3{kBlock, 1, 1}, 0, ctx, s.N, row_loss, loss);
  });
}

void softmax_cross_entropy_bwd(const KernelContext& ctx, const SoftmaxShape& s, const float* probs,
                               const std::int32_t* labels, const float* dloss, void* dx,
                               Write write) {
  dispatch_type("softmax_cross_entropy_bwd", s.dtype, [&]<class T>() {
    const Plan plan = plan_matrix<1>(s.N, s.C);
    launch("softmax_cross_entropy_bwd", cross_entropy_bwd_kernel<T>, plan.grid, plan.block, 0, ctx,
           s, probs, labels, dloss, static_cast<T*>(dx), write);
  });
}

}  // namespace

void add_softmax(KernelTable& table) {
  table.softmax_fwd = softmax_fwd;
  table.softmax_cross_entropy_fwd = softmax_cross_entropy_fwd;
  table.softmax_cross_entropy_bwd = softmax_cross_entropy_bwd;
}

}  // namespace lamella::cuda
