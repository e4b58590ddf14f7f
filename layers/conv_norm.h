// Convolution without bias, batch norm, ReLU: the unit that all our networks but SqueezeNet are
// built of.
#pragma once

#include "layers/layers.h"

namespace lamella {

// What weight files call the two: "conv.weight", "bn.running_mean".
struct ConvNormNames {
  std::string conv = "conv", norm = "bn";
};

class ConvNorm : public Module {
 public:
  // spec.bias is taken as false, bn.relu_out as true. The normalised image is made again for the
  // backward pass of what reads it, unless it is written into a given slice.
  ConvNorm(Context& ctx, Conv2dSpec spec, BatchNormOptions bn, ConvNormNames names = {});
  Tensor forward(Context& ctx, const Tensor& x, Tensor out = {}) const override;
  Shape output_shape(const Shape& x) const override { return conv_.output_shape(x); }
  void collect(const std::string& prefix, std::vector<Parameter>& into) const override;
  ModulePtr inference_form(Context& ctx, const Shape& x) const override;

 private:
  Conv2d conv_;
  BatchNorm2d norm_;
  ConvNormNames names_;
};

}  // namespace lamella
