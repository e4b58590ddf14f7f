// Which class of a row is the largest, and how many rows have their label among the largest.
//
// A warp takes a row, lanes take neighbouring classes. NaN counts as larger than all numbers; of
// equal classes the lower index comes first.
#include "kernels/cuda/families.h"
#include "kernels/cuda/partials.h"
#include "kernels/cuda/rows.h"

namespace lamella::cuda {
namespace {

struct Ranked {
  float value;
  std::int32_t index;
};

__device__ __forceinline__ bool comes_before(const Ranked& a, const Ranked& b) {
  const bool a_nan = a.value != a.value, b_nan = b.value != b.value;
  if (a_nan != b_nan) return a_nan;
  if (!a_nan && a.value != b.value) return a.value > b.value;
  return a.index < b.index;
}

// The one of all lanes that comes first; every lane gets it.
__device__ __forceinline__ Ranked first_of_warp(Ranked mine) {
  for (int distance = kWarpLanes / 2; distance > 0; distance /= 2) {
    const Ranked other{__shfl_xor_sync(kAllLanes, mine.value, distance),
                       __shfl_xor_sync(kAllLanes, mine.index, distance)};
    if (comes_before(other, mine)) mine = other;
  }
  return mine;
}

// index[n] = the class of row n that comes before all others.
// Threads: a warp takes a row. x at x_pitch. Deterministic.
// Least bytes: N * (C * sizeof(T) + 4).  FLOPs: N * C.
template <class T>
__global__ void argmax_kernel(SoftmaxShape s, const T* __restrict__ x,
                              std::int32_t* __restrict__ index) {
  const Loop rows = row_loop();
  for (std::int64_t n = rows.begin; n < s.N; n += rows.step) {
    Ranked best{-INFINITY, static_cast<std::int32_t>(s.C)};
    for (std::int64_t c = threadIdx.x; c < s.C; c += kWarpLanes) {
      const Ranked here{static_cast<float>(x[n * s.x_pitch + c]), static_cast<std::int32_t>(c)};
      if (comes_before(here, best)) best = here;
    }
    best = first_of_warp(best);
    if (threadIdx.x == 0) index[n] = best.index;
  }
}

// row_hits[n] = 1 where fewer than k classes of row n come before its label, else 0.
// Threads: a warp takes a row. x at x_pitch. Deterministic.
// Least bytes: N * (C * sizeof(T) + 8).  FLOPs: N * C.
template <class T>
__global__ void top_k_rows_kernel(SoftmaxShape s, std::int64_t k, const T* __restrict__ x,
                                  const std::int32_t* __restrict__ labels,
                                  std::int32_t* __restrict__ row_hits) {
  const Loop rows = row_loop();
  for (std::int64_t n = rows.begin; n < s.N; n += rows.step) {
    const T* row = x + n * s.x_pitch;
    const std::int32_t label = labels[n];
    const bool known = label >= 0 && label < s.C;
    const Ranked wanted{known ? static_cast<float>(row[label]) : 0.0F, label};
    std::int32_t before = 0;
    for (std::int64_t c = threadIdx.x; c < s.C; c += kWarpLanes) {
      const Ranked here{static_cast<float>(row[c]), static_cast<std::int32_t>(c)};
      before += comes_before(here, wanted) ? 1 : 0;
    }
    before = warp_sum(before);
    if (threadIdx.x == 0) row_hits[n] = known && before < k ? 1 : 0;
  }
}

// hits[0] = sum of row_hits[0..count).
// Threads: one block; its threads take neighbouring rows, then add by halves. Deterministic.
// Least bytes: count * 4.  FLOPs: 0.
__global__ void top_k_sum_kernel(std::int64_t count, const std::int32_t* __restrict__ row_hits,
                                 std::int32_t* __restrict__ hits) {
  const std::int32_t sum = sum_of_partials(count, row_hits);
  if (threadIdx.x == 0) hits[0] = sum;
}

void argmax(const KernelContext& ctx, const SoftmaxShape& s, const void* x, std::int32_t* index) {
  dispatch_type("argmax", s.dtype, [&]<class T>() {
    const Plan plan = plan_rows(s.N);
    launch("argmax", argmax_kernel<T>, plan.grid, plan.block, 0, ctx, s, static_cast<const T*>(x),
           index);
  });
}

void top_k_hits(const KernelContext& ctx, const SoftmaxShape& s, std::int64_t k, const void* x,
                const std::int32_t* labels, std::int32_t* hits) {
  std::int32_t* row_hits = ctx.scratch<std::int32_t>(s.N);
  dispatch_type("top_k_hits", s.dtype, [&]<class T>() {
    const Plan plan = plan_rows(s.N);
    launch("top_k_hits", top_k_rows_kernel<T>, plan.grid, plan.block, 0, ctx, s, k,
           static_cast<const T*>(x), labels, row_hits);
  });
  launch("top_k_hits", top_k_sum_kernel, kOneBlock.grid, kOneBlock.block, 0, ctx, s.N, row_hits,
         hits);
}

}  // namespace

void add_ranking(KernelTable& table) {
  table.argmax = argmax;
  table.top_k_hits = top_k_hits;
}

}  // namespace lamella::cuda
