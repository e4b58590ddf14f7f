#include "tools/doctor_step.h"

#include <cmath>

#include "engine/ops.h"
#include "engine/rng.h"
#include "models/model.h"
#include "train/optimiser.h"

namespace lamella::tool {
namespace {

const ModelSpec kSpec{"cbr_tiny", 12, 10, 1, 3};
constexpr std::int64_t kImages = 3;
constexpr double kLearningRate = 1e-4;

std::vector<float> noise(std::int64_t count) {
  Rng rng(1, RngStream::Test, 0);
  std::vector<float> values(static_cast<std::size_t>(count));
  for (float& value : values) value = static_cast<float>(rng.uniform(-1, 1));
  return values;
}

double relative_error(const std::vector<float>& y, const std::vector<float>& expected) {
  double difference = 0, norm = 0;
  for (std::size_t i = 0; i < y.size(); ++i) {
    difference += std::pow(double{y[i]} - double{expected[i]}, 2);
    norm += std::pow(double{expected[i]}, 2);
  }
  return norm > 0 ? std::sqrt(difference / norm) : std::sqrt(difference);
}

StepDifference largest(const NamedValues& values, const NamedValues& expected) {
  StepDifference most;
  for (std::size_t i = 0; i < values.size(); ++i) {
    const double error = relative_error(values[i].second, expected[i].second);
    if (!(error <= most.error)) most = {error, values[i].first};  // also what is no number
    if (std::isnan(error)) break;
  }
  return most;
}

double squares(const NamedValues& gradients) {
  double sum = 0;
  for (const auto& [name, values] : gradients) {
    for (const float value : values) sum += double{value} * double{value};
  }
  return sum;
}

}  // namespace

bool StepDifferences::within(double tolerance) const {
  return loss.error <= tolerance && logits.error <= tolerance && gradients.error <= tolerance &&
         weights.error <= tolerance;
}

StepResult training_step(Context& ctx) {
  const Model model = make_model(ctx, kSpec);
  model.initialise(ctx, 1);
  const Shape shape{kImages, kSpec.height, kSpec.width, kSpec.channels};
  const Tensor x = ctx.from_host(noise(shape.count()), shape);
  const Tensor labels = ctx.from_host(std::vector<std::int32_t>{2, 0, 1}, {kImages});
  OptimiserOptions sgd;  // continuous in the gradient, which Adam is not where it is near zero
  sgd.name = "sgd";
  sgd.momentum = 0;
  const auto optimiser = make_optimiser(ctx, model, sgd);
  const GradScope gradients(ctx, true);
  ctx.training = true;
  StepResult result;
  const Tensor logits = model.forward(ctx, x);
  const Tensor loss = softmax_cross_entropy(ctx, logits, labels);
  result.loss = {{"loss", ctx.to_host(loss)}};
  result.logits = {{"logits", ctx.to_host(logits)}};
  ctx.tape.backward(ctx, loss);
  for (const Parameter& parameter : model.parameters()) {
    if (!parameter.trained()) continue;
    result.gradients.emplace_back(parameter.name, ctx.to_host(parameter.tensor.grad()));
  }
  optimiser->step(ctx, kLearningRate);
  for (const Parameter& parameter : model.parameters()) {
    result.weights.emplace_back(parameter.name, ctx.to_host(parameter.tensor));
  }
  const Tensor after = softmax_cross_entropy(ctx, model.forward(ctx, x), labels);
  const double fall = double{result.loss[0].second[0]} - double{ctx.to_host(after)[0]};
  result.descent = fall / (kLearningRate * squares(result.gradients));
  return result;
}

StepDifferences differences(const StepResult& step, const StepResult& expected) {
  return {largest(step.loss, expected.loss), largest(step.logits, expected.logits),
          largest(step.gradients, expected.gradients), largest(step.weights, expected.weights)};
}

}  // namespace lamella::tool
