// SqueezeNet 1.0 and 1.1 as torchvision has them: fire modules, and a 1x1 convolution for
// classifier. Iandola et al., "SqueezeNet: AlexNet-level accuracy with 50x fewer parameters and
// <0.5MB model size", arXiv 1602.07360, table 1; 1.1 is from its authors' repository.
#include "models/blocks.h"
#include "models/parts.h"

namespace lamella::networks {
namespace {

// A convolution with bias and ReLU; its parameters' names begin with `name`.
ModulePtr conv_relu(Context& ctx, const std::string& name, const Conv2dSpec& spec) {
  Sequential::Children children;
  children.emplace_back(name, std::make_unique<ConvRelu>(ctx, spec));
  return std::make_unique<Sequential>(std::move(children));
}

}  // namespace

ModulePtr fire(Context& ctx, std::int64_t in, std::int64_t squeeze, std::int64_t expand) {
  return after(conv_relu(ctx, "squeeze", square(in, squeeze, 1)),
               side_by_side(conv_relu(ctx, "expand1x1", square(squeeze, expand, 1)),
                            conv_relu(ctx, "expand3x3", square(squeeze, expand, 3, 1, 1))));
}

Model squeezenet(Context& ctx, const ModelSpec& spec) {
  const bool first = spec.name == "squeezenet1_0";
  Model::Stages stages;
  int index = 0;  // of torchvision's features
  const auto add = [&](const std::string& name, ModulePtr module) {
    stages.push_back({name, "features." + std::to_string(index++), std::move(module)});
  };
  const auto halve = [&](int number) {
    add("maxpool" + std::to_string(number), max_pool(window(3, 2, 0, true)));
  };
  const Conv2dSpec stem = first ? square(spec.channels, 96, 7, 2) : square(spec.channels, 64, 3, 2);
  add("conv1", conv_relu(ctx, "", stem));
  ++index;  // the ReLU's
  halve(1);
  std::int64_t in = stem.out;
  int number = 2;
  for (const std::int64_t squeeze : {16, 16, 32, 32, 48, 48, 64, 64}) {
    add("fire" + std::to_string(number), fire(ctx, in, squeeze, 4 * squeeze));
    in = 8 * squeeze;
    if (number == (first ? 4 : 3)) halve(2);
    if (number == (first ? 8 : 5)) halve(3);
    ++number;
  }
  Conv2dSpec last = square(in, spec.classes, 1);
  last.stddev = 0.01F;
  Sequential::Children classifier;
  classifier.emplace_back("", dropped(0.5F, 1));
  classifier.emplace_back("1", std::make_unique<ConvRelu>(ctx, last));
  classifier.emplace_back("", global_pool());
  stages.push_back(
      {"classifier", "classifier", std::make_unique<Sequential>(std::move(classifier))});
  return Model(spec, std::move(stages), Init::KaimingUniform);
}

}  // namespace lamella::networks
