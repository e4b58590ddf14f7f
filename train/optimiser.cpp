#include "train/optimiser.h"

#include <cmath>

#include "engine/errors.h"

namespace lamella {
namespace {

FlatShape flat(const Tensor& tensor) {
  return {tensor.count(), tensor.dtype()};
}

float decay_of(const Parameter& parameter, const OptimiserOptions& options) {
  return parameter.kind == ParameterKind::Weight ? options.weight_decay : 0.0F;
}

// Appends a zeroed state tensor per trained parameter.
void add_state(Context& ctx, const Model& model, const std::string& prefix,
               Optimiser::State& state) {
  for (const Parameter& parameter : model.parameters()) {
    if (!parameter.trained()) continue;
    state.emplace_back(prefix + parameter.name, ctx.zeros(parameter.tensor.shape()));
  }
}

class Sgd : public Optimiser {
 public:
  Sgd(Context& ctx, const Model& model, const OptimiserOptions& options)
      : model_(model), options_(options) {
    add_state(ctx, model, "m/", state_);
  }

  void step(Context& ctx, double learning_rate) override {
    ++updates_;
    std::size_t i = 0;
    for (const Parameter& parameter : model_.parameters()) {
      if (!parameter.trained()) continue;
      const Tensor& m = state_[i++].second;
      const Tensor grad = parameter.tensor.grad();
      if (!grad.defined()) continue;
      const SgdParams params{static_cast<float>(learning_rate), options_.momentum,
                             decay_of(parameter, options_), options_.nesterov};
      ctx.call("sgd_step", &KernelTable::sgd_step, flat(parameter.tensor), params, grad.data(),
               m.as<float>(), parameter.tensor.data());
    }
  }
  const State& state() const override { return state_; }

 private:
  const Model& model_;
  OptimiserOptions options_;
  State state_;
};

class Adam : public Optimiser {
 public:
  Adam(Context& ctx, const Model& model, const OptimiserOptions& options)
      : model_(model), options_(options) {
    add_state(ctx, model, "m/", state_);
    add_state(ctx, model, "v/", state_);
  }

  void step(Context& ctx, double learning_rate) override {
    ++updates_;
    const auto correction = [&](float beta) {
      return static_cast<float>(1.0 - std::pow(double{beta}, static_cast<double>(updates_)));
    };
    AdamParams params{static_cast<float>(learning_rate),
                      options_.beta1,
                      options_.beta2,
                      options_.eps,
                      0.0F,
                      correction(options_.beta1),
                      correction(options_.beta2)};
    const std::size_t half = state_.size() / 2;  // all m, then all v
    std::size_t i = 0;
    for (const Parameter& parameter : model_.parameters()) {
      if (!parameter.trained()) continue;
      const Tensor& m = state_[i].second;
      const Tensor& v = state_[half + i].second;
      ++i;
      const Tensor grad = parameter.tensor.grad();
      if (!grad.defined()) continue;
      params.weight_decay = decay_of(parameter, options_);
      ctx.call("adam_step", &KernelTable::adam_step, flat(parameter.tensor), params, grad.data(),
               m.as<float>(), v.as<float>(), parameter.tensor.data());
    }
  }
  const State& state() const override { return state_; }

 private:
  const Model& model_;
  OptimiserOptions options_;
  State state_;
};

void check(const char* name, float value, float low, float below) {
  if (!(value >= low && value < below)) {
    fail("optimiser: ", name, " = ", value, " is outside [", low, ", ", below, ")");
  }
}

}  // namespace

std::unique_ptr<Optimiser> make_optimiser(Context& ctx, const Model& model,
                                          const OptimiserOptions& options) {
  check("momentum", options.momentum, 0, 1);
  check("beta1", options.beta1, 0, 1);
  check("beta2", options.beta2, 0, 1);
  check("weight_decay", options.weight_decay, 0, 1);
  if (options.name == "adam") return std::make_unique<Adam>(ctx, model, options);
  if (options.name == "sgd") return std::make_unique<Sgd>(ctx, model, options);
  fail("there is no optimiser '", options.name, "'; use adam or sgd");
}

}  // namespace lamella
