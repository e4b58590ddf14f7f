// Batch norm backward: the two sums over pixels (one read of x and dy), then dx (one more read of
// both, one write).
#include "kernels/cpu/own/batch_norm_backward.h"
#include "kernels/cpu/own/families.h"

namespace lamella::cpu::LAMELLA_ISA {
namespace {

void batch_norm_bwd_reduce(Ctx ctx, const BatchNormShape& shape, const void* x, const void* dy,
                           const float* mean, const float* var, const float* gamma,
                           const float* beta, float* sums) {
  require_f32("batch_norm_bwd_reduce", shape.dtype);
  const Backward backward{shape, static_cast<const float*>(x), static_cast<const float*>(dy)};
  const int parts = column_parts(ctx, shape.pixels, shape.C);
  const std::int64_t partial_bytes = parts * 2 * shape.C * 8;
  char* scratch = scratch_bytes(ctx, partial_bytes + shape.C * 4);
  auto* scale = reinterpret_cast<float*>(scratch + partial_bytes);
  write_scale(shape, var, gamma, scale);
  const Factors factors{mean, scale, beta, nullptr, nullptr};
  const auto block = [&](std::int64_t begin, std::int64_t end, double* to) {
    for_strips(shape.C, [&](std::int64_t c, auto lanes, auto strip) {
      backward.add_block(begin, end, c, lanes, strip, factors, to,
                         [](std::int64_t, std::int64_t, auto, Vec) {});
    });
  };
  const auto finish = [&](std::int64_t c, const double* totals) {
    sums[c] = static_cast<float>(totals[0]);
    sums[shape.C + c] =
        static_cast<float>(totals[1] * static_cast<double>(inverse_std(shape, var, c)));
  };
  sum_columns<2>(ctx, shape.pixels, shape.C, reinterpret_cast<double*>(scratch), parts, block,
                 finish);
}

void batch_norm_bwd_apply(Ctx ctx, const BatchNormShape& shape, const void* x, const void* dy,
                          const float* mean, const float* var, const float* gamma,
                          const float* beta, const float* sums, std::int64_t dx_pitch, void* dx,
                          Write write) {
  require_f32("batch_norm_bwd_apply", shape.dtype);
  if (shape.pixels == 0) return;
  const Backward backward{shape, static_cast<const float*>(x), static_cast<const float*>(dy)};
  float* scale = scratch_floats(ctx, 3 * shape.C);
  float *offset = scale + shape.C, *slope = offset + shape.C;
  write_scale(shape, var, gamma, scale);
  const float share = 1.0F / static_cast<float>(shape.pixels);
  if (shape.training)  // sums may be null otherwise
    for (std::int64_t c = 0; c < shape.C; ++c) {
      offset[c] = sums[c] * share;
      slope[c] = sums[shape.C + c] * share * inverse_std(shape, var, c);
    }
  const Factors factors{mean, scale, beta, offset, slope};
  auto* out = static_cast<float*>(dx);
  const auto body = [&](std::int64_t row, std::int64_t, std::int64_t) {
    float* to = out + row * dx_pitch;
    for_vectors(shape.C, [&](std::int64_t c, auto lanes) {
      const Vec dz = backward.gradient(row, c, lanes, factors);
      lanes.store(to + c, write == Write::Add ? lanes.load(to + c) + dz : dz);
    });
  };
  for_row_pieces(ctx, shape.pixels, shape.C, false, body);
}

}  // namespace

void add_batch_norm_backward(KernelTable& table) {
  table.batch_norm_bwd_reduce = batch_norm_bwd_reduce;
  table.batch_norm_bwd_apply = batch_norm_bwd_apply;
}

}  // namespace lamella::cpu::LAMELLA_ISA
