// The L2 penalty, lambda times the sum of squared weights, and its gradient.
#include "kernels/cuda/families.h"
#include "kernels/cuda/partials.h"

namespace lamella::cuda {
namespace {

// partials[block] = sum of w^2 over this block's share.
// Threads take runs of V consecutive elements; V fills 16 bytes where count and pointer allow.
// Accumulation in f32: one sum in a thread, then by halves. Deterministic.
// Least bytes: count * sizeof(T).  FLOPs: 2 * count.
template <class T, int V>
__global__ void l2_penalty_partial_kernel(std::int64_t count, const T* __restrict__ w,
                                          float* __restrict__ partials) {
  float sum = 0;
  const Loop elements = element_loop<V>();
  for (std::int64_t i = elements.begin; i < count; i += elements.step) {
    const Run<V> run = load<V>(w + i);
    for (int j = 0; j < V; ++j) sum += run[j] * run[j];
  }
  write_block_sum(sum, partials);
}

// loss[0] (=|+=) lambda * sum of the partials.
// Threads: one block; its threads take neighbouring partials, then add by halves. Deterministic.
// Least bytes: count * 4.  FLOPs: count.
__global__ void l2_penalty_merge_kernel(int count, float lambda, const float* __restrict__ partials,
                                        float* __restrict__ loss, Write write) {
  const float sum = sum_of_partials(count, partials);
  if (threadIdx.x == 0) store<1>(loss, Run<1>{{lambda * sum}}, write);
}

// dw (=|+=) dloss[0] * 2 * lambda * w.
// Threads take runs of V consecutive elements. Deterministic: one element, one thread.
// Least bytes: count * sizeof(T) * 2 (3 when adding).  FLOPs: count (2 when adding).
template <class T, int V>
__global__ void l2_penalty_bwd_kernel(std::int64_t count, float lambda, const T* __restrict__ w,
                                      const float* __restrict__ dloss, T* __restrict__ dw,
                                      Write write) {
  const float scale = dloss[0] * 2.0F * lambda;
  const Loop elements = element_loop<V>();
  for (std::int64_t i = elements.begin; i < count; i += elements.step) {
    Run<V> run = load<V>(w + i);
    for (int j = 0; j < V; ++j) run[j] *= scale;
    store<V>(dw + i, run, write);
  }
}

void l2_penalty_fwd(const KernelContext& ctx, const FlatShape& s, float lambda, const void* w,
                    float* loss, Write write) {
  if (s.count == 0) return;
  dispatch("l2_penalty_fwd", {s.dtype, {s.count}, {w}}, [&]<class T, int V>() {
    const Plan plan = plan_flat<V>(s.count, kMaxPartials);
    float* partials = ctx.scratch<float>(plan.grid.x);
    launch("l2_penalty_fwd", l2_penalty_partial_kernel<T, V>, plan.grid, plan.block, 0, ctx,
           s.count, static_cast<const T*>(w), partials);
    launch("l2_penalty_fwd", l2_penalty_merge_kernel, kOneBlock.grid, kOneBlock.block, 0, ctx,
           static_cast<int>(plan.grid.x), lambda, partials, loss, write);
  });
}

void l2_penalty_bwd(const KernelContext& ctx, const FlatShape& s, float lambda, const void* w,
                    const float* dloss, void* dw, Write write) {
  dispatch("l2_penalty_bwd", {s.dtype, {s.count}, {w, dw}}, [&]<class T, int V>() {
    const Plan plan = plan_flat<V>(s.count);
    launch("l2_penalty_bwd", l2_penalty_bwd_kernel<T, V>, plan.grid, plan.block, 0, ctx, s.count,
           lambda, static_cast<const T*>(w), dloss, static_cast<T*>(dw), write);
  });
}

}  // namespace

void add_l2_penalty(KernelTable& table) {
  table.l2_penalty_fwd = l2_penalty_fwd;
  table.l2_penalty_bwd = l2_penalty_bwd;
}

}  // namespace lamella::cuda
