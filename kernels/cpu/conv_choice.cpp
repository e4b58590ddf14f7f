// The rules of conv_choice.h and the table entries that apply them.
#include "kernels/cpu/conv_choice.h"

#include <cstring>

#include "kernels/cpu/backend.h"
#include "kernels/cpu/onednn.h"

namespace lamella::cpu {
namespace {

bool is_pointwise(const Conv2dShape& s) {
  return s.R == 1 && s.S == 1 && s.stride_h == 1 && s.stride_w == 1 && s.pad_h == 0 && s.pad_w == 0;
}

// oneDNN has its fast code for NHWC images with AVX-512 only. Below that the own direct form is
// ahead, unless there are so few channels that its patches are short runs.
bool direct_form_is_faster(const Conv2dShape& s) {
  constexpr std::int64_t kLeastChannels = 16;
  static const bool narrow = std::strcmp(cpu_isa(), "v4") != 0;
  return narrow && s.C >= kLeastChannels;
}

void chosen_fwd(const KernelContext& ctx, const Conv2dShape& shape, const void* x, const void* w,
                const float* bias, void* y) {
  const bool own = own_conv_is_faster(ConvKind::Forward, shape);
  (own ? cpu_own_table().conv2d_fwd : cpu_onednn_table()->conv2d_fwd)(ctx, shape, x, w, bias, y);
}

void chosen_bwd_data(const KernelContext& ctx, const Conv2dShape& shape, const void* dy,
                     const void* w, void* dx, Write write) {
  const bool own = own_conv_is_faster(ConvKind::BackwardData, shape);
  (own ? cpu_own_table().conv2d_bwd_data : cpu_onednn_table()->conv2d_bwd_data)(ctx, shape, dy, w,
                                                                                dx, write);
}

void chosen_bwd_weight(const KernelContext& ctx, const Conv2dShape& shape, const void* x,
                       const void* dy, void* dw, Write write) {
  const bool own = own_conv_is_faster(ConvKind::BackwardWeight, shape);
  (own ? cpu_own_table().conv2d_bwd_weight : cpu_onednn_table()->conv2d_bwd_weight)(ctx, shape, x,
                                                                                    dy, dw, write);
}

}  // namespace

bool winograd_suits(ConvKind kind, const Conv2dShape& s) {
  // With 16 the rounding shows in SqueezeNet 1.0, which has no batch norm to cover it: gradients
  // (golden squeezenet1_0_64x64) off by 1.3e-6, PyTorch's own by 0.6e-6.
  constexpr std::int64_t kLeastChannels = 32, kLeastTiles = 64;
  constexpr std::int64_t kMostFilters = 16384;  // C * K; more, and the sums of dw leave the cache
  const bool form =
      s.R == 3 && s.S == 3 && s.stride_h == 1 && s.stride_w == 1 && s.pad_h <= 2 && s.pad_w <= 2;
  const bool large =
      s.C >= kLeastChannels && s.K >= kLeastChannels && s.N * s.P * s.Q >= 4 * kLeastTiles;
  return form && large && (kind != ConvKind::BackwardWeight || s.C * s.K <= kMostFilters);
}

bool own_conv_is_faster(ConvKind kind, const Conv2dShape& shape) {
  if (winograd_suits(kind, shape)) return true;
  constexpr std::int64_t kLeastPixels = 256;  // over which the sums of a filter gradient run
  return kind == ConvKind::BackwardWeight && !is_pointwise(shape) &&
         shape.N * shape.P * shape.Q >= kLeastPixels && direct_form_is_faster(shape);
}

namespace {

// Own, besides Winograd's form: 1x1 of stride 1, where packed filters make it as fast as oneDNN and
// slices are read and written where they are; what the direct form is faster for; and whatever
// oneDNN has only reference code for.
std::uint64_t fused_layout(const KernelContext& ctx, const FusedConv2dShape& shape) {
  const Conv2dShape& s = shape.norm.conv;
  const FusedConvolution* onednn = onednn_fused();
  const bool own = onednn == nullptr || is_pointwise(s) || shape.normalised ||
                   own_conv_is_faster(ConvKind::Forward, s) || direct_form_is_faster(s);
  const std::uint64_t layout = own ? 0 : onednn->layout(ctx, shape);
  return layout != 0 ? layout : cpu_own_fused().layout(ctx, shape);
}

// Whose layout it is.
const FusedConvolution& fused_of(std::uint64_t layout) {
  return layout < kFirstOnednnLayout ? cpu_own_fused() : *onednn_fused();
}

std::int64_t fused_bytes(const KernelContext& ctx, const FusedConv2dShape& shape) {
  return fused_of(fused_layout(ctx, shape)).packed_bytes(ctx, shape);
}

void fused_pack(const KernelContext& ctx, const FusedConv2dShape& shape, const void* w,
                void* packed) {
  fused_of(fused_layout(ctx, shape)).pack(ctx, shape, w, packed);
}

void fused_run(const KernelContext& ctx, const FusedConv2dShape& shape, const void* x,
               const float* mean, const float* var, const float* gamma, const float* beta,
               std::uint64_t layout, const void* packed, const float* bias, void* y) {
  fused_of(layout).run(ctx, shape, x, mean, var, gamma, beta, layout, packed, bias, y);
}

}  // namespace

const FusedConvolution& chosen_fused() {
  static const FusedConvolution fused{fused_layout, fused_bytes, fused_pack, fused_run};
  return fused;
}

void choose_convolutions(KernelTable& table) {
  if (cpu_onednn_table() == nullptr) return;
  table.conv2d_fwd = chosen_fwd;
  table.conv2d_bwd_data = chosen_bwd_data;
  table.conv2d_bwd_weight = chosen_bwd_weight;
}

}  // namespace lamella::cpu
