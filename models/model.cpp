#include "models/model.h"

#include <algorithm>

#include "engine/rng.h"
#include "layers/layers.h"
#include "models/networks.h"

namespace lamella {
namespace {

// fan_in and fan_out as the initialisers' papers define them, for [K,R,S,C] and [K,C].
struct Fans {
  std::int64_t in, out;
};
Fans fans_of(const Shape& shape) {
  const std::int64_t taps = shape.rank() == 4 ? shape[1] * shape[2] : 1;
  return {shape.channels() * taps, shape[0] * taps};
}

void draw(std::span<float> w, Init init, float stddev, const Fans& fans, const Rng& rng) {
  switch (init) {
    case Init::KaimingNormal:
      return kaiming_normal(w, fans.in, rng);
    case Init::KaimingUniform:
      return kaiming_uniform(w, fans.in, rng);
    case Init::GlorotUniform:
      return glorot_uniform(w, fans.in, fans.out, rng);
    case Init::GlorotNormal:
      return glorot_normal(w, fans.in, fans.out, rng);
    case Init::TruncatedNormal:
      return truncated_normal(w, 0.0, double{stddev}, rng);
  }
}

Tensor pooled(Context& ctx, const Tensor& x) {
  return x.shape().rank() == 4 ? global_avg_pool(ctx, x) : x;
}

}  // namespace

Model::Model(ModelSpec spec, Stages stages, Init init, float stddev, Auxiliaries auxiliary)
    : spec_(std::move(spec)),
      stages_(std::move(stages)),
      auxiliary_(std::move(auxiliary)),
      init_(init),
      stddev_(stddev) {
  shape_behind(stages_.size());
  for (const Auxiliary& aux : auxiliary_) {
    output_shape(*aux.module, aux.prefix, shape_behind(stage_of(aux.behind) + 1));
  }
  collect();
}

Shape Model::output_shape(const Module& module, const std::string& name, const Shape& x) const {
  try {
    return module.output_shape(x);
  } catch (const Error& error) {
    fail(spec_.name, ": images of ", spec_.height, "x", spec_.width, " do not fit; at ", name, ", ",
         error.what());
  }
}

Shape Model::shape_behind(std::size_t stages) const {
  Shape shape{1, spec_.height, spec_.width, spec_.channels};
  for (std::size_t i = 0; i < stages; ++i) {
    shape = output_shape(*stages_[i].module, stages_[i].name, shape);
  }
  return shape;
}

Shape Model::shape_of(const std::string& layer, std::int64_t images) const {
  const Shape one = shape_behind(layer.empty() ? stages_.size() : stage_of(layer) + 1);
  if (one.rank() == 4 && layer != "features") return {images, one[1], one[2], one[3]};
  return {images, one.channels()};
}

void Model::collect() {
  parameters_.clear();
  for (std::size_t i = 0; i < stages_.size(); ++i) {
    const std::size_t first = parameters_.size();
    stages_[i].module->collect(stages_[i].prefix, parameters_);
    for (const Auxiliary& aux : auxiliary_) {
      if (aux.behind == stages_[i].name) aux.module->collect(aux.prefix, parameters_);
    }
    for (std::size_t p = first; p < parameters_.size(); ++p) {
      parameters_[p].stage = static_cast<int>(i);
    }
  }
}

std::size_t Model::stage_of(const std::string& layer) const {
  if (layer == "features" && !cut_) return stages_.size() - 2;
  for (std::size_t i = 0; i < stages_.size(); ++i) {
    if (stages_[i].name == layer) return i;
  }
  std::string names;
  for (const std::string& name : layer_names()) names += " " + name;
  fail(spec_.name, " has no layer ", layer, "; it has", names);
}

void Model::cut_behind(const std::string& layer) {
  const std::size_t last = stage_of(layer);
  std::erase_if(auxiliary_, [&](const Auxiliary& aux) { return stage_of(aux.behind) > last; });
  stages_.resize(last + 1);
  if (layer == "features") {
    stages_.push_back({layer, "",
                       std::make_unique<Operation>(
                           [](Context& ctx, const Tensor& x, Tensor) { return pooled(ctx, x); },
                           [](const Shape& x) {
                             return Shape{x[0], x.channels()};
                           })});
  }
  cut_ = true;
  collect();
}

void Model::set_head(Context& ctx, const std::string& kind) {
  const networks::HeadBuilder build = networks::head_builder(kind);
  if (!cut_) {
    // The classifier goes, and so does all in front of it that reads no image any more.
    stages_.pop_back();
    while (stages_.size() > 1 && shape_behind(stages_.size()).rank() != 4) stages_.pop_back();
  }
  for (Stage& stage : build(ctx, shape_behind(stages_.size()), spec_.classes)) {
    stages_.push_back(std::move(stage));
  }
  cut_ = false;
  collect();
}

Model Model::inference_form(Context& ctx, std::int64_t batch) const {
  if (batch < 1) fail("inference_form for batches of ", batch, "; use 1 or more");
  const GradScope nothing_recorded(ctx, false);
  Stages stages;
  Shape shape{batch, spec_.height, spec_.width, spec_.channels};
  for (const Stage& stage : stages_) {
    stages.push_back({stage.name, stage.prefix, stage.module->inference_form(ctx, shape)});
    shape = stage.module->output_shape(shape);
  }
  Model model(spec_, std::move(stages), init_, stddev_);
  model.cut_ = cut_;
  model.inference_ = true;
  model.forward(ctx, ctx.zeros({batch, spec_.height, spec_.width, spec_.channels}));
  return model;
}

void Model::freeze(const std::function<bool(const Parameter&)>& frozen) const {
  for (const Parameter& parameter : parameters_) {
    if (parameter.trained()) parameter.tensor.freeze(frozen(parameter));
  }
}

void Model::check_images(const Tensor& x) const {
  if (x.shape().rank() != 4 || x.dim(1) != spec_.height || x.dim(2) != spec_.width ||
      x.dim(3) != spec_.channels) {
    fail(spec_.name, " was built for images of ", spec_.height, "x", spec_.width, "x",
         spec_.channels, " (HxWxC) but x is ", x.shape().str(), " (NxHxWxC)");
  }
}

Tensor Model::forward(Context& ctx, const Tensor& x, const std::string& layer) const {
  check_images(x);
  if (!inference_) return run(ctx, x, layer);
  // What is returned outlives the pass: it is copied to memory of its own.
  const Tensor returned = ctx.empty(shape_of(layer, x.dim(0)));
  const PassMemory memory(ctx);
  return copy_into(ctx, run(ctx, x, layer), returned);
}

std::vector<Model::Output> Model::outputs(Context& ctx, const Tensor& x) const {
  check_images(x);
  std::vector<Output> auxiliary;
  std::vector<Output> outputs{{run(ctx, x, "", &auxiliary), 1.0F}};
  outputs.insert(outputs.end(), auxiliary.begin(), auxiliary.end());
  return outputs;
}

Tensor Model::run(Context& ctx, const Tensor& x, const std::string& layer,
                  std::vector<Output>* more) const {
  const std::size_t last = layer.empty() ? stages_.size() - 1 : stage_of(layer);
  Tensor value = cast(ctx, x, ctx.dtype);
  for (std::size_t i = 0; i <= last; ++i) {
    value = stages_[i].module->forward(ctx, value);
    if (more == nullptr) continue;
    for (const Auxiliary& aux : auxiliary_) {
      if (aux.behind != stages_[i].name) continue;
      more->push_back({cast(ctx, aux.module->forward(ctx, value), DType::F32), aux.weight});
    }
  }
  return cast(ctx, layer == "features" ? pooled(ctx, value) : value, DType::F32);
}

Tensor Model::penalty(Context& ctx) const {
  std::vector<Tensor> penalised;
  float l2 = 0;
  for (const Parameter& parameter : parameters_) {
    if (parameter.l2 == 0) continue;
    if (l2 != 0 && parameter.l2 != l2) fail(spec_.name, ": parameters with two strengths of L2");
    l2 = parameter.l2;
    penalised.push_back(parameter.tensor);
  }
  return penalised.empty() ? Tensor() : l2_penalty(ctx, penalised, l2);
}

std::vector<std::string> Model::layer_names() const {
  std::vector<std::string> names;
  for (const Stage& stage : stages_) names.push_back(stage.name);
  if (!cut_) names.emplace_back("features");
  return names;
}

std::int64_t Model::parameter_count() const {
  std::int64_t count = 0;
  for (const Parameter& parameter : parameters_) {
    if (parameter.trained()) count += parameter.tensor.count();
  }
  return count;
}

bool Model::has_parameter(const std::string& beginning) const {
  return std::any_of(parameters_.begin(), parameters_.end(), [&](const Parameter& parameter) {
    return parameter.name.starts_with(beginning);
  });
}

void Model::zero_grad() const {
  for (Parameter parameter : parameters_) parameter.tensor.zero_grad();
}

void Model::initialise(Context& ctx, std::uint64_t seed) const {
  std::uint32_t index = 0;
  for (const Parameter& parameter : parameters_) {
    std::vector<float> values(static_cast<std::size_t>(parameter.tensor.count()), 0.0F);
    const Rng rng(seed, RngStream::Init, index++);
    switch (parameter.kind) {
      case ParameterKind::Weight:
        if (parameter.stddev > 0) {
          truncated_normal(values, 0.0, double{parameter.stddev}, rng);
        } else {
          draw(values, init_, stddev_, fans_of(parameter.tensor.shape()), rng);
        }
        break;
      case ParameterKind::Scale:
      case ParameterKind::RunningVar:
        constant(values, 1.0F);
        break;
      case ParameterKind::Bias:
      case ParameterKind::Shift:
      case ParameterKind::RunningMean:
        break;
    }
    parameter.assign(ctx, values);
  }
}

}  // namespace lamella
