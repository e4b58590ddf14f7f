// What every op does before and after its kernel call. Private to engine/ops_*.cpp.
#pragma once

#include <initializer_list>

#include "engine/ops.h"
#include "engine/statistics.h"

namespace lamella::detail {

inline void require_defined(const char* op, const char* name, const Tensor& tensor) {
  if (!tensor.defined()) fail(op, ": ", name, " is undefined; pass a tensor");
}

inline void require_rank(const char* op, const char* name, const Tensor& tensor, int rank) {
  require_defined(op, name, tensor);
  if (tensor.shape().rank() != rank) {
    fail(op, ": ", name, " has ", tensor.shape().rank(), " dims (", tensor.shape().str(),
         "), it needs ", rank);
  }
}

inline void require_dtype(const char* op, const char* name, const Tensor& tensor, DType dtype) {
  require_defined(op, name, tensor);
  if (tensor.dtype() != dtype) {
    fail(op, ": ", name, " is ", name_of(tensor.dtype()), ", it must be ", name_of(dtype));
  }
}

// A vector of `channels` f32 values: a bias, a scale, a statistic.
inline void require_vector(const char* op, const char* name, const Tensor& tensor,
                           std::int64_t channels) {
  require_dtype(op, name, tensor, DType::F32);
  if (tensor.shape() != Shape{channels}) {
    fail(op, ": ", name, " is ", tensor.shape().str(), " but there are ", channels, " channels");
  }
}

inline bool any_requires_grad(std::initializer_list<const Tensor*> inputs) {
  for (const Tensor* input : inputs) {
    if (input->requires_grad()) return true;
  }
  return false;
}

// The tensor an op writes: `out` where given, else a new one. It requires a gradient, and the op
// must record itself, iff gradients are on and some input wants one.
inline Tensor output(Context& ctx, const char* op, const Tensor& out, const Shape& shape,
                     DType dtype, std::initializer_list<const Tensor*> inputs) {
  const bool record = ctx.grad_enabled && any_requires_grad(inputs);
  if (!out.defined()) {
    Tensor y = ctx.empty(shape, dtype);
    if (record) y.require_grad();
    return y;
  }
  if (out.shape() != shape || out.dtype() != dtype) {
    fail(op, ": out is ", name_of(out.dtype()), " ", out.shape().str(), " but the result is ",
         name_of(dtype), " ", shape.str());
  }
  if (record && !out.requires_grad()) {
    fail(op, ": out has no gradient; make its buffer with Context::empty_with_grad");
  }
  // Statistics that were made of what lay there before are no longer its statistics.
  if (const auto& [of, first] = out.statistics(); of != nullptr) {
    of->mark(first, out.channels(), false);
  }
  return record ? out : out.detach();
}

// Where the gradient of the tensor behind `ref` is to be written.
inline GradSlot gradient_of(Context& ctx, const GradRef& ref) {
  return ref.buffer->writable(ctx, ref);
}

// Adds dy, a gradient of ref's shape, to the gradient behind ref.
inline void pass_gradient(Context& ctx, const GradSlot& dy, const GradRef& ref, DType dtype) {
  const GradSlot dx = gradient_of(ctx, ref);
  const SliceShape shape{ref.shape.pixels(), ref.shape.channels(), dy.pitch, dx.pitch, dtype};
  ctx.call("copy", &KernelTable::copy, shape, dy.data, dx.data, dx.write);
}

// Of the convolution of x with w; checks both. y_pitch is left to the caller. (ops_conv.cpp)
Conv2dShape conv2d_shape(const Tensor& x, const Tensor& w, const Conv2dOptions& options);

inline SliceShape slice_shape(const Tensor& x, std::int64_t x_pitch, std::int64_t y_pitch) {
  return {x.pixels(), x.channels(), x_pitch, y_pitch, x.dtype()};
}

}  // namespace lamella::detail
