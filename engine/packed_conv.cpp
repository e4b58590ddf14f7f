#include "engine/packed_conv.h"

#include "engine/ops_common.h"

namespace lamella {
namespace {

struct Norm {
  const BatchNormTensors* tensors = nullptr;  // null: none
  BatchNormOptions options;
};

FusedConv2dShape fused_shape(const Conv2dShape& conv, const Norm& norm, bool relu) {
  return {{conv, norm.options.eps, norm.options.relu_in, norm.options.relu_out},
          norm.tensors != nullptr,
          relu};
}

// As separate ops.
Tensor in_steps(Context& ctx, const Tensor& x, const Norm& norm, const PackedConv2d& filters,
                Tensor out) {
  Tensor seen = x;
  if (norm.tensors != nullptr) seen = batch_norm(ctx, x, *norm.tensors, norm.options);
  if (!filters.relu) {
    return conv2d(ctx, seen, filters.w, filters.bias, filters.options, std::move(out));
  }
  return relu(ctx, conv2d(ctx, seen, filters.w, filters.bias, filters.options), std::move(out));
}

// Whether the packed filters are in the layout that this shape wants.
bool usable(Context& ctx, const Tensor& x, const FusedConv2dShape& shape,
            const PackedConv2d& filters) {
  if (!filters.packed.defined()) return false;
  const bool as_packed = x.shape() == filters.images && ctx.threads() == filters.threads;
  return as_packed || ctx.backend().fused->layout(ctx.kernel_context(), shape) == filters.layout;
}

Tensor run(Context& ctx, const Tensor& x, const Norm& norm, const PackedConv2d& filters,
           Tensor out) {
  if (ctx.training || ctx.grad_enabled) {
    fail("packed_conv2d is for inference; use conv2d and batch_norm to train");
  }
  Conv2dShape conv = detail::conv2d_shape(x, filters.w, filters.options);
  if (!usable(ctx, x, fused_shape(conv, norm, filters.relu), filters)) {
    return in_steps(ctx, x, norm, filters, std::move(out));
  }
  const Tensor y =
      detail::output(ctx, "packed_conv2d", out, {conv.N, conv.P, conv.Q, conv.K}, x.dtype(), {});
  conv.y_pitch = y.pitch();
  const BatchNormTensors none;
  const BatchNormTensors& bn = norm.tensors == nullptr ? none : *norm.tensors;
  ctx.invoke(norm.tensors == nullptr ? "conv2d_fwd" : "norm_conv2d_fwd", ctx.backend().fused->run,
             fused_shape(conv, norm, filters.relu), x.data(), bn.running_mean.as<const float>(),
             bn.running_var.as<const float>(), bn.gamma.as<const float>(),
             bn.beta.as<const float>(), filters.layout, filters.packed.data(),
             filters.bias.as<const float>(), y.data());
  return y;
}

}  // namespace

PackedConv2d pack_conv2d(Context& ctx, const Tensor& w, const Tensor& bias,
                         const Conv2dOptions& options, bool relu, const Shape& x, bool normalised) {
  PackedConv2d filters{
      cast(ctx, w.detach(), ctx.dtype), bias.detach(), options, relu, {}, 0, x, ctx.threads()};
  if (!bias.defined()) filters.bias = ctx.zeros({w.dim(0)});
  const FusedConvolution* fused = ctx.backend().fused;
  // A kernel put in the table's place is meant to be used.
  const bool replaced = ctx.kernels().conv2d_fwd != ctx.backend().kernels->conv2d_fwd;
  if (fused == nullptr || replaced || ctx.dtype != DType::F32) return filters;
  Conv2dShape conv = detail::conv2d_shape(ctx.empty({0, x[1], x[2], x[3]}), w, options);
  conv.N = x[0];
  conv.y_pitch = conv.K;
  FusedConv2dShape shape = fused_shape(conv, {}, relu);
  shape.normalised = normalised;
  filters.layout = fused->layout(ctx.kernel_context(), shape);
  if (filters.layout == 0) return filters;
  const std::int64_t bytes = fused->packed_bytes(ctx.kernel_context(), shape);
  filters.packed = ctx.empty({bytes}, DType::U8);
  fused->pack(ctx.kernel_context(), shape, w.data(), filters.packed.data());
  return filters;
}

Tensor packed_conv2d(Context& ctx, const Tensor& x, const PackedConv2d& filters, Tensor out) {
  return run(ctx, x, {}, filters, std::move(out));
}

Tensor norm_packed_conv2d(Context& ctx, const Tensor& x, const BatchNormTensors& bn,
                          const BatchNormOptions& bn_options, const PackedConv2d& filters,
                          Tensor out) {
  return run(ctx, x, {&bn, bn_options}, filters, std::move(out));
}

}  // namespace lamella
