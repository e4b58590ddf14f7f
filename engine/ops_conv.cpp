// conv2d and linear: the ops with weights.
#include "engine/ops_common.h"

namespace lamella {

Shape conv2d_output_shape(const Shape& x, const Shape& w, const Conv2dOptions& options) {
  if (x.rank() != 4) {
    fail("conv2d: x has ", x.rank(), " dims (", x.str(), "), it needs 4");
  }
  if (w.rank() != 4) {
    fail("conv2d: w has ", w.rank(), " dims (", w.str(), "), it needs 4");
  }
  if (w[3] != x[3]) {
    fail("conv2d: w (KxRxSxC = ", w.str(), ") expects ", w[3], " input channels but x (", x.str(),
         ") has ", x[3]);
  }
  if (options.stride_h < 1 || options.stride_w < 1 || options.pad_h < 0 || options.pad_w < 0) {
    fail("conv2d: stride ", options.stride_h, "x", options.stride_w, " and pad ", options.pad_h,
         "x", options.pad_w, "; strides must be >= 1 and pads >= 0");
  }
  const std::int64_t R = w[1], S = w[2];
  const std::int64_t high = x[1] + 2 * options.pad_h, wide = x[2] + 2 * options.pad_w;
  if (R < 1 || S < 1) fail("conv2d: the filter is ", R, "x", S);
  if (high < R || wide < S) {
    fail("conv2d: the filter ", R, "x", S, " is larger than the padded input ", high, "x", wide,
         "; use a larger image or more padding");
  }
  return {x[0], (high - R) / options.stride_h + 1, (wide - S) / options.stride_w + 1, w[0]};
}

namespace detail {

Conv2dShape conv2d_shape(const Tensor& x, const Tensor& w, const Conv2dOptions& options) {
  detail::require_defined("conv2d", "x", x);
  detail::require_dtype("conv2d", "w", w, x.dtype());
  const Shape y = conv2d_output_shape(x.shape(), w.shape(), options);
  if (!w.dense()) fail("conv2d: w is a channel slice; copy it into a dense tensor first");
  Conv2dShape shape;
  shape.N = x.dim(0), shape.H = x.dim(1), shape.W = x.dim(2), shape.C = x.dim(3);
  shape.K = w.dim(0), shape.R = w.dim(1), shape.S = w.dim(2);
  shape.P = y[1], shape.Q = y[2];
  shape.stride_h = options.stride_h, shape.stride_w = options.stride_w;
  shape.pad_h = options.pad_h, shape.pad_w = options.pad_w;
  shape.x_pitch = x.pitch();
  shape.dtype = x.dtype();
  return shape;
}

}  // namespace detail
namespace {

// db = sum of dy over pixels, for any op that adds a bias.
void bias_backward(Context& ctx, std::int64_t pixels, const GradSlot& dy, const GradRef& bias,
                   DType dtype) {
  const GradSlot db = detail::gradient_of(ctx, bias);
  const SliceShape shape{pixels, bias.shape.channels(), dy.pitch, bias.shape.channels(), dtype};
  ctx.call("bias_bwd", &KernelTable::bias_bwd, shape, dy.data, static_cast<float*>(db.data),
           db.write);
}

}  // namespace

Tensor conv2d(Context& ctx, const Tensor& x, const Tensor& w, const Tensor& bias,
              const Conv2dOptions& options, Tensor out) {
  Conv2dShape shape = detail::conv2d_shape(x, w, options);
  if (bias.defined()) detail::require_vector("conv2d", "bias", bias, shape.K);
  const Tensor y = detail::output(ctx, "conv2d", out, {shape.N, shape.P, shape.Q, shape.K},
                                  x.dtype(), {&x, &w, &bias});
  shape.y_pitch = y.pitch();
  ctx.call("conv2d_fwd", &KernelTable::conv2d_fwd, shape, x.data(), w.data(), bias.as<float>(),
           y.data());

  if (y.requires_grad()) {
    ctx.tape.record("conv2d", y.grad_ref(),
                    [&ctx, shape, x_saved = w.requires_grad() ? Saved(x) : Saved(),
                     w_value = x.requires_grad() ? w.detach() : Tensor(), dx_ref = x.grad_ref(),
                     dw_ref = w.grad_ref(), db_ref = bias.grad_ref()](const GradSlot& dy) mutable {
                      shape.y_pitch = dy.pitch;
                      if (db_ref) {
                        bias_backward(ctx, shape.N * shape.P * shape.Q, dy, db_ref, shape.dtype);
                      }
                      if (dw_ref) {
                        const Tensor x_value = x_saved.values(ctx);
                        const GradSlot dw = detail::gradient_of(ctx, dw_ref);
                        shape.x_pitch = x_value.pitch();
                        ctx.call("conv2d_bwd_weight", &KernelTable::conv2d_bwd_weight, shape,
                                 x_value.data(), dy.data, dw.data, dw.write);
                      }
                      x_saved = Saved();  // not needed while dx is made
                      if (dx_ref) {
                        const GradSlot dx = detail::gradient_of(ctx, dx_ref);
                        shape.x_pitch = dx.pitch;
                        ctx.call("conv2d_bwd_data", &KernelTable::conv2d_bwd_data, shape, dy.data,
                                 w_value.data(), dx.data, dx.write);
                      }
                    });
  }
  return y;
}

Tensor linear(Context& ctx, const Tensor& x, const Tensor& w, const Tensor& bias, Tensor out) {
  detail::require_rank("linear", "x", x, 2);
  detail::require_rank("linear", "w", w, 2);
  detail::require_dtype("linear", "w", w, x.dtype());
  if (w.dim(1) != x.dim(1)) {
    fail("linear: w (KxC = ", w.shape().str(), ") expects ", w.dim(1), " input features but x (",
         x.shape().str(), ") has ", x.dim(1));
  }
  if (!w.dense()) fail("linear: w is a channel slice; copy it into a dense tensor first");
  if (bias.defined()) detail::require_vector("linear", "bias", bias, w.dim(0));
  const Tensor y =
      detail::output(ctx, "linear", out, {x.dim(0), w.dim(0)}, x.dtype(), {&x, &w, &bias});
  LinearShape shape{x.dim(0), x.dim(1), w.dim(0), x.pitch(), y.pitch(), x.dtype()};
  ctx.call("linear_fwd", &KernelTable::linear_fwd, shape, x.data(), w.data(), bias.as<float>(),
           y.data());

  if (y.requires_grad()) {
    ctx.tape.record("linear", y.grad_ref(),
                    [&ctx, shape, x_saved = w.requires_grad() ? Saved(x) : Saved(),
                     w_value = x.requires_grad() ? w.detach() : Tensor(), dx_ref = x.grad_ref(),
                     dw_ref = w.grad_ref(), db_ref = bias.grad_ref()](const GradSlot& dy) mutable {
                      shape.y_pitch = dy.pitch;
                      if (db_ref) bias_backward(ctx, shape.N, dy, db_ref, shape.dtype);
                      if (dw_ref) {
                        const Tensor x_value = x_saved.values(ctx);
                        const GradSlot dw = detail::gradient_of(ctx, dw_ref);
                        shape.x_pitch = x_value.pitch();
                        ctx.call("linear_bwd_weight", &KernelTable::linear_bwd_weight, shape,
                                 x_value.data(), dy.data, dw.data, dw.write);
                      }
                      if (dx_ref) {
                        const GradSlot dx = detail::gradient_of(ctx, dx_ref);
                        shape.x_pitch = dx.pitch;
                        ctx.call("linear_bwd_data", &KernelTable::linear_bwd_data, shape, dy.data,
                                 w_value.data(), dx.data, dx.write);
                      }
                    });
  }
  return y;
}

}  // namespace lamella
