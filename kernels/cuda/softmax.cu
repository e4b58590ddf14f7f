// Softmax of rows, and the cross-entropy loss on it with its gradient.
//
// A warp takes a row: lanes take neighbouring classes, and the maximum and the sums over the row go
// through shuffles. Rows of up to 1024 classes are read once and stay in registers; longer ones are
// read again for each of these passes, from cache.
#include "kernels/cuda/families.h"
#include "kernels/cuda/partials.h"
#include "kernels/cuda/rows.h"

namespace lamella::cuda {
namespace {

// One row as a lane sees it: classes lane, lane + 32, and so on; kPerLane of them in registers, or,
// with kPerLane = 0, none.
template <class T, int kPerLane>
class Row {
 public:
  __device__ __forceinline__ Row(std::int64_t classes, const T* __restrict__ x)
      : classes_(classes), x_(x) {
    for (int i = 0; i < kPerLane; ++i) {
      const std::int64_t c = std::int64_t{threadIdx.x} + i * kWarpLanes;
      if (c < classes) value_[i] = static_cast<float>(x[c]);
    }
  }
  // body(class, x, number of the class in this lane)
  template <class Body>
  __device__ __forceinline__ void for_each(const Body& body) const {
    if constexpr (kPerLane == 0) {
      for (std::int64_t c = threadIdx.x; c < classes_; c += kWarpLanes) {
        body(c, static_cast<float>(x_[c]), 0);
      }
    } else {
      for (int i = 0; i < kPerLane; ++i) {
        const std::int64_t c = std::int64_t{threadIdx.x} + i * kWarpLanes;
        if (c < classes_) body(c, value_[i], i);
      }
    }
  }

 private:
  std::int64_t classes_;
  const T* x_;
  float value_[kPerLane == 0 ? 1 : kPerLane];
};

struct RowSum {
  float max, sum;  // of the row, and of exp(x - max); equal in all lanes
};

template <class T, int kPerLane>
__device__ __forceinline__ RowSum sum_of(const Row<T, kPerLane>& row) {
  float max = -INFINITY, sum = 0;
  row.for_each([&](std::int64_t, float x, int) { max = fmaxf(max, x); });
  max = warp_max(max);
  row.for_each([&](std::int64_t, float x, int) { sum += expf(x - max); });
  return {max, warp_sum(sum)};
}

// probs[n,c] = exp(x[n,c] - max) / sum of exp(x[n,.] - max).
// Threads: a warp takes a row. x at x_pitch, probs dense. Accumulation in f32. Deterministic.
// Least bytes: N * C * (sizeof(T) + 4).  FLOPs: N * C * 6.
template <class T, int kPerLane>
__global__ void softmax_fwd_kernel(SoftmaxShape s, const T* __restrict__ x,
                                   float* __restrict__ probs) {
  const Loop rows = row_loop();
  for (std::int64_t n = rows.begin; n < s.N; n += rows.step) {
    const Row<T, kPerLane> row(s.C, x + n * s.x_pitch);
    const RowSum total = sum_of(row);
    row.for_each([&](std::int64_t c, float value, int) {
      probs[n * s.C + c] = expf(value - total.max) / total.sum;
    });
  }
}

// t[n,c] of LossTargets. Weights are fetched where they count: with labels and no smoothing, one a
// row.
__device__ __forceinline__ float target_of(std::int64_t classes, float given, float smoothing,
                                           const float* __restrict__ class_weights,
                                           std::int64_t c) {
  const float target = (1.0F - smoothing) * given + smoothing / static_cast<float>(classes);
  return target == 0 || class_weights == nullptr ? target : target * class_weights[c];
}

// row_loss[n] = sum over c of t[n,c] * (log(sum) - (x[n,c] - max)), row_weight[n] = the weight of
// the label, or 1; residual as in kernel_table.h. NaN for a label outside [0,C).
// Threads: a warp takes a row. x at x_pitch, residual dense. Accumulation in f32. Deterministic.
// Least bytes: N * (C * (sizeof(T) + 4) + 12) with labels, N * (C * (sizeof(T) + 8) + 8) with
// probabilities.  FLOPs: N * C * 9.
template <class T, int kPerLane>
__global__ void cross_entropy_rows_kernel(SoftmaxShape s, const T* __restrict__ x,
                                          const std::int32_t* __restrict__ labels,
                                          const float* __restrict__ probabilities,
                                          const float* __restrict__ class_weights, float smoothing,
                                          float* __restrict__ row_loss,
                                          float* __restrict__ row_weight,
                                          float* __restrict__ residual) {
  const Loop rows = row_loop();
  for (std::int64_t n = rows.begin; n < s.N; n += rows.step) {
    const Row<T, kPerLane> row(s.C, x + n * s.x_pitch);
    const RowSum total = sum_of(row);
    const float log_sum = logf(total.sum);
    const std::int64_t label = labels != nullptr ? labels[n] : 0;
    const auto target = [&](std::int64_t c) {
      const float hard = c == label ? 1.0F : 0.0F;
      const float given = labels != nullptr ? hard : probabilities[n * s.C + c];
      return target_of(s.C, given, smoothing, class_weights, c);
    };
    float targets[kPerLane == 0 ? 1 : kPerLane];  // of the classes in registers
    float loss = 0, sum = 0;
    row.for_each([&](std::int64_t c, float value, int i) {
      const float t = targets[i] = target(c);
      sum += t;
      if (t != 0) loss += t * (log_sum - (value - total.max));
    });
    loss = warp_sum(loss);
    sum = warp_sum(sum);
    if (residual != nullptr) {
      row.for_each([&](std::int64_t c, float value, int i) {
        const float t = kPerLane == 0 ? target(c) : targets[i];
        residual[n * s.C + c] = sum * (expf(value - total.max) / total.sum) - t;
      });
    }
    if (threadIdx.x != 0) continue;
    const bool known = label >= 0 && label < s.C;
    const bool weighted = known && labels != nullptr && class_weights != nullptr;
    row_loss[n] = known ? loss : NAN;
    row_weight[n] = weighted ? class_weights[label] : 1.0F;
  }
}

// total[0] = sum of row_weight[0..count);  loss[0] = sum of row_loss[0..count) / total[0].
// Threads: one block; its threads take neighbouring rows, then add by halves. Deterministic.
// Least bytes: count * 8.  FLOPs: count * 2.
__global__ void cross_entropy_mean_kernel(std::int64_t count, const float* __restrict__ row_loss,
                                          const float* __restrict__ row_weight,
                                          float* __restrict__ loss, float* __restrict__ total) {
  const float sum = sum_of_partials(count, row_loss);
  const float weights = sum_of_partials(count, row_weight);
  if (threadIdx.x != 0) return;
  total[0] = weights;
  loss[0] = sum / weights;
}

// dx[n,c] (=|+=) dloss[0] / total[0] * residual[n,c].
// Threads: x take neighbouring runs of V classes, y take rows; one thread of a block fetches the
// two numbers. residual dense, dx at x_pitch. Deterministic.
// Least bytes: N * C * (4 + sizeof(T)), one more dx when adding.  FLOPs: N * C.
template <class T, int V>
__global__ void cross_entropy_bwd_kernel(SoftmaxShape s, const float* __restrict__ residual,
                                         const float* __restrict__ total,
                                         const float* __restrict__ dloss, T* __restrict__ dx,
                                         Write write) {
  SHARED(float, scale, [1]);
  if (threadIdx.x == 0 && threadIdx.y == 0) scale[0] = dloss[0] / total[0];
  __syncthreads();
  const float factor = scale[0];
  const Loop classes = channel_loop<V>(), rows = pixel_loop();
  for (std::int64_t n = rows.begin; n < s.N; n += rows.step) {
    for (std::int64_t c = classes.begin; c < s.C; c += classes.step) {
      Run<V> run = load<V>(residual + n * s.C + c);
      for (int i = 0; i < V; ++i) run[i] *= factor;
      T* to = dx + n * s.x_pitch + c;
      if (write == Write::Add) {
        const Run<V> before = load_narrow<V>(to);
        for (int i = 0; i < V; ++i) run[i] += before[i];
      }
      store_narrow<V>(to, run);
    }
  }
}

// Calls launch.operator()<T, kPerLane>() with registers for the row, or 0 where it has too many
// classes.
template <class Launch>
void dispatch_row(const char* kernel, const SoftmaxShape& s, Launch launch) {
  dispatch_type(kernel, s.dtype, [&]<class T>() {
    if (s.C <= 2 * kWarpLanes) return launch.template operator()<T, 2>();
    if (s.C <= 8 * kWarpLanes) return launch.template operator()<T, 8>();
    if (s.C <= 32 * kWarpLanes) return launch.template operator()<T, 32>();
    return launch.template operator()<T, 0>();
  });
}

void softmax_fwd(const KernelContext& ctx, const SoftmaxShape& s, const void* x, float* probs) {
  dispatch_row("softmax_fwd", s, [&]<class T, int kPerLane>() {
    const Plan plan = plan_rows(s.N);
    launch("softmax_fwd", softmax_fwd_kernel<T, kPerLane>, plan.grid, plan.block, 0, ctx, s,
           static_cast<const T*>(x), probs);
  });
}

void softmax_cross_entropy_fwd(const KernelContext& ctx, const SoftmaxShape& s,
                               const LossTargets& targets, const void* x, float* loss, float* total,
                               float* residual) {
  if (s.N == 0) return;
  float* row_loss = ctx.scratch<float>(2 * s.N);
  float* row_weight = row_loss + s.N;
  dispatch_row("softmax_cross_entropy_fwd", s, [&]<class T, int kPerLane>() {
    const Plan plan = plan_rows(s.N);
    launch("softmax_cross_entropy_fwd", cross_entropy_rows_kernel<T, kPerLane>, plan.grid,
           plan.block, 0, ctx, s, static_cast<const T*>(x), targets.labels, targets.probabilities,
           targets.class_weights, targets.label_smoothing, row_loss, row_weight, residual);
  });
  launch("softmax_cross_entropy_fwd", cross_entropy_mean_kernel, kOneBlock.grid, kOneBlock.block, 0,
         ctx, s.N, row_loss, row_weight, loss, total);
}

void softmax_cross_entropy_bwd(const KernelContext& ctx, const SoftmaxShape& s,
                               const float* residual, const float* total, const float* dloss,
                               void* dx, Write write) {
  // Runs of four: 16 bytes of residual.
  const Access access{DType::F32, {s.C, s.x_pitch}, {residual, dx}};
  const auto run = [&]<class T, int V>() {
    const Plan plan = plan_matrix<V>(s.N, s.C);
    launch("softmax_cross_entropy_bwd", cross_entropy_bwd_kernel<T, V>, plan.grid, plan.block, 0,
           ctx, s, residual, total, dloss, static_cast<T*>(dx), write);
  };
  dispatch_type("softmax_cross_entropy_bwd", s.dtype, [&]<class T>() {
    if (access.vectorised()) return run.template operator()<T, 4>();
    return run.template operator()<T, 1>();
  });
}

}  // namespace

void add_softmax(KernelTable& table) {
  table.softmax_fwd = softmax_fwd;
  table.softmax_cross_entropy_fwd = softmax_cross_entropy_fwd;
  table.softmax_cross_entropy_bwd = softmax_cross_entropy_bwd;
}

}  // namespace lamella::cuda
