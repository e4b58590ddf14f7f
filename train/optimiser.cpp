#include "train/optimiser.h"

#include <cmath>

#include "engine/errors.h"

namespace lamella {
namespace {

// What all optimisers share: state tensors per trained parameter, the list of what one step
// updates, and the norm of its gradients.
class ListOptimiser : public Optimiser {
 public:
  ListOptimiser(Context& ctx, const Model& model, const OptimiserOptions& options, bool second)
      : options_(options), model_(model), second_(second) {
    add_state(ctx, "m/");
    trained_ = state_.size();
    if (second) add_state(ctx, "v/");
    if (options.clip_norm > 0) {
      control_ = ctx.empty({4});
      state_.emplace_back("skipped", ctx.zeros({1}));
    }
  }

  void step(Context& ctx, double learning_rate) override {
    ++updates_;
    const std::vector<UpdateTensor> tensors = tensors_to_update();
    const UpdateList list{tensors.data(), static_cast<std::int64_t>(tensors.size()), DType::F32};
    update(ctx, list, static_cast<float>(learning_rate), control_of(ctx, list));
  }
  const State& state() const override { return state_; }

 protected:
  virtual void update(Context& ctx, const UpdateList& list, float learning_rate,
                      const float* control) = 0;
  const OptimiserOptions options_;

 private:
  // Appends a zeroed state tensor per trained parameter.
  void add_state(Context& ctx, const std::string& prefix) {
    for (const Parameter& parameter : model_.parameters()) {
      if (!parameter.trained()) continue;
      state_.emplace_back(prefix + parameter.name, ctx.zeros(parameter.tensor.shape()));
    }
  }

  std::vector<UpdateTensor> tensors_to_update() const {
    std::vector<UpdateTensor> tensors;
    std::size_t i = 0;
    for (const Parameter& parameter : model_.parameters()) {
      if (!parameter.trained()) continue;
      const std::size_t mine = i++;
      const Tensor grad = parameter.tensor.grad();
      if (!grad.defined()) continue;
      UpdateTensor& t = tensors.emplace_back();
      t.count = grad.count();
      t.g = grad.data();
      t.w = parameter.tensor.data();
      t.m = state_[mine].second.as<float>();
      if (second_) t.v = state_[trained_ + mine].second.as<float>();
      t.weight_decay = parameter.kind == ParameterKind::Weight ? options_.weight_decay : 0.0F;
    }
    return tensors;
  }

  const float* control_of(Context& ctx, const UpdateList& list) const {
    if (!control_.defined()) return nullptr;
    GradientParams params;
    params.clip_norm = options_.clip_norm;
    params.beta1 = options_.beta1, params.beta2 = options_.beta2;
    params.step = updates_;
    ctx.call("gradient_control", &KernelTable::gradient_control, list, params,
             state_.back().second.as<float>(), control_.as<float>());
    return control_.as<const float>();
  }

  const Model& model_;
  State state_;  // all m, then all v; with clipping, last, how many steps were left out
  std::size_t trained_ = 0;
  bool second_;     // whether there is v
  Tensor control_;  // undefined without clipping
};

class Sgd : public ListOptimiser {
 public:
  Sgd(Context& ctx, const Model& model, const OptimiserOptions& options)
      : ListOptimiser(ctx, model, options, false) {}

  void update(Context& ctx, const UpdateList& list, float learning_rate,
              const float* control) override {
    const SgdParams params{learning_rate, options_.momentum, options_.nesterov};
    ctx.call("sgd_step", &KernelTable::sgd_step, list, params, control);
  }
};

class Adam : public ListOptimiser {
 public:
  Adam(Context& ctx, const Model& model, const OptimiserOptions& options, bool decoupled)
      : ListOptimiser(ctx, model, options, true), decoupled_(decoupled) {}

  void update(Context& ctx, const UpdateList& list, float learning_rate,
              const float* control) override {
    const auto correction = [&](float beta) {
      return static_cast<float>(1.0 - std::pow(double{beta}, static_cast<double>(updates_)));
    };
    const AdamParams params{learning_rate,
                            options_.beta1,
                            options_.beta2,
                            options_.eps,
                            correction(options_.beta1),
                            correction(options_.beta2),
                            decoupled_};
    ctx.call("adam_step", &KernelTable::adam_step, list, params, control);
  }

 private:
  bool decoupled_;
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
  if (!(options.clip_norm >= 0) || std::isinf(options.clip_norm)) {
    fail("optimiser: clip_norm = ", options.clip_norm, "; use a norm above 0, or 0 to clip none");
  }
  if (options.name == "adam") return std::make_unique<Adam>(ctx, model, options, false);
  if (options.name == "adamw") return std::make_unique<Adam>(ctx, model, options, true);
  if (options.name == "sgd") return std::make_unique<Sgd>(ctx, model, options);
  fail("there is no optimiser '", options.name, "'; use adam, adamw or sgd");
}

}  // namespace lamella
