// GoogLeNet (Inception-v1) as torchvision has it: with batch norm, and with the branch that the
// paper gives 5x5 filters in 3x3 ones, which its published weights have.
// Szegedy et al., "Going Deeper with Convolutions", CVPR 2015, table 1.
#include "models/blocks.h"
#include "models/parts.h"

namespace lamella::networks {
namespace {

constexpr GoogLeNetBlock kBlocks[] = {
    {"inception3a", 64, 96, 128, 16, 32, 32},     {"inception3b", 128, 128, 192, 32, 96, 64},
    {"inception4a", 192, 96, 208, 16, 48, 64},    {"inception4b", 160, 112, 224, 24, 64, 64},
    {"inception4c", 128, 128, 256, 24, 64, 64},   {"inception4d", 112, 144, 288, 32, 64, 64},
    {"inception4e", 256, 160, 320, 32, 128, 128}, {"inception5a", 256, 160, 320, 32, 128, 128},
    {"inception5b", 384, 192, 384, 48, 128, 128},
};

// The paper's section 5, with torchvision's adaptive pool, batch norm and dropout in front of the
// last layer only. fc1 is a linear layer over all 4x4 pixels: a filter as large as the map.
Model::Auxiliary auxiliary(Context& ctx, const char* behind, std::int64_t in, std::int64_t classes,
                           std::uint32_t number) {
  constexpr float kDropout = 0.7F, kWeight = 0.3F;
  const std::string prefix = "aux" + std::to_string(number);
  Sequential::Children children;
  children.emplace_back("", adaptive_pool(4));
  children.emplace_back("", chain(ctx, in, {{"conv", 128, 1, 1}}));
  children.emplace_back("fc1", std::make_unique<ConvRelu>(ctx, square(128, 1024, 4)));
  children.emplace_back("", flattened());
  children.emplace_back("", dropped(kDropout, 1 + number));
  children.emplace_back("fc2", std::make_unique<Linear>(ctx, 1024, classes));
  return {behind, prefix, kWeight, std::make_unique<Sequential>(std::move(children))};
}

}  // namespace

ModulePtr googlenet_block(Context& ctx, std::int64_t in, const GoogLeNetBlock& w) {
  return side_by_side(
      chain(ctx, in, {{"branch1", w.one, 1, 1}}),
      chain(ctx, in, {{"branch2.0", w.three_in, 1, 1}, {"branch2.1", w.three, 3, 3}}),
      chain(ctx, in, {{"branch3.0", w.five_in, 1, 1}, {"branch3.1", w.five, 3, 3}}),
      after(max_pool(window(3, 1, 1, true)), chain(ctx, in, {{"branch4.1", w.pool, 1, 1}})));
}

Model googlenet(Context& ctx, const ModelSpec& spec) {
  Model::Stages stages;
  const auto add = [&stages](const std::string& name, const std::string& prefix, ModulePtr module) {
    stages.push_back({name, prefix, std::move(module)});
  };
  add("conv1", "", chain(ctx, spec.channels, {{"conv1", 64, 7, 7, 2}}));
  add("maxpool1", "", max_pool(window(3, 2, 0, true)));
  add("conv3", "", chain(ctx, 64, {{"conv2", 64, 1, 1}, {"conv3", 192, 3, 3}}));
  add("maxpool2", "", max_pool(window(3, 2, 0, true)));
  std::int64_t in = 192;
  for (const GoogLeNetBlock& widths : kBlocks) {
    const std::string name = widths.name;
    if (name == "inception4a") add("maxpool3", "", max_pool(window(3, 2, 0, true)));
    if (name == "inception5a") add("maxpool4", "", max_pool(window(2, 2, 0, true)));
    add(name, name, googlenet_block(ctx, in, widths));
    in = widths.out();
  }
  add("pool", "", after(global_pool(), dropped(0.2F, 1)));
  add("classifier", "fc", std::make_unique<Linear>(ctx, in, spec.classes));
  Model::Auxiliaries more;
  if (spec.auxiliary) {
    more.push_back(auxiliary(ctx, "inception4a", 512, spec.classes, 1));
    more.push_back(auxiliary(ctx, "inception4d", 528, spec.classes, 2));
  }
  return Model(spec, std::move(stages), Init::TruncatedNormal, 0.01F, std::move(more));
}

}  // namespace lamella::networks
