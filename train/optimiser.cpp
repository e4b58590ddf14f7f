#include "train/optimiser.h"

#include <algorithm>
#include <cmath>
#include <tuple>

#include "engine/errors.h"

namespace lamella {
namespace {

// What all optimisers share: state tensors per trained parameter, the lists of what one step
// updates, and the norm of their gradients.
class ListOptimiser : public Optimiser {
 public:
  ListOptimiser(Context& ctx, const Model& model, const OptimiserOptions& options, bool second)
      : options_(options), second_(second) {
    for (const Parameter& parameter : model.parameters()) {
      if (parameter.trained() && !parameter.tensor.frozen()) trained_.push_back(parameter);
    }
    add_state(ctx, "m/");
    if (second) add_state(ctx, "v/");
    const auto count = static_cast<std::int64_t>(trained_.size());
    if (options.late_starts) state_.emplace_back("begun", ctx.zeros({count}));
    if (options.clip_norm > 0 || options.skip_overflow) {
      control_ = ctx.empty({4});
      state_.emplace_back("skipped", ctx.zeros({options.late_starts ? count : 1}));
    }
  }

  void step(Context& ctx, double learning_rate, float grad_scale) override {
    ++updates_;
    note_starts(ctx);
    std::vector<UpdateTensor> tensors;
    const std::vector<Batch> batches = sort_into_batches(tensors);
    const GradientsByType all(tensors, batches);
    const float* control = nullptr;
    for (std::size_t i = 0; i < batches.size(); ++i) {
      const Batch& batch = batches[i];
      // The norm is that of all gradients; what else is in it, the count of updates, is the
      // batch's.
      if (control_.defined() && (i == 0 || batch.updates != batches[i - 1].updates)) {
        control = control_of(ctx, all.lists(), batch, grad_scale);
      }
      const UpdateList list{tensors.data() + batch.begin,
                            static_cast<std::int64_t>(batch.end - batch.begin), batch.dtype};
      update(ctx, list,
             {static_cast<float>(learning_rate * batch.factor), batch.updates, grad_scale},
             control);
    }
  }
  bool overflowed(Context& ctx) const override {
    return control_.defined() && !std::isfinite(ctx.to_host(control_)[0]);
  }
  const State& state() const override { return state_; }

 protected:
  struct Step {
    float learning_rate;
    std::int64_t updates;  // of these tensors, this one included
    float grad_scale;
  };
  virtual void update(Context& ctx, const UpdateList& list, const Step& step,
                      const float* control) = 0;
  const OptimiserOptions options_;

 private:
  // Tensors that take the same step: a range of a list.
  struct Batch {
    std::int64_t updates;
    double factor;       // on the learning rate
    DType dtype;         // of weights and gradients
    std::size_t member;  // of trained_, the first
    std::size_t begin = 0, end = 0;
  };

  // The gradients of all batches as two lists: those of 16 bits, and those of f32.
  class GradientsByType {
   public:
    GradientsByType(const std::vector<UpdateTensor>& tensors, const std::vector<Batch>& batches) {
      for (const Batch& batch : batches) {
        if (batch.dtype != DType::F32) rounded_type_ = batch.dtype;
        std::vector<UpdateTensor>& part = batch.dtype == DType::F32 ? exact_ : rounded_;
        for (std::size_t i = batch.begin; i < batch.end; ++i) part.push_back(tensors[i]);
      }
    }
    std::vector<UpdateList> lists() const {
      std::vector<UpdateList> lists;
      if (!rounded_.empty()) {
        lists.push_back({rounded_.data(), std::ssize(rounded_), rounded_type_});
      }
      if (!exact_.empty()) lists.push_back({exact_.data(), std::ssize(exact_), DType::F32});
      return lists;
    }

   private:
    std::vector<UpdateTensor> rounded_, exact_;
    DType rounded_type_ = DType::F32;
  };

  // Appends a zeroed state tensor per trained parameter.
  void add_state(Context& ctx, const std::string& prefix) {
    for (const Parameter& parameter : trained_) {
      state_.emplace_back(prefix + parameter.name, ctx.zeros(parameter.tensor.shape()));
    }
  }

  const Tensor& state_named(const std::string& name) const {
    for (auto entry = state_.rbegin(); entry != state_.rend(); ++entry) {
      if (entry->first == name) return entry->second;
    }
    fail("optimiser: there is no state ", name);
  }

  // Remembers with which update the first gradient of each parameter came.
  void note_starts(Context& ctx) {
    if (!options_.late_starts) return;
    const Tensor& stored = state_named("begun");
    if (begun_.empty()) begun_ = ctx.to_host(stored);
    bool changed = false;
    for (std::size_t i = 0; i < trained_.size(); ++i) {
      if (begun_[i] != 0 || !trained_[i].tensor.grad().defined()) continue;
      begun_[i] = static_cast<float>(updates_);
      changed = true;
    }
    if (changed) ctx.copy_from_host(begun_, stored);
  }

  double factor_of(const Parameter& parameter) const {
    for (const auto& [beginning, factor] : options_.factors) {
      if (parameter.name.starts_with(beginning)) return double{factor};
    }
    return 1.0;
  }

  Batch batch_of(std::size_t i) const {
    const auto begun = begun_.empty() ? 1 : static_cast<std::int64_t>(begun_[i]);
    return {updates_ - begun + 1, factor_of(trained_[i]), trained_[i].tensor.dtype(), i};
  }

  // Every parameter that has a gradient, the members of a batch one after another.
  std::vector<Batch> sort_into_batches(std::vector<UpdateTensor>& tensors) const {
    std::vector<Batch> each;
    for (std::size_t i = 0; i < trained_.size(); ++i) {
      if (trained_[i].tensor.grad().defined()) each.push_back(batch_of(i));
    }
    std::stable_sort(each.begin(), each.end(), [](const Batch& a, const Batch& b) {
      return std::tuple(-a.updates, a.factor, a.dtype) < std::tuple(-b.updates, b.factor, b.dtype);
    });
    std::vector<Batch> batches;
    for (const Batch& one : each) {
      if (batches.empty() || batches.back().updates != one.updates ||
          batches.back().factor != one.factor || batches.back().dtype != one.dtype) {
        batches.push_back(one);
        batches.back().begin = tensors.size();
      }
      tensors.push_back(update_of(one.member));
      batches.back().end = tensors.size();
    }
    return batches;
  }

  UpdateTensor update_of(std::size_t i) const {
    const Parameter& parameter = trained_[i];
    const Tensor grad = parameter.tensor.grad();
    UpdateTensor t;
    t.count = grad.count();
    t.g = grad.data();
    t.w = parameter.tensor.data();
    if (parameter.master.defined()) t.master = parameter.master.as<float>();
    t.m = state_[i].second.as<float>();
    if (second_) t.v = state_[trained_.size() + i].second.as<float>();
    t.weight_decay = parameter.kind == ParameterKind::Weight ? options_.weight_decay : 0.0F;
    return t;
  }

  const float* control_of(Context& ctx, const std::vector<UpdateList>& lists, const Batch& batch,
                          float grad_scale) const {
    GradientParams params;
    params.grad_scale = grad_scale;
    params.clip_norm = options_.clip_norm;
    params.beta1 = options_.beta1, params.beta2 = options_.beta2;
    params.step = batch.updates;
    const std::size_t slot = options_.late_starts ? batch.member : 0;
    const UpdateLists all{lists.data(), std::ssize(lists)};
    ctx.call("gradient_control", &KernelTable::gradient_control, all, params,
             state_named("skipped").as<float>() + slot, control_.as<float>());
    return control_.as<const float>();
  }

  std::vector<Parameter> trained_;
  State state_;               // all m, then all v, then the others
  std::vector<float> begun_;  // the state of that name; empty: not read yet, or there is none
  bool second_;               // whether there is v
  Tensor control_;            // undefined without clipping
};

class Sgd : public ListOptimiser {
 public:
  Sgd(Context& ctx, const Model& model, const OptimiserOptions& options)
      : ListOptimiser(ctx, model, options, false) {}

  void update(Context& ctx, const UpdateList& list, const Step& step,
              const float* control) override {
    const SgdParams params{step.learning_rate, options_.momentum, options_.nesterov,
                           step.grad_scale};
    ctx.call("sgd_step", &KernelTable::sgd_step, list, params, control);
  }
};

class Adam : public ListOptimiser {
 public:
  Adam(Context& ctx, const Model& model, const OptimiserOptions& options, bool decoupled)
      : ListOptimiser(ctx, model, options, true), decoupled_(decoupled) {}

  void update(Context& ctx, const UpdateList& list, const Step& step,
              const float* control) override {
    const auto correction = [&step](float beta) {
      return static_cast<float>(1.0 - std::pow(double{beta}, static_cast<double>(step.updates)));
    };
    const AdamParams params{step.learning_rate,
                            options_.beta1,
                            options_.beta2,
                            options_.eps,
                            correction(options_.beta1),
                            correction(options_.beta2),
                            decoupled_,
                            step.grad_scale};
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
  for (const auto& [beginning, factor] : options.factors) {
    if (!(factor >= 0) || std::isinf(factor)) {
      fail("optimiser: the factor of '", beginning, "' is ", factor, "; use 0 or more");
    }
    if (!model.has_parameter(beginning)) {
      fail("optimiser: no parameter of ", model.spec().name, " begins with '", beginning,
           "', which a factor is for");
    }
  }
  if (options.name == "adam") return std::make_unique<Adam>(ctx, model, options, false);
  if (options.name == "adamw") return std::make_unique<Adam>(ctx, model, options, true);
  if (options.name == "sgd") return std::make_unique<Sgd>(ctx, model, options);
  fail("there is no optimiser '", options.name, "'; use adam, adamw or sgd");
}

}  // namespace lamella
