#include "layers/module.h"

namespace lamella {

Weight make_weight(Context& ctx, const Shape& shape) {
  Weight weight{ctx.empty(shape, ctx.dtype), {}};
  weight.tensor.require_grad();
  if (ctx.dtype != DType::F32) weight.master = ctx.empty(shape);
  return weight;
}

void Parameter::assign(Context& ctx, std::span<const float> values) const {
  ctx.copy_from_host(values, tensor);
  if (master.defined()) ctx.copy_from_host(values, master);
}

}  // namespace lamella
