// The dense block of DenseNet: every layer reads all channels made before it and adds its own.
// One buffer of the block's final width holds them; each layer reads a prefix of it and writes the
// slice behind. Its batch statistics are made when it is written, once for all that read it.
// Huang, Liu, van der Maaten, Weinberger, "Densely Connected Convolutional Networks", CVPR 2017.
#pragma once

#include "layers/conv_norm.h"

namespace lamella {

struct DenseBlockSpec {
  std::int64_t in = 0, layers = 0;
  std::int64_t growth = 32;     // channels that each layer adds
  std::int64_t bottleneck = 4;  // the 1x1 convolution makes bottleneck * growth channels; 0: none
  std::int64_t out() const { return in + layers * growth; }
};

// Layers denselayer1, denselayer2, ... of norm1, ReLU, conv1 (1x1), norm2, ReLU, conv2 (3x3); or,
// without bottleneck, of norm1, ReLU, conv1 (3x3).
class DenseBlock : public Module {
 public:
  DenseBlock(Context& ctx, const DenseBlockSpec& spec);
  Tensor forward(Context& ctx, const Tensor& x, Tensor out = {}) const override;
  Shape output_shape(const Shape& x) const override;
  void collect(const std::string& prefix, std::vector<Parameter>& into) const override;
  ModulePtr inference_form(Context& ctx, const Shape& x) const override;

 private:
  DenseBlock(const DenseBlockSpec& spec, std::vector<ModulePtr> layers)
      : spec_(spec), layers_(std::move(layers)) {}

  DenseBlockSpec spec_;
  std::vector<ModulePtr> layers_;
};

}  // namespace lamella
