#include "layers/dense_block.h"

namespace lamella {
namespace {

constexpr BatchNormOptions kRectifiedAndRemade{.relu_out = true, .remake = true};

// Batch norm and ReLU, then a convolution of what they make: one op, so that a backend may do both
// in one pass.
class NormConv : public Module {
 public:
  NormConv(Context& ctx, const Conv2dSpec& spec, std::string norm_name, std::string conv_name)
      : norm_(ctx, spec.in, kRectifiedAndRemade),
        conv_(ctx, spec),
        norm_name_(std::move(norm_name)),
        conv_name_(std::move(conv_name)) {}

  Tensor forward(Context& ctx, const Tensor& x, Tensor out) const override {
    return norm_conv2d(ctx, x, norm_.tensors(), norm_.options(), conv_.weight(), conv_.options(),
                       std::move(out));
  }
  Shape output_shape(const Shape& x) const override { return conv_.output_shape(x); }
  void collect(const std::string& prefix, std::vector<Parameter>& into) const override {
    norm_.collect(join_names(prefix, norm_name_), into);
    conv_.collect(join_names(prefix, conv_name_), into);
  }

 private:
  BatchNorm2d norm_;
  Conv2d conv_;
  std::string norm_name_, conv_name_;
};

Conv2dSpec same_size(std::int64_t in, std::int64_t out, std::int64_t size) {
  Conv2dSpec spec = square(in, out, size, 1, size / 2);
  spec.bias = false;
  return spec;
}

ModulePtr dense_layer(Context& ctx, const DenseBlockSpec& spec, std::int64_t in) {
  Sequential::Children children;
  if (spec.bottleneck == 0) {
    children.emplace_back(
        "", std::make_unique<NormConv>(ctx, same_size(in, spec.growth, 3), "norm1", "conv1"));
  } else {
    const std::int64_t narrow = spec.bottleneck * spec.growth;
    children.emplace_back(
        "", std::make_unique<NormConv>(ctx, same_size(in, narrow, 1), "norm1", "conv1"));
    children.emplace_back(
        "", std::make_unique<NormConv>(ctx, same_size(narrow, spec.growth, 3), "norm2", "conv2"));
  }
  return std::make_unique<Sequential>(std::move(children));
}

}  // namespace

DenseBlock::DenseBlock(Context& ctx, const DenseBlockSpec& spec) : spec_(spec) {
  for (std::int64_t i = 0; i < spec.layers; ++i) {
    layers_.push_back(dense_layer(ctx, spec, spec.in + i * spec.growth));
  }
}

Shape DenseBlock::output_shape(const Shape& x) const {
  return {x[0], x[1], x[2], spec_.out()};
}

Tensor DenseBlock::forward(Context& ctx, const Tensor& x, Tensor out) const {
  Tensor all =
      out.defined() ? std::move(out) : ctx.empty_with_grad(output_shape(x.shape()), x.dtype());
  share_statistics(ctx, all);
  bool recorded = copy_into(ctx, x, all.slice(0, spec_.in)).requires_grad();
  std::int64_t width = spec_.in;
  for (const ModulePtr& layer : layers_) {
    // A prefix that nothing trained has touched needs no gradient.
    const Tensor seen = recorded ? all.slice(0, width) : all.slice(0, width).detach();
    const Tensor made = layer->forward(ctx, seen);
    recorded |= copy_into(ctx, made, all.slice(width, width + spec_.growth)).requires_grad();
    width += spec_.growth;
  }
  return recorded ? all : all.detach();
}

void DenseBlock::collect(const std::string& prefix, std::vector<Parameter>& into) const {
  for (std::size_t i = 0; i < layers_.size(); ++i) {
    layers_[i]->collect(join_names(prefix, "denselayer" + std::to_string(i + 1)), into);
  }
}

}  // namespace lamella
