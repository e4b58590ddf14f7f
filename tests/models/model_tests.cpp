// Parameter counts, names, input sizes, the layer "features", initial weights.
#include <gtest/gtest.h>

#include <cmath>
#include <map>
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

// As published, or as torchvision and timm count them, for 1000 ImageNet classes; tem_small and the
// CBR family counted by hand, see models/*.cpp.
TEST(Models, parameter_counts) {
  EXPECT_EQ(count_parameters({"tem_small", 256, 256, 1, 14}), 14649867);
  EXPECT_EQ(count_parameters({"cbr_large_t", 224, 224, 3, 5}), 8539173);
  EXPECT_EQ(count_parameters({"cbr_large_w", 224, 224, 3, 5}), 8443461);
  EXPECT_EQ(count_parameters({"cbr_small", 224, 224, 3, 5}), 2114341);
  EXPECT_EQ(count_parameters({"cbr_tiny", 224, 224, 3, 5}), 1079845);
  EXPECT_EQ(count_parameters({"densenet121", 224, 224, 3, 1000}), 7978856);
  EXPECT_EQ(count_parameters({"densenet161", 224, 224, 3, 1000}), 28681000);
  EXPECT_EQ(count_parameters({"densenet169", 224, 224, 3, 1000}), 14149480);
  EXPECT_EQ(count_parameters({"densenet201", 224, 224, 3, 1000}), 20013928);
  EXPECT_EQ(count_parameters({"densenet201", 256, 256, 3, 14}), 18119822);
  EXPECT_EQ(count_parameters({"densenet_bc_100_12", 32, 32, 3, 10}), 769162);
  EXPECT_EQ(count_parameters({"googlenet", 224, 224, 3, 1000}), 6624904);
  EXPECT_EQ(count_parameters({"inception_v3", 299, 299, 3, 1000}), 23834568);
  EXPECT_EQ(count_parameters({"inception_v3_tf", 299, 299, 3, 1000}), 23834568);
  EXPECT_EQ(count_parameters({"inception_v4", 299, 299, 3, 1000}), 42679816);
  EXPECT_EQ(count_parameters({"squeezenet1_0", 224, 224, 3, 1000}), 1248424);
  EXPECT_EQ(count_parameters({"squeezenet1_1", 224, 224, 3, 1000}), 1235496);
}

ModelSpec with_auxiliary(const std::string& name, std::int64_t size) {
  ModelSpec spec{name, size, size, 3, 1000};
  spec.auxiliary = true;
  return spec;
}

TEST(Models, auxiliary_classifiers_are_counted_and_named_as_in_torchvision) {
  EXPECT_EQ(count_parameters(with_auxiliary("googlenet", 224)), 13004888);
  EXPECT_EQ(count_parameters(with_auxiliary("inception_v3", 299)), 27161264);
  Context ctx;
  const Model googlenet = make_model(ctx, with_auxiliary("googlenet", 64));
  for (const char* name : {"aux1.conv.conv.weight", "aux2.conv.bn.running_var", "aux1.fc1.weight",
                           "aux2.fc1.bias", "aux2.fc2.weight"}) {
    EXPECT_TRUE(googlenet.has_parameter(name)) << name;
  }
  EXPECT_EQ(googlenet.parameters().back().name, "fc.bias");
  const Model inception = make_model(ctx, with_auxiliary("inception_v3_tf", 299));
  for (const char* name :
       {"AuxLogits.conv0.conv.weight", "AuxLogits.conv1.bn.weight", "AuxLogits.fc.bias"}) {
    EXPECT_TRUE(inception.has_parameter(name)) << name;
  }
}

TEST(Models, auxiliary_classifiers_run_in_training_only) {
  Context ctx;
  const Model model = make_model(ctx, with_auxiliary("googlenet", 64));
  model.initialise(ctx, 1);
  const Tensor x = ctx.zeros({2, 64, 64, 3});
  const auto outputs = model.outputs(ctx, x);
  ASSERT_EQ(outputs.size(), 3U);
  EXPECT_EQ(outputs[0].weight, 1.0F);
  for (const std::size_t i : {1U, 2U}) {
    EXPECT_EQ(outputs[i].weight, 0.3F);
    EXPECT_EQ(outputs[i].logits.shape(), (Shape{2, 1000}));
  }
  const std::vector<float> logits = ctx.to_host(outputs[0].logits);
  EXPECT_EQ(ctx.to_host(model.forward(ctx, x)), logits);
  EXPECT_FALSE(model.inference_form(ctx, 2).has_parameter("aux"));
}

TEST(Models, a_cut_leaves_the_auxiliary_classifiers_in_front_of_it) {
  Context ctx;
  ModelSpec spec = with_auxiliary("googlenet", 64);
  spec.cut = "inception4c";
  const Model model = make_model(ctx, spec);
  EXPECT_TRUE(model.has_parameter("aux1."));
  EXPECT_FALSE(model.has_parameter("aux2."));
}

TEST(Models, auxiliary_classifiers_that_cannot_be_are_refused) {
  EXPECT_NE(error_of([] {
              count_parameters(with_auxiliary("densenet121", 224));
            }).find("densenet121 has no auxiliary classifiers"),
            std::string::npos);
  ModelSpec cut = with_auxiliary("inception_v3", 299);
  cut.cut = "Mixed_6c";
  EXPECT_NE(error_of([&] { count_parameters(cut); }).find("cut behind Mixed_6c"),
            std::string::npos);
  const std::string small = error_of([] { count_parameters(with_auxiliary("inception_v3", 298)); });
  EXPECT_NE(small.find("298x298 do not fit; at AuxLogits"), std::string::npos) << small;
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

// An image of ours that is large enough for every network.
constexpr std::int64_t kEnough = 80;

std::set<std::string> parameter_names(const std::string& name) {
  Context ctx;
  std::set<std::string> names;
  const Model model = make_model(ctx, {name, kEnough, kEnough, 1, 3});
  for (const Parameter& parameter : model.parameters()) {
    EXPECT_TRUE(names.insert(parameter.name).second) << name << " has two " << parameter.name;
  }
  return names;
}

TEST(Models, names_are_unique_and_as_in_weight_files) {
  const std::map<std::string, std::vector<std::string>> some{
      {"tem_small", {"stage1.bn2.running_var", "classifier.weight"}},
      {"cbr_large_t", {"conv5.weight", "bn5.running_var", "classifier.bias"}},
      {"cbr_tiny", {"conv4.weight", "bn4.running_var", "classifier.bias"}},
      {"densenet121",
       {"features.conv0.weight", "features.norm0.running_mean",
        "features.denseblock3.denselayer24.norm2.bias", "features.transition3.conv.weight",
        "features.norm5.weight", "classifier.weight"}},
      {"googlenet",
       {"conv3.bn.bias", "inception3a.branch1.conv.weight", "inception4e.branch3.1.bn.running_var",
        "inception5b.branch4.1.conv.weight", "fc.weight"}},
      {"inception_v3",
       {"Conv2d_4a_3x3.conv.weight", "Mixed_5b.branch_pool.bn.weight",
        "Mixed_6e.branch7x7dbl_5.conv.weight", "Mixed_7a.branch7x7x3_4.bn.bias",
        "Mixed_7c.branch3x3dbl_3b.conv.weight", "fc.bias"}},
      {"inception_v4",
       {"features.0.conv.weight", "features.3.conv.bn.weight", "features.4.branch1.3.conv.weight",
        "features.6.branch3.1.bn.bias", "features.21.branch2_3b.conv.weight", "last_linear.bias"}},
      {"squeezenet1_0", {"features.12.expand3x3.bias", "classifier.1.weight"}},
      {"squeezenet1_1", {"features.0.weight", "features.3.squeeze.weight", "classifier.1.bias"}},
  };
  for (const std::string& name : model_names()) {
    const std::set<std::string> names = parameter_names(name);
    EXPECT_FALSE(names.contains("conv1.bias")) << name;
    const auto found = some.find(name);
    if (found == some.end()) continue;
    for (const std::string& wanted : found->second) {
      EXPECT_TRUE(names.contains(wanted)) << name << " has no " << wanted;
    }
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

TEST(Models, every_network_says_what_images_are_too_small_for_it) {
  for (const auto& [name, size] : {std::pair{"densenet121", 28},
                                   {"densenet_bc_100_12", 3},
                                   {"inception_v3", 74},
                                   {"inception_v4", 74},
                                   {"squeezenet1_0", 28}}) {
    Context ctx;
    ModelSpec spec{name, size, 256, 3, 5};
    const std::string problem = error_of([&] { make_model(ctx, spec); });
    EXPECT_NE(problem.find(std::to_string(size) + "x256"), std::string::npos) << name << problem;
    EXPECT_NE(problem.find("use a larger image"), std::string::npos) << name << problem;
    ++spec.height;
    make_model(ctx, spec);
  }
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

// "features" is what the classifier reads: classifier(features) = logits, to the bit. Not so in
// SqueezeNet, which classifies every pixel and takes the mean of that.
TEST(Models, features_are_the_input_of_the_classifier) {
  for (const auto& [name, width] : {std::pair{"tem_small", 256},
                                    {"cbr_large_t", 512},
                                    {"densenet121", 1024},
                                    {"googlenet", 1024},
                                    {"inception_v3", 2048},
                                    {"squeezenet1_1", 512}}) {
    Context ctx;
    const Model model = make_model(ctx, {name, kEnough, kEnough, 1, 3});
    model.initialise(ctx, 1);
    std::vector<float> pixels(2 * kEnough * kEnough);
    for (std::size_t i = 0; i < pixels.size(); ++i) pixels[i] = std::sin(static_cast<float>(i));
    const Tensor x = ctx.from_host(pixels, {2, kEnough, kEnough, 1});
    const Tensor features = model.forward(ctx, x, "features");
    EXPECT_EQ(features.shape(), (Shape{2, width})) << name;
    if (name == std::string("squeezenet1_1")) continue;

    Tensor weight, bias;
    for (const Parameter& parameter : model.parameters()) {
      if (parameter.name == model.classifier_prefix() + ".weight") weight = parameter.tensor;
      if (parameter.name == model.classifier_prefix() + ".bias") bias = parameter.tensor;
    }
    EXPECT_EQ(ctx.to_host(linear(ctx, features, weight, bias)), ctx.to_host(model.forward(ctx, x)))
        << name;
  }
}

// What is behind a layer is gone, parameters too; what is left gives what it gave.
TEST(Models, a_network_can_be_cut_behind_a_layer) {
  for (const char* layer : {"features", "fire3", "classifier"}) {
    Context ctx;
    Model model = make_model(ctx, {"squeezenet1_1", kEnough, kEnough, 1, 3});
    model.initialise(ctx, 1);
    const Tensor x =
        ctx.from_host(std::vector<float>(kEnough * kEnough, 0.5F), {1, kEnough, kEnough, 1});
    const std::vector<float> whole = ctx.to_host(model.forward(ctx, x, layer));
    const std::int64_t before = model.parameter_count();
    model.cut_behind(layer);
    EXPECT_EQ(ctx.to_host(model.forward(ctx, x)), whole) << layer;
    EXPECT_EQ(model.parameter_count() < before, layer != std::string("classifier")) << layer;
  }
  Context ctx;
  Model model = make_model(ctx, {"squeezenet1_1", kEnough, kEnough, 1, 3});
  EXPECT_NE(error_of([&] { model.cut_behind("fire99"); }).find("fire9"), std::string::npos);
  model.cut_behind("conv1");
  const Tensor x = ctx.zeros({1, kEnough, kEnough, 1});
  EXPECT_NE(error_of([&] { model.forward(ctx, x, "features"); }).find("it has conv1"),
            std::string::npos);
}

// The network of the TEM benchmark's best result: DenseNet-201 with two hidden layers of 1024.
TEST(Models, published_count_of_densenet201_with_its_head) {
  Context ctx;
  ModelSpec spec{"densenet201", 256, 256, 3, 14};
  spec.head = "mlp";
  EXPECT_EQ(make_model(ctx, spec).parameter_count(), 144'987'022);
}

// A head reads what is left of the network; in every network, whole or cut.
TEST(Models, heads_follow_what_is_left) {
  for (const auto& [name, cut, width] : {std::tuple{"squeezenet1_1", "", 512},
                                         {"squeezenet1_1", "fire3", 128},
                                         {"tem_small", "", 256},
                                         {"densenet121", "transition1", 128},
                                         {"googlenet", "pool", 1024},
                                         {"cbr_tiny", "stage2", 64}}) {
    Context ctx;
    ModelSpec spec{name, kEnough, kEnough, 1, 3};
    spec.cut = cut;
    spec.head = "linear";
    const Model model = make_model(ctx, spec);
    model.initialise(ctx, 1);
    const Tensor x = ctx.zeros({2, kEnough, kEnough, 1});
    EXPECT_EQ(model.forward(ctx, x).shape(), (Shape{2, 3})) << name << cut;
    EXPECT_EQ(model.forward(ctx, x, "features").shape(), (Shape{2, width})) << name << cut;
    EXPECT_EQ(model.classifier_prefix(), "head.classifier");
    EXPECT_EQ(model.parameters().back().name, "head.classifier.bias");
  }
  Context ctx;
  ModelSpec spec{"cbr_tiny", 16, 16, 1, 3};
  spec.head = "round";
  EXPECT_NE(error_of([&] { make_model(ctx, spec); }).find("own, linear or mlp"), std::string::npos);
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
