#include "layers/layers.h"

#include "layers/packed.h"

namespace lamella {

std::string join_names(const std::string& prefix, const std::string& name) {
  return prefix.empty() || name.empty() ? prefix + name : prefix + "." + name;
}

Conv2dSpec square(std::int64_t in, std::int64_t out, std::int64_t size, std::int64_t stride,
                  std::int64_t pad) {
  Conv2dSpec spec;
  spec.in = in;
  spec.out = out;
  spec.size_h = spec.size_w = size;
  spec.options = {stride, stride, pad, pad};
  return spec;
}

Conv2d::Conv2d(Context& ctx, const Conv2dSpec& spec)
    : spec_(spec), weight_(make_weight(ctx, {spec.out, spec.size_h, spec.size_w, spec.in})) {
  if (spec.bias) bias_ = ctx.empty({spec.out}).require_grad();
}

Tensor Conv2d::forward(Context& ctx, const Tensor& x, Tensor out) const {
  return conv2d(ctx, x, weight_.tensor, bias_, spec_.options, std::move(out));
}

Shape Conv2d::output_shape(const Shape& x) const {
  return conv2d_output_shape(x, weight_.tensor.shape(), spec_.options);
}

void Conv2d::collect(const std::string& prefix, std::vector<Parameter>& into) const {
  into.push_back({join_names(prefix, "weight"), weight_.tensor, ParameterKind::Weight, spec_.l2,
                  spec_.stddev, weight_.master});
  if (bias_.defined()) into.push_back({join_names(prefix, "bias"), bias_, ParameterKind::Bias, 0});
}

ModulePtr Conv2d::inference_form(Context& ctx, const Shape& x) const {
  return std::make_unique<PackedConv>(ctx, FoldedConv{weight_.values(), bias_}, spec_.options,
                                      false, x);
}

Tensor ConvRelu::forward(Context& ctx, const Tensor& x, Tensor out) const {
  return relu(ctx, conv_.forward(ctx, x), std::move(out));
}

ModulePtr ConvRelu::inference_form(Context& ctx, const Shape& x) const {
  return std::make_unique<PackedConv>(ctx, FoldedConv{conv_.weight().values(), conv_.bias()},
                                      conv_.options(), true, x);
}

Linear::Linear(Context& ctx, std::int64_t in, std::int64_t out, float l2, float stddev)
    : l2_(l2), stddev_(stddev), weight_(make_weight(ctx, {out, in})), bias_(ctx.empty({out})) {
  bias_.require_grad();
}

Tensor Linear::forward(Context& ctx, const Tensor& x, Tensor out) const {
  return linear(ctx, x, weight_.tensor, bias_, std::move(out));
}

Shape Linear::output_shape(const Shape& x) const {
  return {x[0], weight_.tensor.dim(0)};
}

void Linear::collect(const std::string& prefix, std::vector<Parameter>& into) const {
  into.push_back({join_names(prefix, "weight"), weight_.tensor, ParameterKind::Weight, l2_, stddev_,
                  weight_.master});
  into.push_back({join_names(prefix, "bias"), bias_, ParameterKind::Bias, 0});
}

BatchNorm2d::BatchNorm2d(Context& ctx, std::int64_t channels, const BatchNormOptions& options)
    : options_(options),
      tensors_{ctx.empty({channels}), ctx.empty({channels}), ctx.empty({channels}),
               ctx.empty({channels})} {
  tensors_.gamma.require_grad();
  tensors_.beta.require_grad();
}

Tensor BatchNorm2d::forward(Context& ctx, const Tensor& x, Tensor out) const {
  return batch_norm(ctx, x, tensors_, options_, std::move(out));
}

void BatchNorm2d::collect(const std::string& prefix, std::vector<Parameter>& into) const {
  into.push_back({join_names(prefix, "weight"), tensors_.gamma, ParameterKind::Scale, 0});
  into.push_back({join_names(prefix, "bias"), tensors_.beta, ParameterKind::Shift, 0});
  into.push_back(
      {join_names(prefix, "running_mean"), tensors_.running_mean, ParameterKind::RunningMean, 0});
  into.push_back(
      {join_names(prefix, "running_var"), tensors_.running_var, ParameterKind::RunningVar, 0});
}

Tensor Sequential::forward(Context& ctx, const Tensor& x, Tensor out) const {
  if (children_.empty()) return x;
  Tensor value = x;
  for (std::size_t i = 0; i + 1 < children_.size(); ++i) {
    value = children_[i].second->forward(ctx, value);
  }
  return children_.back().second->forward(ctx, value, std::move(out));
}

Shape Sequential::output_shape(const Shape& x) const {
  Shape shape = x;
  for (const auto& [name, child] : children_) shape = child->output_shape(shape);
  return shape;
}

ModulePtr Sequential::inference_form(Context& ctx, const Shape& x) const {
  Children children;
  Shape shape = x;
  for (const auto& [name, child] : children_) {
    children.emplace_back(name, child->inference_form(ctx, shape));
    shape = child->output_shape(shape);
  }
  return std::make_unique<Sequential>(std::move(children));
}

void Sequential::collect(const std::string& prefix, std::vector<Parameter>& into) const {
  for (const auto& [name, child] : children_) child->collect(join_names(prefix, name), into);
}

namespace {

Shape same(const Shape& x) {
  return x;
}

}  // namespace

ModulePtr max_pool(const Pool2dOptions& options) {
  return std::make_unique<Operation>(
      [options](Context& ctx, const Tensor& x, Tensor out) {
        return max_pool2d(ctx, x, options, std::move(out));
      },
      [options](const Shape& x) { return pool2d_output_shape(x, options); });
}

ModulePtr avg_pool(const Pool2dOptions& options) {
  return std::make_unique<Operation>(
      [options](Context& ctx, const Tensor& x, Tensor out) {
        return avg_pool2d(ctx, x, options, std::move(out));
      },
      [options](const Shape& x) { return pool2d_output_shape(x, options); });
}

ModulePtr adaptive_pool(std::int64_t size) {
  return std::make_unique<Operation>(
      [size](Context& ctx, const Tensor& x, Tensor out) {
        return adaptive_avg_pool2d(ctx, x, size, size, std::move(out));
      },
      [size](const Shape& x) {
        return Shape{x[0], size, size, x.channels()};
      });
}

ModulePtr global_pool() {
  return std::make_unique<Operation>(
      [](Context& ctx, const Tensor& x, Tensor out) {
        return global_avg_pool(ctx, x, std::move(out));
      },
      [](const Shape& x) {
        return Shape{x[0], x.channels()};
      });
}

ModulePtr flattened() {
  return std::make_unique<Operation>(
      [](Context& ctx, const Tensor& x, const Tensor& out) {
        return out.defined() ? copy_into(ctx, flatten(x), out) : flatten(x);
      },
      [](const Shape& x) {
        return Shape{x[0], x[1] * x[2] * x[3]};
      });
}

ModulePtr rectified() {
  return std::make_unique<Operation>(
      [](Context& ctx, const Tensor& x, Tensor out) { return relu(ctx, x, std::move(out)); }, same);
}

ModulePtr dropped(float p, std::uint32_t layer) {
  return std::make_unique<Operation>(
      [p, layer](Context& ctx, const Tensor& x, Tensor out) {
        return dropout(ctx, x, p, layer, std::move(out));
      },
      same);
}

}  // namespace lamella
