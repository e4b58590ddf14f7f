#include "train/weight_average.h"

#include <algorithm>

#include "engine/errors.h"

namespace lamella {

WeightAverage::WeightAverage(Context& ctx, const Model& model, double decay)
    : model_(model), decay_(decay) {
  if (!(decay >= 0 && decay < 1)) {
    fail("the decay of the average of weights is ", decay, "; use 0 to below 1");
  }
  for (const Parameter& parameter : model.parameters()) {
    const Tensor copy = ctx.from_host(ctx.to_host(parameter.values()), parameter.tensor.shape());
    state_.emplace_back("average/" + parameter.name, copy);
  }
}

void WeightAverage::update(Context& ctx, std::int64_t step) {
  std::vector<AverageTensor> tensors;
  for (std::size_t i = 0; i < state_.size(); ++i) {
    const Tensor& average = state_[i].second;
    tensors.push_back(
        {average.count(), model_.parameters()[i].values().data(), average.as<float>()});
  }
  const auto t = static_cast<double>(step);
  const double decay = std::min(decay_, (1 + t) / (10 + t));
  const AverageList list{tensors.data(), std::ssize(tensors), DType::F32};
  ctx.call("average_weights", &KernelTable::average_weights, list, static_cast<float>(decay));
}

void WeightAverage::exchange(Context& ctx) {
  for (std::size_t i = 0; i < state_.size(); ++i) {
    const Parameter& weights = model_.parameters()[i];
    const std::vector<float> of_model = ctx.to_host(weights.values());
    weights.assign(ctx, ctx.to_host(state_[i].second));
    ctx.copy_from_host(of_model, state_[i].second);
  }
}

}  // namespace lamella
