// One training step of cbr_tiny on a device, and how far it is from the processor's: that a device
// computes what it should, through every kind of kernel that training needs.
#pragma once

#include <string>
#include <utility>
#include <vector>

#include "engine/context.h"

namespace lamella::tool {

// The relative L2 error that a step may have in each of its values (docs/design.md, "Tests").
inline constexpr double kStepTolerance = 1e-5;
// By how much the loss may fall more or less than the gradient says, as a share of it.
inline constexpr double kDescentTolerance = 0.1;

using NamedValues = std::vector<std::pair<std::string, std::vector<float>>>;

struct StepResult {
  NamedValues loss, logits, gradients, weights;  // the weights after the step
  double descent = 0;  // how far the step lowered the loss, over what its gradient says it should
};

struct StepDifference {
  double error = 0;   // relative L2
  std::string where;  // the value that has it
};

struct StepDifferences {
  StepDifference loss, logits, gradients, weights;  // the largest of each
  bool within(double tolerance) const;              // false where one is no number
};

// The same step on every device: weights and images are drawn on the host.
StepResult training_step(Context& ctx);
StepDifferences differences(const StepResult& step, const StepResult& expected);

}  // namespace lamella::tool
