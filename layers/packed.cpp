#include "layers/packed.h"

#include <cmath>

namespace lamella {

FoldedConv fold(Context& ctx, const Tensor& w, const Tensor& bias, const BatchNormTensors& bn,
                float eps) {
  std::vector<float> filters = ctx.to_host(w);
  const std::vector<float> gamma = ctx.to_host(bn.gamma), beta = ctx.to_host(bn.beta),
                           mean = ctx.to_host(bn.running_mean), var = ctx.to_host(bn.running_var);
  std::vector<float> shift = bias.defined() ? ctx.to_host(bias) : std::vector<float>(beta.size());
  const std::size_t taps = filters.size() / beta.size();
  for (std::size_t k = 0; k < beta.size(); ++k) {
    const double scale = double{gamma[k]} / std::sqrt(double{var[k]} + double{eps});
    for (std::size_t i = 0; i < taps; ++i) {
      float& value = filters[k * taps + i];
      value = static_cast<float>(double{value} * scale);
    }
    shift[k] = static_cast<float>((double{shift[k]} - double{mean[k]}) * scale + double{beta[k]});
  }
  return {ctx.from_host(filters, w.shape()),
          ctx.from_host(shift, {static_cast<std::int64_t>(shift.size())})};
}

PackedConv::PackedConv(Context& ctx, const FoldedConv& conv, const Conv2dOptions& options,
                       bool relu, const Shape& x, std::optional<PrologueNorm> norm)
    : norm_(std::move(norm)),
      filters_(pack_conv2d(ctx, conv.w, conv.bias, options, relu, x, norm_.has_value())) {}

Tensor PackedConv::forward(Context& ctx, const Tensor& x, Tensor out) const {
  if (!norm_.has_value()) return packed_conv2d(ctx, x, filters_, std::move(out));
  return norm_packed_conv2d(ctx, x, norm_->tensors, norm_->options, filters_, std::move(out));
}

Shape PackedConv::output_shape(const Shape& x) const {
  return conv2d_output_shape(x, filters_.w.shape(), filters_.options);
}

ModulePtr PackedConv::inference_form(Context& ctx, const Shape& x) const {
  return std::make_unique<PackedConv>(ctx, FoldedConv{filters_.w, filters_.bias}, filters_.options,
                                      filters_.relu, x, norm_);
}

}  // namespace lamella
