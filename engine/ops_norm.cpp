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

// A frozen batch norm is a fixed map: it takes its running statistics and leaves them as they are.
bool uses_batch_statistics(const Context& ctx, const BatchNormTensors& bn) {
  return ctx.training && !bn.gamma.frozen();
}

struct Statistics {
  Tensor mean, var;
  StatisticsRef shared;  // where they come from, if not of this op alone
};

Statistics batch_statistics(Context& ctx, const BatchNormShape& shape, const Tensor& x) {
  const auto& [of, first] = x.statistics();
  if (of != nullptr && !shape.relu_in && of->knows(first, first + shape.C)) {
    return {of->mean.slice(first, first + shape.C), of->var.slice(first, first + shape.C),
            x.statistics()};
  }
  Statistics own{ctx.empty({shape.C}), ctx.empty({shape.C}), {}};
  ctx.call("batch_norm_stats", &KernelTable::batch_norm_stats, shape, x.data(),
           own.mean.as<float>(), own.var.as<float>());
  return own;
}

Statistics statistics(Context& ctx, const BatchNormShape& shape, const Tensor& x,
                      const BatchNormTensors& bn, float momentum) {
  if (!shape.training) return {bn.running_mean.detach(), bn.running_var.detach(), {}};
  Statistics batch = batch_statistics(ctx, shape, x);
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

// What the backward of a normalisation needs, and where its gradients go.
struct Backward {
  BatchNormShape shape;
  Statistics stats;
  Tensor x, gamma, beta;
  GradRef dx, dgamma, dbeta;

  Backward(const BatchNormShape& shape_, Statistics stats_, const Tensor& x_,
           const BatchNormTensors& bn)
      : shape(shape_),
        stats(std::move(stats_)),
        x(x_.detach()),
        gamma(bn.gamma.detach()),
        beta(bn.beta.detach()),
        dx(x_.grad_ref()),
        dgamma(bn.gamma.grad_ref()),
        dbeta(bn.beta.grad_ref()) {}

  // dy: of the normalised tensor, at dy_pitch.
  void run(Context& ctx, const void* dy, std::int64_t dy_pitch) {
    shape.y_pitch = dy_pitch;
    const Tensor sums = ctx.empty({2, shape.C});
    const bool shared = stats.shared.of != nullptr && dx;
    if (shared) {
      direct(ctx, dy, sums);
    } else if (shape.training || dgamma || dbeta) {
      ctx.call("batch_norm_bwd_reduce", &KernelTable::batch_norm_bwd_reduce, shape, x.data(), dy,
               stats.mean.as<const float>(), stats.var.as<const float>(), gamma.as<const float>(),
               beta.as<const float>(), sums.as<float>());
    }
    const Tensor halves = sums.reshape({2 * shape.C});
    if (dbeta) copy_sum(ctx, halves.slice(0, shape.C), dbeta);
    if (dgamma) copy_sum(ctx, halves.slice(shape.C, 2 * shape.C), dgamma);
    if (!dx || shared) return;
    const GradSlot to = detail::gradient_of(ctx, dx);
    ctx.call("batch_norm_bwd_apply", &KernelTable::batch_norm_bwd_apply, shape, x.data(), dy,
             stats.mean.as<const float>(), stats.var.as<const float>(), gamma.as<const float>(),
             beta.as<const float>(), sums.as<const float>(), to.pitch, to.data, to.write);
  }

 private:
  // The sums, and dx but for what comes through the shared statistics: that is left to copy_into.
  void direct(Context& ctx, const void* dy, const Tensor& sums) const {
    SharedStatistics& all = *stats.shared.of;
    const std::int64_t channels = all.mean.channels();
    if (!all.sums.defined()) all.sums = ctx.zeros({2 * channels});
    const GradSlot to = detail::gradient_of(ctx, dx);
    ctx.call("batch_norm_bwd_shared", &KernelTable::batch_norm_bwd_shared, shape, x.data(), dy,
             stats.mean.as<const float>(), stats.var.as<const float>(), gamma.as<const float>(),
             beta.as<const float>(), sums.as<float>(), channels,
             all.sums.as<float>() + stats.shared.first_channel, to.pitch, to.data, to.write);
  }
};

}  // namespace

Tensor batch_norm(Context& ctx, const Tensor& x, const BatchNormTensors& bn,
                  const BatchNormOptions& options, Tensor out) {
  const bool training = uses_batch_statistics(ctx, bn);
  check(x, bn, options, training);
  Tensor y =
      detail::output(ctx, "batch_norm", out, x.shape(), x.dtype(), {&x, &bn.gamma, &bn.beta});
  BatchNormShape shape{x.pixels(),      x.channels(),     x.pitch(), y.pitch(), options.eps,
                       options.relu_in, options.relu_out, training,  x.dtype()};
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
    ctx.tape.record("batch_norm", y.grad_ref(),
                    [&ctx, backward = Backward(shape, stats, x, bn)](const GradSlot& dy) mutable {
                      backward.run(ctx, dy.data, dy.pitch);
                    });
  }
  return y;
}

Tensor norm_conv2d(Context& ctx, const Tensor& x, const BatchNormTensors& bn,
                   const BatchNormOptions& bn_options, const Tensor& w,
                   const Conv2dOptions& conv_options, Tensor out) {
  if (ctx.kernels().norm_conv2d_fwd == nullptr) {
    BatchNormOptions options = bn_options;
    options.remake = true;
    return conv2d(ctx, batch_norm(ctx, x, bn, options), w, {}, conv_options, out);
  }
  const bool training = uses_batch_statistics(ctx, bn);
  check(x, bn, bn_options, training);
  NormConv2dShape shape{detail::conv2d_shape(x, w, conv_options), bn_options.eps,
                        bn_options.relu_in, bn_options.relu_out};
  Conv2dShape& conv = shape.conv;
  const Tensor y = detail::output(ctx, "norm_conv2d", out, {conv.N, conv.P, conv.Q, conv.K},
                                  x.dtype(), {&x, &w, &bn.gamma, &bn.beta});
  conv.y_pitch = y.pitch();
  const BatchNormShape norm{x.pixels(),          x.channels(),   x.pitch(),
                            x.channels(),        bn_options.eps, bn_options.relu_in,
                            bn_options.relu_out, training,       x.dtype()};
  const Statistics stats = statistics(ctx, norm, x, bn, bn_options.momentum);
  ctx.call("norm_conv2d_fwd", &KernelTable::norm_conv2d_fwd, shape, x.data(),
           stats.mean.as<const float>(), stats.var.as<const float>(), bn.gamma.as<const float>(),
           bn.beta.as<const float>(), w.data(), y.data());

  if (y.requires_grad()) {
    const bool through = detail::any_requires_grad({&x, &bn.gamma, &bn.beta});
    ctx.tape.record(
        "norm_conv2d", y.grad_ref(),
        [&ctx, shape, through, backward = Backward(norm, stats, x, bn), w_value = w.detach(),
         dw_ref = w.grad_ref(), size = x.shape()](const GradSlot& dy) mutable {
          shape.conv.y_pitch = dy.pitch;
          if (dw_ref) {
            const GradSlot dw = detail::gradient_of(ctx, dw_ref);
            ctx.call("norm_conv2d_bwd_weight", &KernelTable::norm_conv2d_bwd_weight, shape,
                     backward.x.data(), backward.stats.mean.as<const float>(),
                     backward.stats.var.as<const float>(), backward.gamma.as<const float>(),
                     backward.beta.as<const float>(), dy.data, dw.data, dw.write);
          }
          if (!through) return;
          const Tensor dz = ctx.empty(size, shape.conv.dtype);  // of the normalised image
          Conv2dShape plain = shape.conv;
          plain.x_pitch = dz.pitch();
          ctx.call("conv2d_bwd_data", &KernelTable::conv2d_bwd_data, plain, dy.data, w_value.data(),
                   dz.data(), Write::Set);
          backward.run(ctx, dz.data(), dz.pitch());
        });
  }
  return y;
}

}  // namespace lamella
