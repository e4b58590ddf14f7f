// Tensors put together: copies into the slices of a buffer, concat; and the statistics of slices
// that are made on the way.
#include "engine/ops_common.h"

namespace lamella {
namespace {

BatchNormShape norm_shape(const Tensor& x, std::int64_t y_pitch) {
  BatchNormShape shape;
  shape.pixels = x.pixels(), shape.C = x.channels();
  shape.x_pitch = x.pitch(), shape.y_pitch = y_pitch;
  shape.dtype = x.dtype();
  return shape;
}

// y = x, and the statistics of its channels.
void copy_with_statistics(Context& ctx, const Tensor& x, const Tensor& y) {
  const auto& [of, first] = y.statistics();
  ctx.call("batch_norm_copy_stats", &KernelTable::batch_norm_copy_stats, norm_shape(x, y.pitch()),
           x.data(), y.data(), of->mean.as<float>() + first, of->var.as<float>() + first);
  of->mark(first, x.channels(), true);
}

// The gradient of such a copy: dy is what reached y itself, the sums what reached its statistics.
void copy_with_statistics_backward(Context& ctx, const Tensor& y, const GradSlot& dy,
                                   const GradRef& dx_ref) {
  const auto& [of, first] = y.statistics();
  if (!of->sums.defined()) return detail::pass_gradient(ctx, dy, dx_ref, y.dtype());
  const GradSlot dx = detail::gradient_of(ctx, dx_ref);
  ctx.call("batch_norm_stats_bwd", &KernelTable::batch_norm_stats_bwd, norm_shape(y, dy.pitch),
           y.data(), dy.data, of->mean.as<const float>() + first, of->mean.channels(),
           of->sums.as<const float>() + first, dx.pitch, dx.data, dx.write);
}

}  // namespace

void share_statistics(Context& ctx, Tensor& buffer) {
  const std::int64_t channels = buffer.channels();
  auto shared = std::make_shared<SharedStatistics>();
  shared->mean = ctx.empty({channels});
  shared->var = ctx.empty({channels});
  shared->known.assign(static_cast<std::size_t>(channels), 0);
  buffer.set_statistics(std::move(shared));
}

Tensor copy_into(Context& ctx, const Tensor& x, Tensor out) {
  detail::require_defined("copy_into", "x", x);
  detail::require_defined("copy_into", "out", out);
  const Tensor y = detail::output(ctx, "copy_into", out, x.shape(), x.dtype(), {&x});
  const bool with_statistics = ctx.training && y.statistics().of != nullptr;
  if (with_statistics) {
    copy_with_statistics(ctx, x, y);
  } else {
    ctx.call("copy", &KernelTable::copy, detail::slice_shape(x, x.pitch(), y.pitch()), x.data(),
             y.data(), Write::Set);
  }

  if (y.requires_grad()) {
    ctx.tape.record("copy_into", y.grad_ref(),
                    [&ctx, with_statistics, y_value = with_statistics ? y.detach() : Tensor(),
                     dtype = x.dtype(), dx_ref = x.grad_ref()](const GradSlot& dy) {
                      if (with_statistics) {
                        copy_with_statistics_backward(ctx, y_value, dy, dx_ref);
                      } else {
                        detail::pass_gradient(ctx, dy, dx_ref, dtype);
                      }
                    });
  }
  return y;
}

Tensor concat(Context& ctx, const std::vector<Tensor>& parts) {
  if (parts.empty()) fail("concat: there are no parts; pass at least one tensor");
  std::int64_t channels = 0;
  bool wants_grad = false;
  for (const Tensor& part : parts) {
    detail::require_rank("concat", "a part", part, 4);
    detail::require_dtype("concat", "a part", part, parts[0].dtype());
    if (part.slice(0, 0).shape() != parts[0].slice(0, 0).shape()) {
      fail("concat: parts are ", parts[0].shape().str(), " and ", part.shape().str(),
           "; they may differ in channels only");
    }
    channels += part.channels();
    wants_grad = wants_grad || part.requires_grad();
  }
  const Shape shape{parts[0].dim(0), parts[0].dim(1), parts[0].dim(2), channels};
  Tensor joined = wants_grad ? ctx.empty_with_grad(shape, parts[0].dtype())
                             : ctx.empty(shape, parts[0].dtype());
  std::int64_t begin = 0;
  for (const Tensor& part : parts) {
    copy_into(ctx, part, joined.slice(begin, begin + part.channels()));
    begin += part.channels();
  }
  return joined;
}

Tensor flatten(const Tensor& x) {
  detail::require_rank("flatten", "x", x, 4);
  return x.reshape({x.dim(0), x.dim(1) * x.dim(2) * x.dim(3)});
}

}  // namespace lamella
