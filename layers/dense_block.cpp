#include "layers/dense_block.h"

#include "layers/packed.h"

namespace lamella {
namespace {

constexpr BatchNormOptions kRectifiedAndRemade{.relu_out = true, .remake = true};

// Batch norm and ReLU, then a convolution of what they make: one op, so that a backend may do both
// in one pass.
class NormConv {
 public:
  NormConv(Context& ctx, const Conv2dSpec& spec, std::string norm_name, std::string conv_name)
      : norm_(ctx, spec.in, kRectifiedAndRemade),
        conv_(ctx, spec),
        norm_name_(std::move(norm_name)),
        conv_name_(std::move(conv_name)) {}

  Tensor forward(Context& ctx, const Tensor& x, Tensor out) const {
    return norm_conv2d(ctx, x, norm_.tensors(), norm_.options(), conv_.weight().tensor,
                       conv_.options(), std::move(out));
  }
  void collect(const std::string& prefix, std::vector<Parameter>& into) const {
    norm_.collect(join_names(prefix, norm_name_), into);
    conv_.collect(join_names(prefix, conv_name_), into);
  }
  const BatchNorm2d& norm() const { return norm_; }
  const Conv2d& conv() const { return conv_; }

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

// norm1, conv1 and, behind a bottleneck, norm2, conv2.
class DenseLayer : public Module {
 public:
  DenseLayer(Context& ctx, const DenseBlockSpec& spec, std::int64_t in)
      : first_(ctx,
               spec.bottleneck == 0 ? same_size(in, spec.growth, 3)
                                    : same_size(in, spec.bottleneck * spec.growth, 1),
               "norm1", "conv1") {
    if (spec.bottleneck > 0) {
      second_.emplace(ctx, same_size(spec.bottleneck * spec.growth, spec.growth, 3), "norm2",
                      "conv2");
    }
  }

  Tensor forward(Context& ctx, const Tensor& x, Tensor out) const override {
    if (!second_.has_value()) return first_.forward(ctx, x, std::move(out));
    return second_->forward(ctx, first_.forward(ctx, x, {}), std::move(out));
  }
  Shape output_shape(const Shape& x) const override {
    const Shape middle = first_.conv().output_shape(x);
    return second_.has_value() ? second_->conv().output_shape(middle) : middle;
  }
  void collect(const std::string& prefix, std::vector<Parameter>& into) const override {
    first_.collect(prefix, into);
    if (second_.has_value()) second_->collect(prefix, into);
  }
  // norm2 folds into conv1; norm1, which reads what other layers read too, stays before it.
  ModulePtr inference_form(Context& ctx, const Shape& x) const override {
    const Conv2d& conv1 = first_.conv();
    const PrologueNorm norm1{first_.norm().tensors(), first_.norm().options()};
    if (!second_.has_value()) {
      return std::make_unique<PackedConv>(ctx, FoldedConv{conv1.weight().values(), conv1.bias()},
                                          conv1.options(), false, x, norm1);
    }
    const BatchNorm2d& norm2 = second_->norm();
    const FoldedConv folded =
        fold(ctx, conv1.weight().values(), conv1.bias(), norm2.tensors(), norm2.options().eps);
    Sequential::Children children;
    children.emplace_back(
        "", std::make_unique<PackedConv>(ctx, folded, conv1.options(), true, x, norm1));
    children.emplace_back("", second_->conv().inference_form(ctx, conv1.output_shape(x)));
    return std::make_unique<Sequential>(std::move(children));
  }

 private:
  NormConv first_;
  std::optional<NormConv> second_;
};

}  // namespace

DenseBlock::DenseBlock(Context& ctx, const DenseBlockSpec& spec) : spec_(spec) {
  for (std::int64_t i = 0; i < spec.layers; ++i) {
    layers_.push_back(std::make_unique<DenseLayer>(ctx, spec, spec.in + i * spec.growth));
  }
}

Shape DenseBlock::output_shape(const Shape& x) const {
  return {x[0], x[1], x[2], spec_.out()};
}

Tensor DenseBlock::forward(Context& ctx, const Tensor& x, Tensor out) const {
  Tensor all =
      out.defined() ? std::move(out) : ctx.empty_with_grad(output_shape(x.shape()), x.dtype());
  if (ctx.training) share_statistics(ctx, all);
  bool recorded = copy_into(ctx, x, all.slice(0, spec_.in)).requires_grad();
  std::int64_t width = spec_.in;
  for (const ModulePtr& layer : layers_) {
    // A prefix that nothing trained has touched needs no gradient.
    const Tensor seen = recorded ? all.slice(0, width) : all.slice(0, width).detach();
    const Tensor slice = all.slice(width, width + spec_.growth);
    const Tensor written = ctx.training ? copy_into(ctx, layer->forward(ctx, seen), slice)
                                        : layer->forward(ctx, seen, slice);
    recorded |= written.requires_grad();
    width += spec_.growth;
  }
  return recorded ? all : all.detach();
}

ModulePtr DenseBlock::inference_form(Context& ctx, const Shape& x) const {
  std::vector<ModulePtr> layers;
  Shape seen = x;
  for (std::size_t i = 0; i < layers_.size(); ++i) {
    seen = {x[0], x[1], x[2], spec_.in + static_cast<std::int64_t>(i) * spec_.growth};
    layers.push_back(layers_[i]->inference_form(ctx, seen));
  }
  return ModulePtr(new DenseBlock(spec_, std::move(layers)));
}

void DenseBlock::collect(const std::string& prefix, std::vector<Parameter>& into) const {
  for (std::size_t i = 0; i < layers_.size(); ++i) {
    layers_[i]->collect(join_names(prefix, "denselayer" + std::to_string(i + 1)), into);
  }
}

}  // namespace lamella
