// Batch norm backward with shared statistics: a layer's sums and its part of dx in one read of x
// and dy, then once for all layers what comes through the statistics.
#include "kernels/cpu/own/batch_norm_backward.h"
#include "kernels/cpu/own/families.h"

namespace lamella::cpu::LAMELLA_ISA {
namespace {

void batch_norm_bwd_shared(Ctx ctx, const BatchNormShape& shape, const void* x, const void* dy,
                           const float* mean, const float* var, const float* gamma,
                           const float* beta, float* sums, std::int64_t shared_pitch, float* shared,
                           std::int64_t dx_pitch, void* dx, Write write) {
  require_f32("batch_norm_bwd_shared", shape.dtype);
  if (shape.pixels == 0) return;
  const Backward backward{shape, static_cast<const float*>(x), static_cast<const float*>(dy)};
  const int parts = column_parts(ctx, shape.pixels, shape.C);
  const std::int64_t partial_bytes = parts * 2 * shape.C * 8;
  char* scratch = scratch_bytes(ctx, partial_bytes + shape.C * 4);
  auto* scale = reinterpret_cast<float*>(scratch + partial_bytes);
  write_scale(shape, var, gamma, scale);
  const Factors factors{mean, scale, beta, nullptr, nullptr};
  auto* out = static_cast<float*>(dx);
  const auto write_dx = [&](std::int64_t pixel, std::int64_t c, auto lanes, Vec value) {
    float* to = out + pixel * dx_pitch + c;
    lanes.store(to, write == Write::Add ? lanes.load(to) + value : value);
  };
  const auto block = [&](std::int64_t begin, std::int64_t end, double* to) {
    for_strips(shape.C, [&](std::int64_t c, auto lanes, auto strip) {
      backward.add_block(begin, end, c, lanes, strip, factors, to, write_dx);
    });
  };
  const auto finish = [&](std::int64_t c, const double* totals) {
    const auto inverse = static_cast<double>(inverse_std(shape, var, c));
    const double sum_g = totals[0], sum_gz = totals[1] * inverse;
    sums[c] = static_cast<float>(sum_g);
    sums[shape.C + c] = static_cast<float>(sum_gz);
    const double factor = static_cast<double>(gamma[c]) * inverse;
    shared[c] += static_cast<float>(factor * sum_g);
    shared[shared_pitch + c] += static_cast<float>(factor * inverse * sum_gz);
  };
  sum_columns<2>(ctx, shape.pixels, shape.C, reinterpret_cast<double*>(scratch), parts, block,
                 finish);
}

void batch_norm_stats_bwd(Ctx ctx, const BatchNormShape& shape, const void* x, const void* dy,
                          const float* mean, std::int64_t shared_pitch, const float* shared,
                          std::int64_t dx_pitch, void* dx, Write write) {
  require_f32("batch_norm_stats_bwd", shape.dtype);
  if (shape.pixels == 0) return;
  const auto *in = static_cast<const float*>(x), *grad = static_cast<const float*>(dy);
  auto* out = static_cast<float*>(dx);
  const float share = 1.0F / static_cast<float>(shape.pixels);
  const auto body = [&](std::int64_t row, std::int64_t, std::int64_t) {
    const float *x_row = in + row * shape.x_pitch, *dy_row = grad + row * shape.y_pitch;
    float* to = out + row * dx_pitch;
    for_vectors(shape.C, [&](std::int64_t c, auto lanes) {
      const Vec centred = lanes.load(x_row + c) - lanes.load(mean + c);
      const Vec through = lanes.load(shared + c) + centred * lanes.load(shared + shared_pitch + c);
      const Vec value = lanes.load(dy_row + c) - through * share;
      lanes.store(to + c, write == Write::Add ? lanes.load(to + c) + value : value);
    });
  };
  for_row_pieces(ctx, shape.pixels, shape.C, false, body);
}

}  // namespace

void add_batch_norm_shared(KernelTable& table) {
  table.batch_norm_bwd_shared = batch_norm_bwd_shared;
  table.batch_norm_stats_bwd = batch_norm_stats_bwd;
}

}  // namespace lamella::cpu::LAMELLA_ISA
