// A training step of cbr_tiny through the hand-written CUDA kernels, run by the emulator: the same
// gradients as the CPU's, and the same bits whatever the order in which threads run.
#include <gtest/gtest.h>

#include "kernels/simt/simt.h"
#include "tests/models/golden_values.h"
#include "train/optimiser.h"

namespace lamella {
namespace {

const ModelSpec kSpec{"cbr_tiny", 12, 10, 1, 3};

struct StepResult {
  std::vector<std::string> names;
  std::vector<std::vector<float>> values;  // loss, logits, gradients, then weights after the step
};

StepResult run_step(const std::string& device) {
  Context::Options options;
  options.device = device;
  options.poison = true;
  Context ctx(options);
  const Model model = make_model(ctx, kSpec);
  for (const Parameter& parameter : model.parameters()) {
    ctx.copy_from_host(golden::parameter_values("simt_step", parameter), parameter.tensor);
  }
  const Shape shape{3, kSpec.height, kSpec.width, kSpec.channels};
  const Tensor x = ctx.from_host(golden::values("simt_step/x", shape.count(), -1, 1), shape);
  const Tensor labels = ctx.from_host(std::vector<std::int32_t>{2, 0, 1}, {3});

  StepResult result;
  const auto keep = [&](const std::string& name, const Tensor& tensor) {
    result.names.push_back(name);
    result.values.push_back(ctx.to_host(tensor));
  };
  OptimiserOptions sgd;  // continuous in the gradient, which Adam is not where it is near zero
  sgd.name = "sgd";
  const auto optimiser = make_optimiser(ctx, model, sgd);
  const GradScope gradients(ctx, true);
  ctx.training = true;
  const Tensor logits = model.forward(ctx, x);
  const Tensor loss = softmax_cross_entropy(ctx, logits, labels);
  keep("loss", loss);
  keep("logits", logits);
  ctx.tape.backward(ctx, loss);
  for (const Parameter& parameter : model.parameters()) {
    if (parameter.trained()) keep("gradient of " + parameter.name, parameter.tensor.grad());
  }
  optimiser->step(ctx, 1e-2);
  for (const Parameter& parameter : model.parameters()) keep(parameter.name, parameter.tensor);
  return result;
}

class SimtStep : public testing::Test {
 protected:
  void SetUp() override {
    const std::string reason = why_unavailable("simt");
    if (!reason.empty()) GTEST_SKIP() << reason;
  }
};

TEST_F(SimtStep, gradients_and_weights_equal_those_of_the_cpu) {
  const StepResult cpu = run_step("cpu"), simt = run_step("simt");
  ASSERT_EQ(simt.names, cpu.names);
  for (std::size_t i = 0; i < cpu.names.size(); ++i) {
    ASSERT_EQ(simt.values[i].size(), cpu.values[i].size()) << cpu.names[i];
    EXPECT_LE(golden::relative_error(simt.values[i], cpu.values[i]), 1e-5) << cpu.names[i];
  }
}

TEST_F(SimtStep, eight_orders_of_threads_give_the_same_bits) {
  const simt::Control* emulator = simt::control_of(find_backend("simt"));
  ASSERT_NE(emulator, nullptr);
  emulator->set_order_seed(1);
  const StepResult first = run_step("simt");
  for (std::uint64_t seed = 2; seed <= 8; ++seed) {
    emulator->set_order_seed(seed);
    const StepResult other = run_step("simt");
    for (std::size_t i = 0; i < first.names.size(); ++i) {
      EXPECT_EQ(other.values[i], first.values[i]) << first.names[i] << ", order seed " << seed;
    }
  }
}

}  // namespace
}  // namespace lamella
