// The bias, and its gradient: the sum of dy over pixels. One read of x or dy.
#include "kernels/cpu/own/column_sums.h"
#include "kernels/cpu/own/families.h"

namespace lamella::cpu::LAMELLA_ISA {
namespace {

void bias_fwd(Ctx ctx, const SliceShape& shape, const void* x, const float* bias, void* y) {
  require_f32("bias_fwd", shape.dtype);
  const auto* in = static_cast<const float*>(x);
  auto* out = static_cast<float*>(y);
  const auto body = [&](std::int64_t row, std::int64_t, std::int64_t) {
    const float* a = in + row * shape.x_pitch;
    float* b = out + row * shape.y_pitch;
    for_vectors(shape.C, [&](std::int64_t c, auto lanes) {
      lanes.store(b + c, lanes.load(a + c) + lanes.load(bias + c));
    });
  };
  for_row_pieces(ctx, shape.pixels, shape.C, false, body);
}

void bias_bwd(Ctx ctx, const SliceShape& shape, const void* dy, float* db, Write write) {
  require_f32("bias_bwd", shape.dtype);
  if (shape.pixels == 0) return;
  const auto* grad = static_cast<const float*>(dy);
  const int parts = column_parts(ctx, shape.pixels, shape.C);
  auto* partial = reinterpret_cast<double*>(scratch_bytes(ctx, parts * shape.C * 8));
  const auto block = [&](std::int64_t begin, std::int64_t end, double* sums) {
    for_strips(shape.C, [&](std::int64_t c, auto lanes, auto strip) {
      Vec sum[strip.vectors] = {};
      for (std::int64_t pixel = begin; pixel < end; ++pixel)
        LAMELLA_UNROLL for (int v = 0; v < strip.vectors; ++v) sum[v] +=
            lanes.load(grad + pixel * shape.x_pitch + c + v * kLanes);
      for (int v = 0; v < strip.vectors; ++v) add_lanes(sums + c + v * kLanes, sum[v], lanes);
    });
  };
  const auto finish = [&](std::int64_t c, const double* totals) {
    const double before = write == Write::Add ? static_cast<double>(db[c]) : 0.0;
    db[c] = static_cast<float>(before + totals[0]);
  };
  sum_columns<1>(ctx, shape.pixels, shape.C, partial, parts, block, finish);
}

}  // namespace

void add_bias(KernelTable& table) {
  table.bias_fwd = bias_fwd;
  table.bias_bwd = bias_bwd;
}

}  // namespace lamella::cpu::LAMELLA_ISA
