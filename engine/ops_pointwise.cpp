// Ops that work element by element, and those that only move elements.
#include <cmath>

#include "engine/ops_common.h"

namespace lamella {
Tensor relu(Context& ctx, const Tensor& x, Tensor out) {
  detail::require_defined("relu", "x", x);
  const Tensor y = detail::output(ctx, "relu", out, x.shape(), x.dtype(), {&x});
  ctx.call("relu_fwd", &KernelTable::relu_fwd, detail::slice_shape(x, x.pitch(), y.pitch()),
           x.data(), y.data());

  if (y.requires_grad()) {
    ctx.tape.record("relu", y.grad_ref(),
                    [&ctx, y_value = y.detach(), dx_ref = x.grad_ref()](const GradSlot& dy) {
                      const GradSlot dx = detail::gradient_of(ctx, dx_ref);
                      ctx.call("relu_bwd", &KernelTable::relu_bwd,
                               detail::slice_shape(y_value, dx.pitch, y_value.pitch()),
                               y_value.data(), dy.data, dy.pitch, dx.data, dx.write);
                    });
  }
  return y;
}

Tensor add(Context& ctx, const Tensor& a, const Tensor& b, Tensor out) {
  detail::require_defined("add", "a", a);
  detail::require_dtype("add", "b", b, a.dtype());
  if (a.shape() != b.shape()) {
    fail("add: a is ", a.shape().str(), " but b is ", b.shape().str(), "; shapes must be equal");
  }
  const Tensor y = detail::output(ctx, "add", out, a.shape(), a.dtype(), {&a, &b});
  const AddShape shape{a.pixels(), a.channels(), a.pitch(), b.pitch(), y.pitch(), a.dtype()};
  ctx.call("add_fwd", &KernelTable::add_fwd, shape, a.data(), b.data(), y.data());

  if (y.requires_grad()) {
    ctx.tape.record("add", y.grad_ref(),
                    [&ctx, dtype = a.dtype(), da_ref = a.grad_ref(),
                     db_ref = b.grad_ref()](const GradSlot& dy) {
                      if (da_ref) detail::pass_gradient(ctx, dy, da_ref, dtype);
                      if (db_ref) detail::pass_gradient(ctx, dy, db_ref, dtype);
                    });
  }
  return y;
}

Tensor mul(Context& ctx, const Tensor& a, const Tensor& b, Tensor out) {
  detail::require_defined("mul", "a", a);
  detail::require_dtype("mul", "b", b, a.dtype());
  if (a.shape() != b.shape()) {
    fail("mul: a is ", a.shape().str(), " but b is ", b.shape().str(), "; shapes must be equal");
  }
  const Tensor y = detail::output(ctx, "mul", out, a.shape(), a.dtype(), {&a, &b});
  const AddShape shape{a.pixels(), a.channels(), a.pitch(), b.pitch(), y.pitch(), a.dtype()};
  ctx.call("mul", &KernelTable::mul, shape, a.data(), b.data(), y.data(), Write::Set);

  if (y.requires_grad()) {
    // The gradient by one factor is dy times the other: each is kept for the other's sake.
    const auto pass = [&ctx](const GradSlot& dy, const Tensor& other, const GradRef& ref) {
      const GradSlot dx = detail::gradient_of(ctx, ref);
      const AddShape map{other.pixels(), other.channels(), dy.pitch,
                         other.pitch(),  dx.pitch,         other.dtype()};
      ctx.call("mul", &KernelTable::mul, map, dy.data, other.data(), dx.data, dx.write);
    };
    ctx.tape.record("mul", y.grad_ref(),
                    [pass, a_value = b.requires_grad() ? a.detach() : Tensor(),
                     b_value = a.requires_grad() ? b.detach() : Tensor(), da_ref = a.grad_ref(),
                     db_ref = b.grad_ref()](const GradSlot& dy) {
                      if (da_ref) pass(dy, b_value, da_ref);
                      if (db_ref) pass(dy, a_value, db_ref);
                    });
  }
  return y;
}

Tensor scale(Context& ctx, const Tensor& x, float alpha, Tensor out) {
  detail::require_defined("scale", "x", x);
  const Tensor y = detail::output(ctx, "scale", out, x.shape(), x.dtype(), {&x});
  ctx.call("scale", &KernelTable::scale, detail::slice_shape(x, x.pitch(), y.pitch()), alpha,
           x.data(), y.data(), Write::Set);

  if (y.requires_grad()) {
    ctx.tape.record("scale", y.grad_ref(),
                    [&ctx, alpha, dtype = x.dtype(), dx_ref = x.grad_ref()](const GradSlot& dy) {
                      const GradSlot dx = detail::gradient_of(ctx, dx_ref);
                      const SliceShape shape{dx_ref.shape.pixels(), dx_ref.shape.channels(),
                                             dy.pitch, dx.pitch, dtype};
                      ctx.call("scale", &KernelTable::scale, shape, alpha, dy.data, dx.data,
                               dx.write);
                    });
  }
  return y;
}

Tensor add_bias(Context& ctx, const Tensor& x, const Tensor& bias, Tensor out) {
  detail::require_defined("add_bias", "x", x);
  detail::require_vector("add_bias", "bias", bias, x.channels());
  const Tensor y = detail::output(ctx, "add_bias", out, x.shape(), x.dtype(), {&x, &bias});
  ctx.call("bias_fwd", &KernelTable::bias_fwd, detail::slice_shape(x, x.pitch(), y.pitch()),
           x.data(), bias.as<float>(), y.data());

  if (y.requires_grad()) {
    ctx.tape.record("add_bias", y.grad_ref(),
                    [&ctx, pixels = x.pixels(), channels = x.channels(), dtype = x.dtype(),
                     dx_ref = x.grad_ref(), db_ref = bias.grad_ref()](const GradSlot& dy) {
                      if (dx_ref) detail::pass_gradient(ctx, dy, dx_ref, dtype);
                      if (!db_ref) return;
                      const GradSlot db = detail::gradient_of(ctx, db_ref);
                      const SliceShape shape{pixels, channels, dy.pitch, dy.pitch, dtype};
                      ctx.call("bias_bwd", &KernelTable::bias_bwd, shape, dy.data,
                               static_cast<float*>(db.data), db.write);
                    });
  }
  return y;
}

Tensor cast(Context& ctx, const Tensor& x, DType dtype, Tensor out) {
  detail::require_defined("cast", "x", x);
  if (!is_floating(x.dtype()) || !is_floating(dtype)) {
    fail("cast: from ", name_of(x.dtype()), " to ", name_of(dtype),
         "; it goes between f32, bf16 and f16");
  }
  if (x.dtype() == dtype) return out.defined() ? copy_into(ctx, x, out) : x;
  const Tensor y = detail::output(ctx, "cast", out, x.shape(), dtype, {&x});
  const CastShape shape{x.pixels(), x.channels(), x.pitch(), y.pitch(), x.dtype(), dtype};
  ctx.call("cast", &KernelTable::cast, shape, x.data(), y.data(), Write::Set);

  if (y.requires_grad()) {
    ctx.tape.record("cast", y.grad_ref(), [&ctx, shape, dx_ref = x.grad_ref()](const GradSlot& dy) {
      const GradSlot dx = detail::gradient_of(ctx, dx_ref);
      const CastShape back{shape.pixels, shape.C, dy.pitch, dx.pitch, shape.y_dtype, shape.x_dtype};
      ctx.call("cast", &KernelTable::cast, back, dy.data, dx.data, dx.write);
    });
  }
  return y;
}

Tensor dropout(Context& ctx, const Tensor& x, float p, std::uint32_t layer, Tensor out) {
  detail::require_defined("dropout", "x", x);
  if (!(p >= 0.0F && p < 1.0F)) fail("dropout: p is ", p, ", it must lie in [0, 1)");
  if (!ctx.training || p == 0.0F) return out.defined() ? copy_into(ctx, x, out) : x;
  const double keep = 1.0 - static_cast<double>(p);
  const double threshold = std::min(std::round(keep * 0x1p32), 0x1p32 - 1);
  const DropoutKey key{ctx.seed, ctx.step, layer, static_cast<std::uint32_t>(threshold),
                       static_cast<float>(1.0 / keep)};
  const Tensor y = detail::output(ctx, "dropout", out, x.shape(), x.dtype(), {&x});
  ctx.call("dropout_fwd", &KernelTable::dropout_fwd, detail::slice_shape(x, x.pitch(), y.pitch()),
           key, x.data(), y.data());

  if (y.requires_grad()) {
    ctx.tape.record("dropout", y.grad_ref(),
                    [&ctx, key, dtype = x.dtype(), dx_ref = x.grad_ref()](const GradSlot& dy) {
                      const GradSlot dx = detail::gradient_of(ctx, dx_ref);
                      const SliceShape shape{dx_ref.shape.pixels(), dx_ref.shape.channels(),
                                             dy.pitch, dx.pitch, dtype};
                      ctx.call("dropout_bwd", &KernelTable::dropout_bwd, shape, key, dy.data,
                               dx.data, dx.write);
                    });
  }
  return y;
}

}  // namespace lamella
