#include "layers/conv_norm.h"

#include "layers/packed.h"

namespace lamella {
namespace {

Conv2dSpec without_bias(Conv2dSpec spec) {
  spec.bias = false;
  return spec;
}

BatchNormOptions rectified_and_remade(BatchNormOptions options) {
  options.relu_out = true;
  options.remake = true;
  return options;
}

}  // namespace

ConvNorm::ConvNorm(Context& ctx, Conv2dSpec spec, BatchNormOptions bn, ConvNormNames names)
    : conv_(ctx, without_bias(spec)),
      norm_(ctx, spec.out, rectified_and_remade(bn)),
      names_(std::move(names)) {}

Tensor ConvNorm::forward(Context& ctx, const Tensor& x, Tensor out) const {
  return norm_.forward(ctx, conv_.forward(ctx, x), std::move(out));
}

ModulePtr ConvNorm::inference_form(Context& ctx, const Shape& x) const {
  const FoldedConv folded =
      fold(ctx, conv_.weight().values(), {}, norm_.tensors(), norm_.options().eps);
  return std::make_unique<PackedConv>(ctx, folded, conv_.options(), norm_.options().relu_out, x);
}

void ConvNorm::collect(const std::string& prefix, std::vector<Parameter>& into) const {
  conv_.collect(join_names(prefix, names_.conv), into);
  norm_.collect(join_names(prefix, names_.norm), into);
}

}  // namespace lamella
