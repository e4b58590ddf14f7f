// FusedConvolution in our own code: the forms of conv2d_fwd, with filters packed once.
#include "kernels/cpu/conv_choice.h"
#include "kernels/cpu/own/direct.h"
#include "kernels/cpu/own/winograd.h"
#include "kernels/fused_conv.h"

namespace lamella::cpu::LAMELLA_ISA {
namespace {

enum Layout : std::uint64_t { kDirect = 1, kWinograd = 2 };

bool winograd(const FusedConv2dShape& shape) {
  return winograd_suits(ConvKind::Forward, shape.norm.conv);
}

std::uint64_t layout(Ctx, const FusedConv2dShape& shape) {
  return winograd(shape) ? kWinograd : kDirect;
}

std::int64_t packed_bytes(Ctx, const FusedConv2dShape& shape) {
  const Conv2dShape& conv = shape.norm.conv;
  return 4 * (winograd(shape) ? winograd_panel_floats(conv) : direct_panel_floats(conv));
}

void pack(Ctx ctx, const FusedConv2dShape& shape, const void* w, void* packed) {
  (winograd(shape) ? winograd_pack : direct_pack)(
      ctx, shape.norm.conv, static_cast<const float*>(w), static_cast<float*>(packed));
}

void run(Ctx ctx, const FusedConv2dShape& shape, const void* x, const float* mean, const float* var,
         const float* gamma, const float* beta, std::uint64_t, const void* packed,
         const float* bias, void* y) {
  const Conv2dShape& conv = shape.norm.conv;
  const Normalisation norm =
      shape.normalised ? Normalisation{&shape.norm, mean, var, gamma, beta} : Normalisation{};
  const std::int64_t floats =
      winograd(shape) ? winograd_scratch(ctx, conv, norm) : direct_scratch(ctx, norm);
  (winograd(shape) ? winograd_run : direct_run)(
      ctx, conv, norm, static_cast<const float*>(x), static_cast<const float*>(packed), bias,
      shape.relu, scratch_floats(ctx, floats), static_cast<float*>(y));
}

}  // namespace

FusedConvolution fused_convolution() {
  return {layout, packed_bytes, pack, run};
}

}  // namespace lamella::cpu::LAMELLA_ISA
