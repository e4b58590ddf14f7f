// The exponential moving average of a model's weights, which is often better, and steadier from
// epoch to epoch, than the weights themselves (Polyak & Juditsky 1992).
#pragma once

#include <utility>
#include <vector>

#include "models/model.h"

namespace lamella {

class WeightAverage {
 public:
  // Of all parameters and running statistics, which it starts from. Takes their memory once more.
  // The model must outlive it. Throws Error where decay is not in [0, 1).
  WeightAverage(Context& ctx, const Model& model, double decay);

  // After the update number `step`, from 1: average <- d * average + (1 - d) * weights with
  // d = min(decay, (1 + step) / (10 + step)), so that the first steps count for little later
  // (TensorFlow's ExponentialMovingAverage).
  void update(Context& ctx, std::int64_t step);
  // Puts the averages where the weights are, and the weights where the averages are.
  void exchange(Context& ctx);

  // What a checkpoint must hold, by name: "average/conv1.weight".
  const std::vector<std::pair<std::string, Tensor>>& state() const { return state_; }

 private:
  const Model& model_;
  double decay_;
  std::vector<std::pair<std::string, Tensor>> state_;  // in the order of the model's parameters
};

// As long as it lives, the model has the averages for weights. `average` may be null.
class AveragedWeights {
 public:
  AveragedWeights(Context& ctx, WeightAverage* average) : ctx_(ctx), average_(average) {
    if (average_ != nullptr) average_->exchange(ctx_);
  }
  ~AveragedWeights() {
    if (average_ != nullptr) average_->exchange(ctx_);
  }
  AveragedWeights(const AveragedWeights&) = delete;
  AveragedWeights& operator=(const AveragedWeights&) = delete;

 private:
  Context& ctx_;
  WeightAverage* average_;
};

}  // namespace lamella
