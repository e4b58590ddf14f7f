// DenseNet-121, -161, -169, -201 as torchvision has them, and DenseNet-BC-100-12 for images of 32
// pixels. Huang, Liu, van der Maaten, Weinberger, "Densely Connected Convolutional Networks",
// CVPR 2017, table 1 and section 4.
#include <map>

#include "layers/dense_block.h"
#include "models/blocks.h"
#include "models/parts.h"

namespace lamella::networks {
namespace {

struct Plan {
  std::int64_t growth, stem;
  std::vector<std::int64_t> blocks;
  bool small_images = false;  // stem: one 3x3 convolution, nothing halved
};

const Plan& plan_of(const std::string& name) {
  static const std::map<std::string, Plan> plans{
      {"densenet121", {32, 64, {6, 12, 24, 16}}},
      {"densenet161", {48, 96, {6, 12, 36, 24}}},
      {"densenet169", {32, 64, {6, 12, 32, 32}}},
      {"densenet201", {32, 64, {6, 12, 48, 32}}},
      {"densenet_bc_100_12", {12, 24, {16, 16, 16}, true}},
  };
  return plans.at(name);
}

constexpr BatchNormOptions kRectified{.relu_out = true};

ModulePtr stem(Context& ctx, std::int64_t channels, const Plan& plan) {
  Sequential::Children children;
  if (plan.small_images) {
    Conv2dSpec spec = square(channels, plan.stem, 3, 1, 1);
    spec.bias = false;
    children.emplace_back("conv0", std::make_unique<Conv2d>(ctx, spec));
  } else {
    children.emplace_back(
        "", std::make_unique<ConvNorm>(ctx, square(channels, plan.stem, 7, 2, 3),
                                       BatchNormOptions(), ConvNormNames{"conv0", "norm0"}));
    children.emplace_back("", max_pool(window(3, 2, 1)));
  }
  return std::make_unique<Sequential>(std::move(children));
}

}  // namespace

// The average pool stands behind the 1x1 convolution in the paper; the
// two commute, and in front of it the convolution has a quarter of the pixels.
ModulePtr transition(Context& ctx, std::int64_t in, std::int64_t out) {
  Conv2dSpec spec = square(in, out, 1);
  spec.bias = false;
  Sequential::Children children;
  children.emplace_back("norm", std::make_unique<BatchNorm2d>(ctx, in, kRectified));
  children.emplace_back("", avg_pool(window(2, 2)));
  children.emplace_back("conv", std::make_unique<Conv2d>(ctx, spec));
  return std::make_unique<Sequential>(std::move(children));
}

Model densenet(Context& ctx, const ModelSpec& spec) {
  const Plan& plan = plan_of(spec.name);
  Model::Stages stages;
  const auto add = [&stages](const std::string& name, const std::string& prefix, ModulePtr module) {
    stages.push_back({name, prefix, std::move(module)});
  };
  add("stem", "features", stem(ctx, spec.channels, plan));
  DenseBlockSpec block;
  block.growth = plan.growth;
  block.in = plan.stem;
  for (std::size_t i = 0; i < plan.blocks.size(); ++i) {
    const std::string number = std::to_string(i + 1);
    block.layers = plan.blocks[i];
    add("denseblock" + number, "features.denseblock" + number,
        std::make_unique<DenseBlock>(ctx, block));
    block.in = block.out();
    if (i + 1 == plan.blocks.size()) break;
    add("transition" + number, "features.transition" + number,
        transition(ctx, block.in, block.in / 2));
    block.in /= 2;
  }
  add("norm5", "features.norm5", std::make_unique<BatchNorm2d>(ctx, block.in, kRectified));
  add("pool", "", global_pool());
  add("classifier", "classifier", std::make_unique<Linear>(ctx, block.in, spec.classes));
  return Model(spec, std::move(stages), Init::KaimingNormal);
}

}  // namespace lamella::networks
