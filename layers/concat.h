// Branches side by side: all read the same input, and each writes its channels into its slice of
// one buffer, so that joining them costs nothing. Inception and SqueezeNet blocks are made of it.
#pragma once

#include "layers/layers.h"

namespace lamella {

class Concat : public Module {
 public:
  using Branches = Sequential::Children;  // at least one, in the order of their channels
  explicit Concat(Branches branches) : branches_(std::move(branches)) {}
  Tensor forward(Context& ctx, const Tensor& x, Tensor out = {}) const override;
  // Throws Error where branches differ in height or width.
  Shape output_shape(const Shape& x) const override;
  void collect(const std::string& prefix, std::vector<Parameter>& into) const override;
  ModulePtr inference_form(Context& ctx, const Shape& x) const override;

 private:
  std::vector<Shape> parts(const Shape& x) const;  // of the branches

  Branches branches_;
};

}  // namespace lamella
