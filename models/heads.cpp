// Heads that may take the place of a network's own classifier. "mlp" is that of the TEM virus
// benchmark's transfer networks (Matuszewski & Sintorn 2021, authors' code): DenseNet-201 with it
// has 144,987,022 parameters at 256x256x3 and 14 classes.
#include "engine/errors.h"
#include "layers/layers.h"
#include "models/networks.h"
#include "models/parts.h"

namespace lamella::networks {
namespace {

Model::Stages linear_head(Context& ctx, const Shape& x, std::int64_t classes) {
  Model::Stages stages;
  if (x.rank() == 4) stages.push_back({"pool", "", global_pool()});
  stages.push_back(
      {"classifier", "head.classifier", std::make_unique<Linear>(ctx, x.channels(), classes)});
  return stages;
}

Model::Stages mlp_head(Context& ctx, const Shape& x, std::int64_t classes) {
  constexpr std::int64_t kHidden = 1024;
  constexpr float kDropout = 0.3F;
  // Dropout layers are numbered; those of the networks begin at 1.
  constexpr std::uint32_t kFirstDropout = 101;
  const auto hidden = [&](std::int64_t in, std::uint32_t number) {
    Sequential::Children children;
    children.emplace_back("", std::make_unique<Linear>(ctx, in, kHidden));
    children.emplace_back("", rectified());
    children.emplace_back("", dropped(kDropout, number));
    return std::make_unique<Sequential>(std::move(children));
  };
  Model::Stages stages;
  if (x.rank() == 4) stages.push_back({"flatten", "", flattened()});
  stages.push_back({"hidden1", "head.hidden1", hidden(x.count(), kFirstDropout)});
  stages.push_back({"hidden2", "head.hidden2", hidden(kHidden, kFirstDropout + 1)});
  stages.push_back(
      {"classifier", "head.classifier", std::make_unique<Linear>(ctx, kHidden, classes)});
  return stages;
}

}  // namespace

HeadBuilder head_builder(const std::string& kind) {
  if (kind == "linear") return linear_head;
  if (kind == "mlp") return mlp_head;
  fail("there is no head '", kind, "'; use own, linear or mlp");
}

}  // namespace lamella::networks
