// The CBR family: convolution (same padding, no bias), batch norm, ReLU and 3x3/2 max pooling,
// again and again; global average pool; one linear layer.
// Source: Raghu, Zhang, Kleinberg, Bengio, "Transfusion: Understanding Transfer Learning for
// Medical Imaging", NeurIPS 2019. At 3 channels and 5 classes cbr_small has 2,114,341 parameters.
// The paper's text and table disagree about the widths of CBR-Tiny: cbr_tiny is the table's,
// cbr_tiny_wide the text's.
#include <map>

#include "models/blocks.h"

namespace lamella::networks {
namespace {

struct Plan {
  std::int64_t filter;
  std::vector<std::int64_t> widths;
  bool last_pool = true;
};

const Plan& plan_of(const std::string& name) {
  static const std::map<std::string, Plan> plans{
      {"cbr_large_t", {7, {32, 64, 128, 256, 512}, false}},
      {"cbr_large_w", {7, {64, 128, 256, 512}}},
      {"cbr_small", {7, {32, 64, 128, 256}}},
      {"cbr_tiny", {5, {32, 64, 128, 256}}},
      {"cbr_tiny_wide", {5, {64, 128, 256, 512}}},
  };
  return plans.at(name);
}

}  // namespace

Model cbr(Context& ctx, const ModelSpec& spec) {
  const Plan& plan = plan_of(spec.name);
  Model::Stages stages;
  std::int64_t in = spec.channels;
  for (std::size_t i = 0; i < plan.widths.size(); ++i) {
    const std::string digit = std::to_string(i + 1);
    const std::int64_t out = plan.widths[i];
    ModulePtr stage =
        std::make_unique<ConvNorm>(ctx, square(in, out, plan.filter, 1, plan.filter / 2),
                                   BatchNormOptions(), ConvNormNames{"conv" + digit, "bn" + digit});
    const bool last = i + 1 == plan.widths.size();
    if (!last || plan.last_pool) stage = after(std::move(stage), max_pool(window(3, 2, 1)));
    stages.push_back({"stage" + digit, "", std::move(stage)});
    in = out;
  }
  stages.push_back({"pool", "", global_pool()});
  stages.push_back({"classifier", "classifier", std::make_unique<Linear>(ctx, in, spec.classes)});
  return Model(spec, std::move(stages), Init::KaimingNormal);
}

}  // namespace lamella::networks
