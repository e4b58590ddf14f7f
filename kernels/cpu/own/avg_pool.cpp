// Average pooling over windows and over whole images; backward gathers.
#include "kernels/cpu/own/column_sums.h"
#include "kernels/cpu/own/families.h"
#include "kernels/cpu/own/window.h"

namespace lamella::cpu::LAMELLA_ISA {
namespace {

// 1 / divisor of the window at (p, q): its cells inside the image, or inside the padded image.
float share_of_window(const Pool2dShape& s, std::int64_t p, std::int64_t q) {
  const Window window = window_at(s, p, q);
  if (!s.count_include_pad) {
    const std::int64_t cells = (window.h.end - window.h.begin) * (window.w.end - window.w.begin);
    return cells > 0 ? 1.0F / static_cast<float>(cells) : 0.0F;
  }
  const std::int64_t rows = smaller(window.h.origin + s.R, s.H + s.pad_h) - window.h.origin;
  const std::int64_t columns = smaller(window.w.origin + s.S, s.W + s.pad_w) - window.w.origin;
  return 1.0F / static_cast<float>(rows * columns);
}

void avg_pool2d_fwd(Ctx ctx, const Pool2dShape& shape, const void* x, void* y) {
  require_f32("avg_pool2d_fwd", shape.dtype);
  const auto* in = static_cast<const float*>(x);
  auto* out = static_cast<float*>(y);
  for_output_pixels(ctx, shape, [&](std::int64_t n, std::int64_t p, std::int64_t q) {
    const Window window = window_at(shape, p, q);
    const float share = share_of_window(shape, p, q);
    const float* image = in + n * shape.H * shape.W * shape.x_pitch;
    float* to = out + ((n * shape.P + p) * shape.Q + q) * shape.y_pitch;
    for_vectors(shape.C, [&](std::int64_t c, auto lanes) {
      Vec sum{};
      for (std::int64_t h = window.h.begin; h < window.h.end; ++h)
        for (std::int64_t w = window.w.begin; w < window.w.end; ++w)
          sum += lanes.load(image + (h * shape.W + w) * shape.x_pitch + c);
      lanes.store(to + c, sum * share);
    });
  });
}

void avg_pool2d_bwd(Ctx ctx, const Pool2dShape& shape, const void* dy, void* dx, Write write) {
  require_f32("avg_pool2d_bwd", shape.dtype);
  const auto* grad_out = static_cast<const float*>(dy);
  auto* grad_in = static_cast<float*>(dx);
  const auto pixel = [&](std::int64_t at, std::int64_t n, std::int64_t, std::int64_t, Covering rows,
                         Covering columns) {
    float* to = grad_in + at * shape.x_pitch;
    if (write == Write::Set)
      for_vectors(shape.C, [&](std::int64_t c, auto lanes) { lanes.store(to + c, Vec{}); });
    for (std::int64_t p = rows.begin; p < rows.end; ++p)
      for (std::int64_t q = columns.begin; q < columns.end; ++q) {
        const float* from = grad_out + ((n * shape.P + p) * shape.Q + q) * shape.y_pitch;
        const float share = share_of_window(shape, p, q);
        for_vectors(shape.C, [&](std::int64_t c, auto lanes) {
          lanes.store(to + c, lanes.load(to + c) + lanes.load(from + c) * share);
        });
      }
  };
  for_input_pixels(ctx, shape, pixel);
}

void global_avg_pool_fwd(Ctx ctx, const GlobalPoolShape& shape, const void* x, void* y) {
  require_f32("global_avg_pool_fwd", shape.dtype);
  if (shape.pixels == 0) return;
  constexpr std::int64_t kBlock = 128;
  const auto* in = static_cast<const float*>(x);
  auto* out = static_cast<float*>(y);
  const std::int64_t strips = ceil_div(shape.C, kStrip), tasks = shape.N * strips;
  const auto one_strip = [&](std::int64_t n, std::int64_t c, std::int64_t count) {
    double sums[kStrip] = {};
    const float* image = in + n * shape.pixels * shape.x_pitch + c;
    for (std::int64_t block = 0; block < shape.pixels; block += kBlock)
      for_strips(count, [&](std::int64_t i, auto lanes, auto strip) {
        Vec sum[strip.vectors] = {};
        for (std::int64_t p = block; p < smaller(block + kBlock, shape.pixels); ++p)
          LAMELLA_UNROLL for (int v = 0; v < strip.vectors; ++v) sum[v] +=
              lanes.load(image + p * shape.x_pitch + i + v * kLanes);
        for (int v = 0; v < strip.vectors; ++v) add_lanes(sums + i + v * kLanes, sum[v], lanes);
      });
    for (std::int64_t i = 0; i < count; ++i)
      out[n * shape.y_pitch + c + i] =
          static_cast<float>(sums[i] / static_cast<double>(shape.pixels));
  };
  for_parts(ctx, parts_for(ctx, tasks, shape.pixels * kStrip), tasks,
            [&](int, std::int64_t begin, std::int64_t end) {
              for (std::int64_t task = begin; task < end; ++task) {
                const std::int64_t c = task % strips * kStrip;
                one_strip(task / strips, c, smaller(kStrip, shape.C - c));
              }
            });
}

void global_avg_pool_bwd(Ctx ctx, const GlobalPoolShape& shape, const void* dy, void* dx,
                         Write write) {
  require_f32("global_avg_pool_bwd", shape.dtype);
  const auto* grad_out = static_cast<const float*>(dy);
  auto* grad_in = static_cast<float*>(dx);
  const float share = 1.0F / static_cast<float>(larger(shape.pixels, 1));
  const auto body = [&](std::int64_t row, std::int64_t, std::int64_t) {
    const float* from = grad_out + row / shape.pixels * shape.y_pitch;
    float* to = grad_in + row * shape.x_pitch;
    for_vectors(shape.C, [&](std::int64_t c, auto lanes) {
      const Vec g = lanes.load(from + c) * share;
      lanes.store(to + c, write == Write::Add ? lanes.load(to + c) + g : g);
    });
  };
  for_row_pieces(ctx, shape.N * shape.pixels, shape.C, false, body);
}

}  // namespace

void add_avg_pool(KernelTable& table) {
  table.avg_pool2d_fwd = avg_pool2d_fwd;
  table.avg_pool2d_bwd = avg_pool2d_bwd;
  table.global_avg_pool_fwd = global_avg_pool_fwd;
  table.global_avg_pool_bwd = global_avg_pool_bwd;
}

}  // namespace lamella::cpu::LAMELLA_ISA
