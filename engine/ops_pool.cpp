// Max, average and global average pooling.
#include "engine/ops_common.h"

namespace lamella {
namespace {

// Output extent along one dim. With ceil_mode a last window that would start in the far padding is
// dropped, as in PyTorch.
std::int64_t pooled(const char* op, std::int64_t extent, std::int64_t size, std::int64_t stride,
                    std::int64_t pad, bool ceil_mode) {
  if (size < 1 || stride < 1 || pad < 0 || pad >= size) {
    fail(op, ": window ", size, ", stride ", stride, ", pad ", pad,
         "; window and stride must be >= 1 and pad smaller than the window");
  }
  const std::int64_t room = extent + 2 * pad - size;
  if (room < 0) {
    fail(op, ": the window of ", size, " is larger than the padded input of ", extent + 2 * pad,
         "; use a larger image or more padding");
  }
  std::int64_t count = (room + (ceil_mode ? stride - 1 : 0)) / stride + 1;
  if (ceil_mode && (count - 1) * stride >= extent + pad) --count;
  return count;
}

Shape output_shape(const char* op, const Shape& x, const Pool2dOptions& options) {
  if (x.rank() != 4) fail(op, ": x has ", x.rank(), " dims (", x.str(), "), it needs 4");
  return {
      x[0], pooled(op, x[1], options.size_h, options.stride_h, options.pad_h, options.ceil_mode),
      pooled(op, x[2], options.size_w, options.stride_w, options.pad_w, options.ceil_mode), x[3]};
}

Pool2dShape pool_shape(const char* op, const Tensor& x, const Pool2dOptions& options) {
  detail::require_rank(op, "x", x, 4);
  Pool2dShape shape;
  shape.N = x.dim(0), shape.H = x.dim(1), shape.W = x.dim(2), shape.C = x.dim(3);
  shape.R = options.size_h, shape.S = options.size_w;
  shape.stride_h = options.stride_h, shape.stride_w = options.stride_w;
  shape.pad_h = options.pad_h, shape.pad_w = options.pad_w;
  const Shape y = output_shape(op, x.shape(), options);
  shape.P = y[1], shape.Q = y[2];
  shape.count_include_pad = options.count_include_pad;
  shape.x_pitch = x.pitch();
  shape.dtype = x.dtype();
  return shape;
}

// The mean over the windows of `shape`, whose y_pitch is still open.
Tensor average(Context& ctx, const char* op, const Tensor& x, Pool2dShape shape,
               const Tensor& out) {
  const Tensor y =
      detail::output(ctx, op, out, {shape.N, shape.P, shape.Q, shape.C}, x.dtype(), {&x});
  shape.y_pitch = y.pitch();
  ctx.call("avg_pool2d_fwd", &KernelTable::avg_pool2d_fwd, shape, x.data(), y.data());

  if (y.requires_grad()) {
    ctx.tape.record(op, y.grad_ref(),
                    [&ctx, shape, dx_ref = x.grad_ref()](const GradSlot& dy) mutable {
                      const GradSlot dx = detail::gradient_of(ctx, dx_ref);
                      shape.x_pitch = dx.pitch;
                      shape.y_pitch = dy.pitch;
                      ctx.call("avg_pool2d_bwd", &KernelTable::avg_pool2d_bwd, shape, dy.data,
                               dx.data, dx.write);
                    });
  }
  return y;
}

}  // namespace

Shape pool2d_output_shape(const Shape& x, const Pool2dOptions& options) {
  return output_shape("pooling", x, options);
}

Tensor max_pool2d(Context& ctx, const Tensor& x, const Pool2dOptions& options, Tensor out) {
  Pool2dShape shape = pool_shape("max_pool2d", x, options);
  if (shape.R * shape.S > 255) {
    fail("max_pool2d: a window of ", shape.R, "x", shape.S, " has more than 255 cells; pool twice");
  }
  const Tensor y =
      detail::output(ctx, "max_pool2d", out, {shape.N, shape.P, shape.Q, shape.C}, x.dtype(), {&x});
  shape.y_pitch = y.pitch();
  const Tensor argmax = y.requires_grad() ? ctx.empty(y.shape(), DType::U8) : Tensor();
  ctx.call("max_pool2d_fwd", &KernelTable::max_pool2d_fwd, shape, x.data(), y.data(),
           argmax.as<std::uint8_t>());

  if (y.requires_grad()) {
    ctx.tape.record("max_pool2d", y.grad_ref(),
                    [&ctx, shape, argmax, dx_ref = x.grad_ref()](const GradSlot& dy) mutable {
                      const GradSlot dx = detail::gradient_of(ctx, dx_ref);
                      shape.x_pitch = dx.pitch;
                      shape.y_pitch = dy.pitch;
                      ctx.call("max_pool2d_bwd", &KernelTable::max_pool2d_bwd, shape, dy.data,
                               argmax.as<const std::uint8_t>(), dx.data, dx.write);
                    });
  }
  return y;
}

Tensor avg_pool2d(Context& ctx, const Tensor& x, const Pool2dOptions& options, Tensor out) {
  return average(ctx, "avg_pool2d", x, pool_shape("avg_pool2d", x, options), out);
}

Tensor adaptive_avg_pool2d(Context& ctx, const Tensor& x, std::int64_t P, std::int64_t Q,
                           Tensor out) {
  const char* op = "adaptive_avg_pool2d";
  detail::require_rank(op, "x", x, 4);
  if (P < 1 || Q < 1) fail(op, ": ", P, "x", Q, " windows; use 1x1 or more");
  const std::int64_t H = x.dim(1), W = x.dim(2);
  if (H < 1 || W < 1) fail(op, ": x (", x.shape().str(), ") has no pixels to average");
  Pool2dShape shape;
  shape.N = x.dim(0), shape.H = H, shape.W = W, shape.C = x.dim(3);
  shape.P = P, shape.Q = Q;
  shape.R = (H + P - 1) / P, shape.S = (W + Q - 1) / Q;  // only for who reads the trace
  shape.adaptive = true;
  shape.count_include_pad = false;
  shape.x_pitch = x.pitch();
  shape.dtype = x.dtype();
  return average(ctx, op, x, shape, out);
}

Tensor global_avg_pool(Context& ctx, const Tensor& x, Tensor out) {
  detail::require_rank("global_avg_pool", "x", x, 4);
  const std::int64_t pixels = x.dim(1) * x.dim(2);
  if (pixels == 0) fail("global_avg_pool: x (", x.shape().str(), ") has no pixels to average");
  const Tensor y =
      detail::output(ctx, "global_avg_pool", out, {x.dim(0), x.dim(3)}, x.dtype(), {&x});
  GlobalPoolShape shape{x.dim(0), pixels, x.dim(3), x.pitch(), y.pitch(), x.dtype()};
  ctx.call("global_avg_pool_fwd", &KernelTable::global_avg_pool_fwd, shape, x.data(), y.data());

  if (y.requires_grad()) {
    ctx.tape.record("global_avg_pool", y.grad_ref(),
                    [&ctx, shape, dx_ref = x.grad_ref()](const GradSlot& dy) mutable {
                      const GradSlot dx = detail::gradient_of(ctx, dx_ref);
                      shape.x_pitch = dx.pitch;
                      shape.y_pitch = dy.pitch;
                      ctx.call("global_avg_pool_bwd", &KernelTable::global_avg_pool_bwd, shape,
                               dy.data, dx.data, dx.write);
                    });
  }
  return y;
}

}  // namespace lamella
