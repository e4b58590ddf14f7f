// Convolutions as they are at inference: batch norm folded in, filters packed, ReLU behind.
#pragma once

#include <optional>

#include "engine/packed_conv.h"
#include "layers/layers.h"

namespace lamella {

// A convolution with bias, as convolution and batch norm together are at inference.
struct FoldedConv {
  Tensor w, bias;
};
// bn(w x + bias): w * s and (bias - mean) * s + beta, s = gamma / sqrt(var + eps) of each filter,
// in double. Not for a norm with a ReLU before it. `bias` may be undefined.
FoldedConv fold(Context& ctx, const Tensor& w, const Tensor& bias, const BatchNormTensors& bn,
                float eps);

struct PrologueNorm {
  BatchNormTensors tensors;
  BatchNormOptions options;
};

// Runs packed filters; with batch norm of its input first where there is one.
class PackedConv : public Module {
 public:
  // For images of shape x.
  PackedConv(Context& ctx, const FoldedConv& conv, const Conv2dOptions& options, bool relu,
             const Shape& x, std::optional<PrologueNorm> norm = {});
  Tensor forward(Context& ctx, const Tensor& x, Tensor out = {}) const override;
  Shape output_shape(const Shape& x) const override;
  void collect(const std::string&, std::vector<Parameter>&) const override {}
  ModulePtr inference_form(Context& ctx, const Shape& x) const override;

 private:
  std::optional<PrologueNorm> norm_;
  PackedConv2d filters_;
};

}  // namespace lamella
