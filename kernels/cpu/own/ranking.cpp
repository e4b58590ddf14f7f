// The largest class of a row, and labels among the largest. Rows are few and short.
#include "kernels/cpu/own/families.h"
#include "kernels/cpu/own/parallel.h"

namespace lamella::cpu::LAMELLA_ISA {
namespace {

// Whether class a of the row ranks before class b: NaN first, then by value, then by index.
bool comes_before(const float* row, std::int64_t a, std::int64_t b) {
  const bool a_nan = row[a] != row[a], b_nan = row[b] != row[b];
  if (a_nan != b_nan) return a_nan;
  if (!a_nan && row[a] != row[b]) return row[a] > row[b];
  return a < b;
}

void argmax(Ctx, const SoftmaxShape& shape, const void* x, std::int32_t* index) {
  require_f32("argmax", shape.dtype);
  for (std::int64_t n = 0; n < shape.N; ++n) {
    const float* row = static_cast<const float*>(x) + n * shape.x_pitch;
    std::int64_t best = 0;
    for (std::int64_t c = 1; c < shape.C; ++c)
      if (comes_before(row, c, best)) best = c;
    index[n] = static_cast<std::int32_t>(best);
  }
}

void top_k_hits(Ctx, const SoftmaxShape& shape, std::int64_t k, const void* x,
                const std::int32_t* labels, std::int32_t* hits) {
  require_f32("top_k_hits", shape.dtype);
  hits[0] = 0;
  for (std::int64_t n = 0; n < shape.N; ++n) {
    const float* row = static_cast<const float*>(x) + n * shape.x_pitch;
    if (labels[n] < 0 || labels[n] >= shape.C) continue;
    std::int64_t before = 0;
    for (std::int64_t c = 0; c < shape.C; ++c) before += comes_before(row, c, labels[n]) ? 1 : 0;
    hits[0] += before < k ? 1 : 0;
  }
}

}  // namespace

void add_ranking(KernelTable& table) {
  table.argmax = argmax;
  table.top_k_hits = top_k_hits;
}

}  // namespace lamella::cpu::LAMELLA_ISA
