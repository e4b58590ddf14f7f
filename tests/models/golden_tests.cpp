// The networks against PyTorch in float64: logits, every gradient, ten losses of an optimiser and
// the running statistics after them, each within twice PyTorch float32's own error, or 1e-6.
#include <gtest/gtest.h>

#include <cmath>
#include <cstdlib>
#include <filesystem>

#include "tests/models/golden_case.h"
#include "tests/models/golden_values.h"
#include "train/optimiser.h"
#include "train/trainer.h"

namespace lamella::golden {
namespace {

class ModelGolden : public testing::TestWithParam<std::string> {
 protected:
  ModelGolden() : golden_(GetParam()), ctx_(options_of(golden_)), net_(ctx_, golden_) {}

  static Context::Options options_of(const Golden& golden) {
    Context::Options options;
    options.threads = 2;
    options.seed = static_cast<std::uint64_t>(golden.number("dropout_seed"));
    options.poison = true;
    return options;
  }

  void expect_close(const std::string& key, const std::vector<float>& values) const {
    EXPECT_EQ(golden_.compare(key, values), "");
  }

  Golden golden_;
  Context ctx_;
  GoldenNet net_;
};

TEST_P(ModelGolden, logits_at_inference) {
  expect_close("logits_inference", ctx_.to_host(net_.model.forward(ctx_, net_.x)));
}

TEST_P(ModelGolden, every_gradient) {
  const GradScope gradients(ctx_, true);
  ctx_.training = true;
  const auto outputs = net_.model.outputs(ctx_, net_.x);
  const Tensor loss = data_loss(ctx_, outputs, net_.labels);
  expect_close("logits_training", ctx_.to_host(outputs.front().logits));
  expect_close("loss", ctx_.to_host(loss));
  ctx_.tape.backward(ctx_, loss);
  for (const Parameter& parameter : net_.model.parameters()) {
    if (!parameter.trained()) continue;
    ASSERT_TRUE(parameter.tensor.grad().defined()) << parameter.name;
    expect_close("grad/" + parameter.name, ctx_.to_host(parameter.tensor.grad()));
  }
}

TEST_P(ModelGolden, ten_losses) {
  OptimiserOptions options;
  options.name = golden_.text("optimizer");
  const auto optimiser = make_optimiser(ctx_, net_.model, options);
  const GradScope gradients(ctx_, true);
  ctx_.training = true;
  std::vector<float> losses, data_losses;
  for (ctx_.step = 0; ctx_.step < 10; ++ctx_.step) {
    net_.model.zero_grad();
    Tensor loss = data_loss(ctx_, net_.model.outputs(ctx_, net_.x), net_.labels);
    data_losses.push_back(ctx_.item(loss));
    const Tensor penalty = net_.model.penalty(ctx_);
    if (penalty.defined()) loss = add(ctx_, loss, penalty);
    losses.push_back(ctx_.item(loss));
    ctx_.tape.backward(ctx_, loss);
    optimiser->step(ctx_, std::stod(golden_.text("learning_rate")));
  }
  expect_close("losses", losses);
  expect_close("data_losses", data_losses);
  for (const Parameter& parameter : net_.model.parameters()) {
    if (!parameter.trained()) {
      expect_close("running/" + parameter.name, ctx_.to_host(parameter.tensor));
    }
  }
}

std::string test_name(const testing::TestParamInfo<std::string>& info) {
  return info.param;
}

// The committed ones, or those of the folder that LAMELLA_GOLDENS names.
std::vector<std::string> cases() {
  if (std::getenv("LAMELLA_GOLDENS") == nullptr) {
    return {"tem_small_48x48",          "tem_small_53x70",      "tem_small_256x256",
            "cbr_tiny_33x47",           "cbr_tiny_64x40",       "cbr_small_33x47",
            "cbr_small_64x40",          "cbr_large_t_41x33",    "cbr_large_w_41x33",
            "cbr_tiny_wide_41x33",      "densenet121_64x64",    "densenet_bc_100_12_32x32",
            "densenet_bc_100_12_19x26", "googlenet_64x64",      "googlenet_aux_80x70",
            "inception_v3_139x139",     "inception_v4_139x139", "squeezenet1_0_64x64",
            "squeezenet1_0_75x58",      "squeezenet1_1_64x64",  "squeezenet1_1_75x58"};
  }
  std::vector<std::string> names;
  for (const auto& entry : std::filesystem::directory_iterator(goldens_folder())) {
    if (entry.path().extension() == ".safetensors") names.push_back(entry.path().stem().string());
  }
  return names;
}

INSTANTIATE_TEST_SUITE_P(nets, ModelGolden, testing::ValuesIn(cases()), test_name);
INSTANTIATE_TEST_SUITE_P(full_size, ModelGolden,
                         testing::Values("tem_small_256x256", "inception_v3_aux_299x299"),
                         test_name);

// The same numbers as philox.py prints.
TEST(GoldenValues, known_answers) {
  EXPECT_EQ(seed_of("a"), 0xAF63DC4C8601EC8CU);
  const std::vector<float> expected{-0.15258750319480896F, -0.1566009223461151F,
                                    -0.5187970399856567F, -0.18077495694160461F};
  EXPECT_EQ(values("lamella", 4, -1.0, 1.0), expected);
  const std::vector<float> numbers{0, 1, 2, 3, 4};
  const std::vector<double> sums = sketch(numbers);
  EXPECT_EQ(std::vector<double>(sums.begin(), sums.begin() + 4),
            (std::vector<double>{2, 2, -2, 0}));
}

// A comparison that cannot fail proves nothing: one element off by 1e-4 of the norm must be seen.
TEST(Golden, a_wrong_value_is_found) {
  const Golden golden("cbr_tiny_33x47");
  const std::vector<double>& expected = golden.at("logits_training");
  std::vector<float> values(expected.begin(), expected.end());
  EXPECT_EQ(golden.compare("logits_training", values), "");
  double norm = 0;
  for (const double value : expected) norm += value * value;
  values[3] += static_cast<float>(1e-4 * std::sqrt(norm));
  EXPECT_NE(golden.compare("logits_training", values), "");
}

}  // namespace
}  // namespace lamella::golden
