// The convolution entries, in the direct form (direct.h) or Winograd's. Backward-data is a forward
// convolution of dy with the filters turned; backward-weight multiplies the transposed dy with the
// patches, each part of the pixels into sums of its own, added up in double.
#include "kernels/cpu/conv_choice.h"
#include "kernels/cpu/own/direct.h"
#include "kernels/cpu/own/families.h"
#include "kernels/cpu/own/winograd.h"

namespace lamella::cpu::LAMELLA_ISA {
namespace {

constexpr std::int64_t kPixelsPerSum = 32768;  // bounds the length of one f32 sum of dw

// Panels as in direct.h, for backward-data: columns = C, depth = (r,s,k) of the filter turned by
// 180 degrees.
void pack_turned_filters(Ctx ctx, const Conv2dShape& shape, const float* w, float* panels) {
  const std::int64_t taps = shape.R * shape.S, depth = taps * shape.K;
  const std::int64_t count = panel_count(shape.C);
  for_parts(ctx, parts_for(ctx, count, depth * kTileColumns), count,
            [&](int, std::int64_t begin, std::int64_t end) {
              for (std::int64_t panel = begin; panel < end; ++panel) {
                const std::int64_t c = panel * kTileColumns;
                const std::int64_t columns = smaller(kTileColumns, shape.C - c);
                float* out = panels + panel * depth * kTileColumns;
                for (std::int64_t i = 0; i < depth; ++i, out += kTileColumns) {
                  const std::int64_t tap = taps - 1 - i / shape.K, k = i % shape.K;
                  copy_floats(w + (k * taps + tap) * shape.C + c, out, columns);
                  zero_floats(out + columns, kTileColumns - columns);
                }
              }
            });
}

void forward(Ctx ctx, const Conv2dShape& shape, const Normalisation& norm, const float* x,
             const float* w, const float* bias, float* y) {
  const bool winograd = winograd_suits(ConvKind::Forward, shape);
  const std::int64_t filters = winograd ? winograd_panel_floats(shape) : direct_panel_floats(shape);
  const std::int64_t rest =
      winograd ? winograd_scratch(ctx, shape, norm) : direct_scratch(ctx, norm);
  float* panels = scratch_floats(ctx, filters + rest);
  (winograd ? winograd_pack : direct_pack)(ctx, shape, w, panels);
  (winograd ? winograd_run : direct_run)(ctx, shape, norm, x, panels, bias, false, panels + filters,
                                         y);
}

void conv2d_fwd(Ctx ctx, const Conv2dShape& shape, const void* x, const void* w, const float* bias,
                void* y) {
  require_f32("conv2d_fwd", shape.dtype);
  forward(ctx, shape, {}, static_cast<const float*>(x), static_cast<const float*>(w), bias,
          static_cast<float*>(y));
}

void norm_conv2d_fwd(Ctx ctx, const NormConv2dShape& shape, const void* x, const float* mean,
                     const float* var, const float* gamma, const float* beta, const void* w,
                     void* y) {
  require_f32("norm_conv2d_fwd", shape.conv.dtype);
  forward(ctx, shape.conv, {&shape, mean, var, gamma, beta}, static_cast<const float*>(x),
          static_cast<const float*>(w), nullptr, static_cast<float*>(y));
}

void conv2d_bwd_data(Ctx ctx, const Conv2dShape& shape, const void* dy, const void* w, void* dx,
                     Write write) {
  require_f32("conv2d_bwd_data", shape.dtype);
  if (winograd_suits(ConvKind::BackwardData, shape))
    return winograd_bwd_data(ctx, shape, static_cast<const float*>(dy),
                             static_cast<const float*>(w), static_cast<float*>(dx), write);
  const Conv2dShape& s = shape;
  const std::int64_t depth = s.R * s.S * s.K;
  const std::int64_t panel_floats = panel_count(s.C) * depth * kTileColumns;
  float* panels = scratch_floats(ctx, panel_floats + ctx.threads * kBlockFloats);
  pack_turned_filters(ctx, shape, static_cast<const float*>(w), panels);
  const Patches patches{static_cast<const float*>(dy),
                        s.P,
                        s.Q,
                        s.K,
                        s.y_pitch,
                        s.R,
                        s.S,
                        s.H,
                        s.W,
                        1,
                        1,
                        s.R - 1 - s.pad_h,
                        s.S - 1 - s.pad_w,
                        s.stride_h,
                        s.stride_w};
  multiply_patches(ctx, patches, {s.N * s.H * s.W, depth, s.C, s.x_pitch, write == Write::Add},
                   panels, nullptr, panels + panel_floats, static_cast<float*>(dx));
}

// dw [K, depth] += dy^T * patches over output pixels [row, row + rows).
void add_weight_block(const Conv2dShape& shape, const Patches& patches, const float* dy,
                      std::int64_t row, std::int64_t rows, float* block, float* dw) {
  const std::int64_t depth = shape.R * shape.S * shape.C;
  for (std::int64_t from = 0; from < depth; from += kDepth) {
    const std::int64_t columns = smaller(kDepth, depth - from);
    write_patches(patches, row, rows, from, from + columns, kTileColumns, block);
    for (std::int64_t column = 0; column < columns; column += kTileColumns)
      for (std::int64_t k = 0; k < shape.K; k += kTileRows) {
        TileTarget target{};
        target.out = dw + k * depth + from + column;
        target.pitch = depth;
        target.columns = static_cast<int>(smaller(kTileColumns, columns - column));
        target.add = true;
        product_rows<1>(static_cast<int>(smaller(kTileRows, shape.K - k)), rows,
                        dy + row * shape.y_pitch + k, shape.y_pitch, block + column, kPatchPitch,
                        target);
      }
  }
}

// out (=|+=) the sum of `parts` buffers of `count` floats.
void add_up(Ctx ctx, const float* buffers, std::int64_t parts, std::int64_t count, float* out,
            Write write) {
  for_parts(ctx, parts_for(ctx, count, parts), count,
            [&](int, std::int64_t begin, std::int64_t end) {
              for (std::int64_t i = begin; i < end; ++i) {
                double sum = write == Write::Add ? static_cast<double>(out[i]) : 0.0;
                for (std::int64_t part = 0; part < parts; ++part)
                  sum += static_cast<double>(buffers[part * count + i]);
                out[i] = static_cast<float>(sum);
              }
            });
}

void backward_weight(Ctx ctx, const Conv2dShape& shape, const Normalisation& norm, const float* x,
                     const float* dy, float* dw, Write write) {
  if (shape.N == 0) return;
  if (winograd_suits(ConvKind::BackwardWeight, shape))
    return winograd_bwd_weight(ctx, shape, norm, x, dy, dw, write);
  const std::int64_t pixels = shape.N * shape.P * shape.Q;
  const std::int64_t count = shape.K * shape.R * shape.S * shape.C;
  const std::int64_t blocks = ceil_div(pixels, kBlockRows);
  const std::int64_t wanted = round_up(ceil_div(pixels, kPixelsPerSum), ctx.threads);
  const auto parts = static_cast<int>(larger(1, smaller(wanted, blocks)));
  float* scales = scratch_floats(ctx, norm.floats() + parts * (count + kBlockFloats));
  float* sums = scales + norm.floats();
  Patches patches = forward_patches(shape, x);
  patches.prologue = norm.prologue(scales);
  const auto body = [&](int part, std::int64_t begin, std::int64_t end) {
    float* own = sums + part * count;
    zero_floats(own, count);
    for (std::int64_t i = begin; i < end; ++i) {
      const std::int64_t row = i * kBlockRows;
      add_weight_block(shape, patches, dy, row, smaller(kBlockRows, pixels - row),
                       sums + parts * count + part * kBlockFloats, own);
    }
  };
  for_parts(ctx, parts, blocks, body);
  add_up(ctx, sums, parts, count, dw, write);
}

void conv2d_bwd_weight(Ctx ctx, const Conv2dShape& shape, const void* x, const void* dy, void* dw,
                       Write write) {
  require_f32("conv2d_bwd_weight", shape.dtype);
  backward_weight(ctx, shape, {}, static_cast<const float*>(x), static_cast<const float*>(dy),
                  static_cast<float*>(dw), write);
}

void norm_conv2d_bwd_weight(Ctx ctx, const NormConv2dShape& shape, const void* x, const float* mean,
                            const float* var, const float* gamma, const float* beta, const void* dy,
                            void* dw, Write write) {
  require_f32("norm_conv2d_bwd_weight", shape.conv.dtype);
  backward_weight(ctx, shape.conv, {&shape, mean, var, gamma, beta}, static_cast<const float*>(x),
                  static_cast<const float*>(dy), static_cast<float*>(dw), write);
}

}  // namespace

void add_conv2d(KernelTable& table) {
  table.conv2d_fwd = conv2d_fwd;
  table.conv2d_bwd_data = conv2d_bwd_data;
  table.conv2d_bwd_weight = conv2d_bwd_weight;
  table.norm_conv2d_fwd = norm_conv2d_fwd;
  table.norm_conv2d_bwd_weight = norm_conv2d_bwd_weight;
}

}  // namespace lamella::cpu::LAMELLA_ISA