// The sum of an array, and whether all of it is finite.
#include "kernels/cpu/own/families.h"
#include "kernels/cpu/own/parallel.h"

namespace lamella::cpu::LAMELLA_ISA {
namespace {

constexpr std::int64_t kPiece = 4096;

// Adds up body(first element, elements) over pieces, in double: pieces of a part in order, then the
// parts.
template <class Body>
double sum_of_pieces(Ctx ctx, std::int64_t count, const Body& body) {
  const std::int64_t pieces = ceil_div(count, kPiece);
  const int parts = parts_for(ctx, pieces, kPiece);
  auto* sums = reinterpret_cast<double*>(scratch_bytes(ctx, parts * 8));
  for_parts(ctx, parts, pieces, [&](int part, std::int64_t begin, std::int64_t end) {
    double sum = 0;
    for (std::int64_t i = begin; i < end; ++i) {
      const std::int64_t from = i * kPiece;
      sum += body(from, smaller(kPiece, count - from));
    }
    sums[part] = sum;
  });
  double total = 0;
  for (int part = 0; part < parts; ++part) total += sums[part];
  return total;
}

double sum_of_vector(Vec v) {
  double sum = 0;
  for (int i = 0; i < kLanes; ++i) sum += static_cast<double>(v[i]);
  return sum;
}

void sum(Ctx ctx, const FlatShape& shape, const void* x, float* result) {
  require_f32("sum", shape.dtype);
  const auto* in = static_cast<const float*>(x);
  const double total = sum_of_pieces(ctx, shape.count, [&](std::int64_t from, std::int64_t n) {
    Vec lanes_sum{};
    for_vectors(n, [&](std::int64_t i, auto lanes) { lanes_sum += lanes.load(in + from + i); });
    return sum_of_vector(lanes_sum);
  });
  result[0] = static_cast<float>(total);
}

// 0 * x is 0 where x is finite, else NaN.
void all_finite(Ctx ctx, const FlatShape& shape, const void* x, std::int32_t* finite) {
  require_f32("all_finite", shape.dtype);
  const auto* in = static_cast<const float*>(x);
  const double zero = sum_of_pieces(ctx, shape.count, [&](std::int64_t from, std::int64_t n) {
    Vec zeros{};
    for_vectors(n, [&](std::int64_t i, auto lanes) { zeros += lanes.load(in + from + i) * 0.0F; });
    return sum_of_vector(zeros);
  });
  finite[0] = zero == 0.0 ? 1 : 0;
}

}  // namespace

void add_reductions(KernelTable& table) {
  table.sum = sum;
  table.all_finite = all_finite;
}

}  // namespace lamella::cpu::LAMELLA_ISA
