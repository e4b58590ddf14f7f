// What one number says of a whole array: its sum, and whether all of it is finite.
//
// Common to both: threads take runs of V consecutive elements; V fills 16 bytes where count and
// pointer allow. A block leaves a partial result, one block makes the whole of them.
#include "kernels/cuda/families.h"
#include "kernels/cuda/partials.h"

namespace lamella::cuda {
namespace {

// partials[block] = sum of this block's share of x.
// Accumulation in f32: one sum in a thread, then by halves. Deterministic.
// Least bytes: count * sizeof(T).  FLOPs: count.
template <class T, int V>
__global__ void sum_partial_kernel(std::int64_t count, const T* __restrict__ x,
                                   float* __restrict__ partials) {
  float sum = 0;
  const Loop elements = element_loop<V>();
  for (std::int64_t i = elements.begin; i < count; i += elements.step) {
    const Run<V> run = load<V>(x + i);
    for (int j = 0; j < V; ++j) sum += run[j];
  }
  write_block_sum(sum, partials);
}

// faults[block] = number of elements of this block's share of x that are not finite, at most one a
// thread.
// Least bytes: count * sizeof(T).  FLOPs: count.
template <class T, int V>
__global__ void all_finite_partial_kernel(std::int64_t count, const T* __restrict__ x,
                                          std::int32_t* __restrict__ faults) {
  bool finite = true;
  const Loop elements = element_loop<V>();
  for (std::int64_t i = elements.begin; i < count; i += elements.step) {
    const Run<V> run = load<V>(x + i);
    for (int j = 0; j < V; ++j) finite = finite && fabsf(run[j]) < INFINITY;
  }
  write_block_sum(finite ? 0 : 1, faults);
}

// sum[0] = sum of the partials.
// Threads: one block; its threads take neighbouring partials, then add by halves. Deterministic.
// Least bytes: count * 4.  FLOPs: count.
__global__ void sum_merge_kernel(int count, const float* __restrict__ partials,
                                 float* __restrict__ sum) {
  const float all = sum_of_partials(count, partials);
  if (threadIdx.x == 0) sum[0] = all;
}

// finite[0] = 1 where all faults are 0, else 0.
// Threads: one block; its threads take neighbouring faults. Deterministic.
// Least bytes: count * 4.  FLOPs: 0.
__global__ void all_finite_merge_kernel(int count, const std::int32_t* __restrict__ faults,
                                        std::int32_t* __restrict__ finite) {
  const std::int32_t all = sum_of_partials(count, faults);
  if (threadIdx.x == 0) finite[0] = all == 0 ? 1 : 0;
}

void sum(const KernelContext& ctx, const FlatShape& s, const void* x, float* result) {
  dispatch("sum", {s.dtype, {s.count}, {x}}, [&]<class T, int V>() {
    const Plan plan = plan_flat<V>(s.count, kMaxPartials);
    float* partials = ctx.scratch<float>(plan.grid.x);
    launch("sum", sum_partial_kernel<T, V>, plan.grid, plan.block, 0, ctx, s.count,
           static_cast<const T*>(x), partials);
    launch("sum", sum_merge_kernel, kOneBlock.grid, kOneBlock.block, 0, ctx,
           static_cast<int>(plan.grid.x), partials, result);
  });
}

void all_finite(const KernelContext& ctx, const FlatShape& s, const void* x, std::int32_t* finite) {
  dispatch("all_finite", {s.dtype, {s.count}, {x}}, [&]<class T, int V>() {
    const Plan plan = plan_flat<V>(s.count, kMaxPartials);
    std::int32_t* faults = ctx.scratch<std::int32_t>(plan.grid.x);
    launch("all_finite", all_finite_partial_kernel<T, V>, plan.grid, plan.block, 0, ctx, s.count,
           static_cast<const T*>(x), faults);
    launch("all_finite", all_finite_merge_kernel, kOneBlock.grid, kOneBlock.block, 0, ctx,
           static_cast<int>(plan.grid.x), faults, finite);
  });
}

}  // namespace

void add_reductions(KernelTable& table) {
  table.sum = sum;
  table.all_finite = all_finite;
}

}  // namespace lamella::cuda
