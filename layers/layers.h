// The layers of the networks. Each names its parameters as torchvision does: weight, bias,
// running_mean, running_var. Filters are [K,R,S,C] in memory.
#pragma once

#include <cstdint>
#include <functional>
#include <string>
#include <utility>
#include <vector>

#include "layers/module.h"

namespace lamella {

struct Conv2dSpec {
  std::int64_t in = 0, out = 0;
  std::int64_t size_h = 3, size_w = 3;
  Conv2dOptions options;
  bool bias = true;
  float l2 = 0;      // penalty on the filter
  float stddev = 0;  // of its initial values; 0: as the network's others
};

// A square filter, with bias.
Conv2dSpec square(std::int64_t in, std::int64_t out, std::int64_t size, std::int64_t stride = 1,
                  std::int64_t pad = 0);

class Conv2d : public Module {
 public:
  Conv2d(Context& ctx, const Conv2dSpec& spec);
  Tensor forward(Context& ctx, const Tensor& x, Tensor out = {}) const override;
  Shape output_shape(const Shape& x) const override;
  void collect(const std::string& prefix, std::vector<Parameter>& into) const override;
  ModulePtr inference_form(Context& ctx, const Shape& x) const override;

  const Weight& weight() const { return weight_; }
  const Tensor& bias() const { return bias_; }  // undefined where there is none
  const Conv2dOptions& options() const { return spec_.options; }

 private:
  Conv2dSpec spec_;
  Weight weight_;
  Tensor bias_;
};

// Convolution, then ReLU.
class ConvRelu : public Module {
 public:
  ConvRelu(Context& ctx, const Conv2dSpec& spec) : conv_(ctx, spec) {}
  Tensor forward(Context& ctx, const Tensor& x, Tensor out = {}) const override;
  Shape output_shape(const Shape& x) const override { return conv_.output_shape(x); }
  void collect(const std::string& prefix, std::vector<Parameter>& into) const override {
    conv_.collect(prefix, into);
  }
  ModulePtr inference_form(Context& ctx, const Shape& x) const override;

 private:
  Conv2d conv_;
};

class Linear : public Module {
 public:
  Linear(Context& ctx, std::int64_t in, std::int64_t out, float l2 = 0, float stddev = 0);
  Tensor forward(Context& ctx, const Tensor& x, Tensor out = {}) const override;
  Shape output_shape(const Shape& x) const override;
  void collect(const std::string& prefix, std::vector<Parameter>& into) const override;
  ModulePtr inference_form(Context&, const Shape&) const override {
    return std::make_unique<Linear>(*this);
  }

 private:
  float l2_, stddev_;
  Weight weight_;
  Tensor bias_;
};

class BatchNorm2d : public Module {
 public:
  BatchNorm2d(Context& ctx, std::int64_t channels, const BatchNormOptions& options);
  Tensor forward(Context& ctx, const Tensor& x, Tensor out = {}) const override;
  Shape output_shape(const Shape& x) const override { return x; }
  void collect(const std::string& prefix, std::vector<Parameter>& into) const override;
  ModulePtr inference_form(Context&, const Shape&) const override {
    return std::make_unique<BatchNorm2d>(*this);
  }

  const BatchNormTensors& tensors() const { return tensors_; }
  const BatchNormOptions& options() const { return options_; }

 private:
  BatchNormOptions options_;
  BatchNormTensors tensors_;
};

// A layer without parameters, made from an op.
class Operation : public Module {
 public:
  using Function = std::function<Tensor(Context&, const Tensor& x, Tensor out)>;
  using ShapeFunction = std::function<Shape(const Shape& x)>;
  Operation(Function function, ShapeFunction output_shape)
      : function_(std::move(function)), output_shape_(std::move(output_shape)) {}
  Tensor forward(Context& ctx, const Tensor& x, Tensor out = {}) const override {
    return function_(ctx, x, std::move(out));
  }
  Shape output_shape(const Shape& x) const override { return output_shape_(x); }
  void collect(const std::string&, std::vector<Parameter>&) const override {}
  ModulePtr inference_form(Context&, const Shape&) const override {
    return std::make_unique<Operation>(*this);
  }

 private:
  Function function_;
  ShapeFunction output_shape_;
};

ModulePtr max_pool(const Pool2dOptions& options);
ModulePtr avg_pool(const Pool2dOptions& options);
// To size x size pixels, whatever the image.
ModulePtr adaptive_pool(std::int64_t size);
ModulePtr global_pool();
ModulePtr flattened();
ModulePtr rectified();
// `layer` numbers the masks: each dropout of a network has its own.
ModulePtr dropped(float p, std::uint32_t layer);

// Layers in a row. A child's parameters are named "<child>.<parameter>"; an empty child name puts
// them directly below the prefix.
class Sequential : public Module {
 public:
  using Children = std::vector<std::pair<std::string, ModulePtr>>;
  explicit Sequential(Children children) : children_(std::move(children)) {}
  Tensor forward(Context& ctx, const Tensor& x, Tensor out = {}) const override;
  Shape output_shape(const Shape& x) const override;
  void collect(const std::string& prefix, std::vector<Parameter>& into) const override;
  ModulePtr inference_form(Context& ctx, const Shape& x) const override;

 private:
  Children children_;
};

// "prefix.name", or whichever of the two is not empty.
std::string join_names(const std::string& prefix, const std::string& name);

}  // namespace lamella
