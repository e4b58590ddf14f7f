#include "tests/cuda_host/training.h"

#include "engine/rng.h"
#include "layers/dense_block.h"
#include "models/parts.h"
#include "train/trainer.h"

namespace lamella::cuda_host {
namespace {

Model two_dense_blocks(Context& ctx, const ModelSpec& spec) {
  const std::int64_t stem = 8, growth = 4;
  const DenseBlockSpec first{.in = stem, .layers = 2, .growth = growth};
  const DenseBlockSpec second{.in = first.out() / 2, .layers = 2, .growth = growth};
  Model::Stages stages;
  stages.push_back(
      {"stem", "stem",
       std::make_unique<ConvNorm>(ctx, square(spec.channels, stem, 3, 1, 1), BatchNormOptions())});
  stages.push_back({"block1", "block1", std::make_unique<DenseBlock>(ctx, first)});
  stages.push_back({"between", "between", networks::transition(ctx, first.out(), second.in)});
  stages.push_back({"block2", "block2", std::make_unique<DenseBlock>(ctx, second)});
  stages.push_back({"pool", "", global_pool()});
  stages.push_back({"fc", "fc", std::make_unique<Linear>(ctx, second.out(), spec.classes)});
  return {spec, std::move(stages), Init::KaimingNormal};
}

Batch two_images(const ModelSpec& spec) {
  Batch batch{2, spec.height, spec.width, spec.channels, {}, {0, 1}, {0, 1}};
  Rng rng(1, RngStream::Test, 0);
  for (std::int64_t i = 0; i < batch.N * batch.H * batch.W * batch.C; ++i) {
    batch.pixels.push_back(static_cast<float>(rng.normal()));
  }
  return batch;
}

}  // namespace

std::vector<std::vector<float>> train_once(Context& ctx, const ModelSpec& spec,
                                           const StepOptions& options) {
  const Model model = spec.name == kTwoBlocks ? two_dense_blocks(ctx, spec) : make_model(ctx, spec);
  if (options.draw) model.initialise(ctx, 1);
  const auto optimiser = make_optimiser(ctx, model, options.optimiser);
  const double loss = train_step(ctx, model, *optimiser, two_images(spec), 1e-3);
  std::vector<std::vector<float>> values{{static_cast<float>(loss)}};
  if (!options.results) return values;
  for (const Parameter& parameter : model.parameters()) {
    values.push_back(ctx.to_host(parameter.tensor));
  }
  return values;
}

}  // namespace lamella::cuda_host
