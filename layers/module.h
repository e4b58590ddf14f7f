// A layer: parameters with names, and a forward that is const and re-entrant. What a call needs to
// know (training or inference, gradients, seed) is in the Context.
#pragma once

#include <memory>
#include <span>
#include <string>
#include <vector>

#include "engine/ops.h"

namespace lamella {

enum class ParameterKind { Weight, Bias, Scale, Shift, RunningMean, RunningVar };

// What a layer computes with. Where that is rounded to 16 bits, `master` has the values in f32,
// which training changes and files hold; else it is undefined.
struct Weight {
  Tensor tensor, master;
  const Tensor& values() const { return master.defined() ? master : tensor; }
};
// Of the type ctx.dtype, with a gradient.
Weight make_weight(Context& ctx, const Shape& shape);

// A parameter (trained) or a buffer (running statistics) and how it starts.
struct Parameter {
  std::string name;  // full name, as in weight files: "stage1.conv1.weight"
  Tensor tensor;
  ParameterKind kind = ParameterKind::Weight;
  float l2 = 0;      // loss += l2 * sum w^2
  float stddev = 0;  // not 0: initial weights are truncated normal with it
  Tensor master = {};
  int stage = -1;  // of the network it belongs to, in order of execution; set by Model
  bool trained() const {
    return kind != ParameterKind::RunningMean && kind != ParameterKind::RunningVar;
  }
  // The values in f32, and how to set them.
  const Tensor& values() const { return master.defined() ? master : tensor; }
  void assign(Context& ctx, std::span<const float> values) const;
};

// How weights start. Biases and shifts start at 0, scales and running variances at 1.
enum class Init { KaimingNormal, KaimingUniform, GlorotUniform, GlorotNormal, TruncatedNormal };

class Module;
using ModulePtr = std::unique_ptr<Module>;

class Module {
 public:
  virtual ~Module() = default;
  // Writes into `out` where that is given (a slice of a concat buffer).
  virtual Tensor forward(Context& ctx, const Tensor& x, Tensor out = {}) const = 0;
  // The shape that forward gives for an input of shape x; throws Error where x does not fit.
  virtual Shape output_shape(const Shape& x) const = 0;
  // Appends this layer's parameters, their names behind `prefix`.
  virtual void collect(const std::string& prefix, std::vector<Parameter>& into) const = 0;
  // The same map for inference only, at its best for images of shape x: batch norm folded into the
  // convolution before it, filters packed. It keeps the values of today: what training changes
  // later it need not see. Of parameters it has only those that it uses as they are.
  virtual ModulePtr inference_form(Context& ctx, const Shape& x) const = 0;
};

}  // namespace lamella
