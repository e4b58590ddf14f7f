// Batch norm, training and inference, with ReLU on either side.
#include "engine/ops_common.h"

namespace lamella {
namespace {

void check(const Tensor& x, const BatchNormTensors& bn, const BatchNormOptions& options,
           bool training) {
  detail::require_defined("batch_norm", "x", x);
  detail::require_vector("batch_norm", "gamma", bn.gamma, x.channels());
  detail::require_vector("batch_norm", "beta", bn.beta, x.channels());
  detail::require_vector("batch_norm", "running_mean", bn.running_mean, x.channels());
  detail::require_vector("batch_norm", "running_var", bn.running_var, x.channels());
  if (!(options.eps > 0)) fail("batch_norm: eps is ", options.eps, ", it must be positive");
  if (training && x.pixels() < 2) {
    fail("batch_norm: training needs at least 2 values per channel to have a variance, x (",
         x.shape().str(), ") has ", x.pixels(), "; use a larger batch or image");
  }
}

struct Statistics {
  Tensor mean, var;
};

Statistics statistics(Context& ctx, const BatchNormShape& shape, const Tensor& x,
                      const BatchNormTensors& bn, float momentum) {
  if (!shape.training) return {bn.running_mean.detach(), bn.running_var.detach()};
  const Statistics batch{ctx.empty({shape.C}), ctx.empty({shape.C})};
  ctx.call("batch_norm_stats", &KernelTable::batch_norm_stats, shape, x.data(),
           batch.mean.as<float>(), batch.var.as<float>());
  ctx.call("batch_norm_update", &KernelTable::batch_norm_update, shape, momentum,
           batch.mean.as<const float>(), batch.var.as<const float>(), bn.running_mean.as<float>(),
           bn.running_var.as<float>());
  return batch;
}

void apply(Context& ctx, const BatchNormShape& shape, const Tensor& x, const Statistics& stats,
           const BatchNormTensors& bn, const Tensor& y) {
  ctx.call("batch_norm_apply", &KernelTable::batch_norm_apply, shape, x.data(),
           stats.mean.as<const float>(), stats.var.as<const float>(), bn.gamma.as<const float>(),
           bn.beta.as<const float>(), y.data());
}

// dgamma or dbeta is one half of the sums.
void copy_sum(Context& ctx, const Tensor& sum, const GradRef& ref) {
  const GradSlot to = detail::gradient_of(ctx, ref);
  ctx.call("copy", &KernelTable::copy, detail::slice_shape(sum, sum.channels(), to.pitch),
           sum.data(), to.data, to.write);
}

}  // namespace

Tensor batch_norm(Context& ctx, const Tensor& x, const BatchNormTensors& bn,
                  const BatchNormOptions& options, Tensor out) {
  check(x, bn, options, ctx.training);
  Tensor y =
      detail::output(ctx, "batch_norm", out, x.shape(), x.dtype(), {&x, &bn.gamma, &bn.beta});
  BatchNormShape shape{x.pixels(),      x.channels(),     x.pitch(),    y.pitch(), options.eps,
                       options.relu_in, options.relu_out, ctx.training, x.dtype()};
  const Statistics stats = statistics(ctx, shape, x, bn, options.momentum);
  apply(ctx, shape, x, stats, bn, y);

  if (y.requires_grad()) {
    if (options.remake && !out.defined()) {
      y.set_remake([shape, stats, x = x.detach(), bn, size = y.shape()](Context& context) {
        const Tensor again = context.empty(size, shape.dtype);
        apply(context, shape, x, stats, bn, again);
        return again;
      });
    }
    ctx.tape.record(
        "batch_norm", y.grad_ref(),
        [&ctx, shape, stats, x_value = x.detach(), gamma = bn.gamma.detach(),
         beta = bn.beta.detach(), dx_ref = x.grad_ref(), dgamma_ref = bn.gamma.grad_ref(),
         dbeta_ref = bn.beta.grad_ref()](const GradSlot& dy) mutable {
          shape.y_pitch = dy.pitch;
          const Tensor sums = ctx.empty({2, shape.C});
          if (shape.training || dgamma_ref || dbeta_ref) {
            ctx.call("batch_norm_bwd_reduce", &KernelTable::batch_norm_bwd_reduce, shape,
                     x_value.data(), dy.data, stats.mean.as<const float>(),
                     stats.var.as<const float>(), gamma.as<const float>(), beta.as<const float>(),
                     sums.as<float>());
          }
          const Tensor halves = sums.reshape({2 * shape.C});
          if (dbeta_ref) copy_sum(ctx, halves.slice(0, shape.C), dbeta_ref);
          if (dgamma_ref) copy_sum(ctx, halves.slice(shape.C, 2 * shape.C), dgamma_ref);
          if (dx_ref) {
            const GradSlot dx = detail::gradient_of(ctx, dx_ref);
            ctx.call("batch_norm_bwd_apply", &KernelTable::batch_norm_bwd_apply, shape,
                     x_value.data(), dy.data, stats.mean.as<const float>(),
                     stats.var.as<const float>(), gamma.as<const float>(), beta.as<const float>(),
                     sums.as<const float>(), dx.pitch, dx.data, dx.write);
          }
        });
  }
  return y;
}

}  // namespace lamella
