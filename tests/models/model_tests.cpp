// Parameter counts, names, input sizes, the layer "features", initial weights.
#include <gtest/gtest.h>

#include <cmath>
#include <set>

#include "engine/errors.h"
#include "models/model.h"

namespace lamella {
namespace {

std::int64_t count_parameters(const ModelSpec& spec) {
  Context ctx;
  return make_model(ctx, spec).parameter_count();
}

template <class Action>
std::string error_of(Action action) {
  try {
    action();
  } catch (const Error& error) {
    return error.what();
  }
  return "";
}

// Counted by hand: facts of the papers, see models/*.cpp.
TEST(Models, parameter_counts) {
  EXPECT_EQ(count_parameters({"tem_small", 256, 256, 1, 14}), 14649867);
  EXPECT_EQ(count_parameters({"cbr_small", 224, 224, 3, 5}), 2114341);
  EXPECT_EQ(count_parameters({"cbr_tiny", 224, 224, 3, 5}), 1079845);
}

// The published counts of CBR leave out the first convolution, batch norm and the bias.
TEST(Models, published_counts_of_cbr) {
  for (const auto& [name, published] :
       {std::pair{"cbr_small", 2108672}, std::pair{"cbr_tiny", 1076480}}) {
    Context ctx;
    std::int64_t counted = 0;
    const Model model = make_model(ctx, {name, 224, 224, 3, 5});
    for (const Parameter& parameter : model.parameters()) {
      const bool weight = parameter.kind == ParameterKind::Weight;
      if (weight && parameter.name != "conv1.weight") counted += parameter.tensor.count();
    }
    EXPECT_EQ(counted, published) << name;
  }
}

TEST(Models, names_are_unique_and_as_in_weight_files) {
  for (const std::string& name : model_names()) {
    Context ctx;
    std::set<std::string> names;
    const Model model = make_model(ctx, {name, 64, 64, 1, 3});
    for (const Parameter& parameter : model.parameters()) {
      EXPECT_TRUE(names.insert(parameter.name).second) << name << " has two " << parameter.name;
    }
    EXPECT_TRUE(names.contains("classifier.weight")) << name;
    const bool tem = name == "tem_small";
    EXPECT_TRUE(names.contains(tem ? "stage1.bn2.running_var" : "bn4.running_var")) << name;
    EXPECT_EQ(names.contains("conv1.bias"), false) << name;
  }
}

TEST(Models, l2_is_on_every_kernel_of_tem_small_but_the_last) {
  Context ctx;
  const Model model = make_model(ctx, {"tem_small", 64, 64, 1, 3});
  for (const Parameter& parameter : model.parameters()) {
    const bool penalised =
        parameter.kind == ParameterKind::Weight && parameter.name != "classifier.weight";
    EXPECT_EQ(parameter.l2, penalised ? 0.1F : 0.0F) << parameter.name;
  }
}

TEST(Models, an_input_too_small_is_refused_in_a_sentence) {
  Context ctx;
  const std::string problem = error_of([&] { make_model(ctx, {"tem_small", 47, 256, 1, 14}); });
  EXPECT_NE(problem.find("47x256"), std::string::npos) << problem;
  EXPECT_NE(problem.find("48x48"), std::string::npos) << problem;
  make_model(ctx, {"tem_small", 48, 48, 1, 14});
}

TEST(Models, the_smallest_input_of_cbr_is_one_pixel) {
  Context ctx;
  const Model model = make_model(ctx, {"cbr_tiny", 1, 1, 1, 2});
  model.initialise(ctx, 0);
  const Tensor y = model.forward(ctx, ctx.from_host(std::vector<float>{0.5F}, {1, 1, 1, 1}));
  for (const float logit : ctx.to_host(y)) EXPECT_TRUE(std::isfinite(logit));
}

TEST(Models, other_mistakes_are_refused_in_a_sentence) {
  Context ctx;
  EXPECT_NE(error_of([&] {
              make_model(ctx, {"resnet", 64, 64, 1, 2});
            }).find("cbr_tiny"),
            std::string::npos);
  EXPECT_NE(error_of([&] { make_model(ctx, {"cbr_tiny", 64, 64, 1, 0}); }), "");
  EXPECT_NE(error_of([&] { make_model(ctx, {"tem_small", 64, 64, 64, 2}); }), "");
  const Model model = make_model(ctx, {"cbr_tiny", 8, 8, 1, 2});
  const Tensor x = ctx.zeros({1, 8, 9, 1});
  EXPECT_NE(error_of([&] { model.forward(ctx, x); }).find("8x8x1"), std::string::npos);
  const Tensor right = ctx.zeros({1, 8, 8, 1});
  EXPECT_NE(error_of([&] { model.forward(ctx, right, "stage9"); }).find("stage4"),
            std::string::npos);
}

// "features" is what the classifier reads: classifier(features) = logits, to the bit.
TEST(Models, features_are_the_input_of_the_classifier) {
  for (const std::string& name : model_names()) {
    Context ctx;
    const Model model = make_model(ctx, {name, 48, 48, 1, 3});
    model.initialise(ctx, 1);
    std::vector<float> pixels(2 * 48 * 48);
    for (std::size_t i = 0; i < pixels.size(); ++i) pixels[i] = std::sin(static_cast<float>(i));
    const Tensor x = ctx.from_host(pixels, {2, 48, 48, 1});
    const Tensor features = model.forward(ctx, x, "features");
    EXPECT_EQ(features.shape(), (Shape{2, 256})) << name;

    Tensor weight, bias;
    for (const Parameter& parameter : model.parameters()) {
      if (parameter.name == "classifier.weight") weight = parameter.tensor;
      if (parameter.name == "classifier.bias") bias = parameter.tensor;
    }
    EXPECT_EQ(ctx.to_host(linear(ctx, features, weight, bias)), ctx.to_host(model.forward(ctx, x)))
        << name;
  }
}

// tem_small: uniform in +-sqrt(6 / (fan_in + fan_out)); cbr: normal, variance 2 / fan_in.
TEST(Models, initial_weights_have_the_bounds_and_variances_of_their_initialisers) {
  const auto variance_of = [](const ModelSpec& spec, const char* wanted, float* largest) {
    Context ctx;
    const Model model = make_model(ctx, spec);
    model.initialise(ctx, 7);
    double squares = 0, count = 0;
    for (const Parameter& parameter : model.parameters()) {
      if (parameter.name != wanted) continue;
      for (const float w : ctx.to_host(parameter.tensor)) {
        squares += double{w} * w;
        count += 1;
        *largest = std::max(*largest, std::abs(w));
      }
    }
    return squares / count;
  };
  float largest = 0;
  const double glorot = variance_of({"tem_small", 48, 48, 1, 3}, "stage3.conv2.weight", &largest);
  const double bound = std::sqrt(6.0 / (128 * 9 + 128 * 9));
  EXPECT_NEAR(glorot, bound * bound / 3, 0.02 * bound * bound / 3);
  EXPECT_LE(largest, bound * 1.000001);
  EXPECT_GT(largest, bound * 0.999);
  const double kaiming = variance_of({"cbr_small", 48, 48, 1, 3}, "conv3.weight", &largest);
  EXPECT_NEAR(kaiming, 2.0 / (64 * 49), 0.02 * 2.0 / (64 * 49));
}

TEST(Models, a_seed_decides_every_weight) {
  const auto weights = [](std::uint64_t seed) {
    Context ctx;
    const Model model = make_model(ctx, {"cbr_tiny", 16, 16, 1, 3});
    model.initialise(ctx, seed);
    return ctx.to_host(model.parameters()[0].tensor);
  };
  EXPECT_EQ(weights(3), weights(3));
  EXPECT_NE(weights(3), weights(4));
}

}  // namespace
}  // namespace lamella
