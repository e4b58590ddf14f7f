#include "train/mlp_head.h"

#include <algorithm>

#include "engine/errors.h"
#include "engine/rng.h"
#include "layers/layers.h"
#include "train/trainer.h"

namespace lamella {
namespace {

Model make_mlp(Context& ctx, const LabelledFeatures& features, const HeadOptions& options) {
  Model::Stages stages;
  stages.push_back({"flatten", "", flattened()});
  stages.push_back(
      {"hidden", "hidden", std::make_unique<Linear>(ctx, features.width, options.hidden)});
  stages.push_back({"relu", "", rectified()});
  stages.push_back({"dropout", "", dropped(options.dropout, 1)});
  stages.push_back(
      {"classifier", "fc", std::make_unique<Linear>(ctx, options.hidden, features.classes)});
  return {{"mlp", 1, 1, features.width, features.classes}, std::move(stages), Init::KaimingUniform};
}

// The samples of an epoch, `most` at a time.
class Batches {
 public:
  Batches(const LabelledFeatures& features, std::int64_t most) : features_(features), most_(most) {}
  std::int64_t count() const { return (features_.count() + most_ - 1) / most_; }
  Batch at(const std::vector<std::int64_t>& order, std::int64_t number) const {
    const auto begin = order.begin() + number * most_;
    const auto end = order.begin() + std::min(features_.count(), (number + 1) * most_);
    LabelledFeatures part = features_.rows({begin, end});
    return {part.count(), 1, 1, features_.width, std::move(part.x), std::move(part.labels), {}};
  }

 private:
  const LabelledFeatures& features_;
  std::int64_t most_;
};

class MlpHead : public Head {
 public:
  MlpHead(Model model, const End& end) : model_(std::move(model)) { end_ = end; }
  std::vector<float> scores(Context& ctx, const std::vector<float>& x) const override {
    const GradScope no_gradients(ctx, false);
    ctx.training = false;
    const std::int64_t D = model_.spec().channels;
    const std::int64_t N = static_cast<std::int64_t>(x.size()) / D;
    return ctx.to_host(model_.forward(ctx, ctx.from_host(x, {N, 1, 1, D})));
  }

 private:
  Model model_;
};

std::unique_ptr<Head> train_mlp(Context& ctx, const LabelledFeatures& features,
                                const HeadOptions& options, double l2) {
  if (l2 >= 1) fail("head: l2 = ", l2, " is too strong for an mlp; use less than 1");
  Model model = make_mlp(ctx, features, options);
  model.initialise(ctx, options.seed);
  OptimiserOptions adam;
  adam.weight_decay = static_cast<float>(l2);  // adds l2 w to the gradient: that of l2/2 w^2
  const auto optimiser = make_optimiser(ctx, model, adam);
  const Batches batches(features, options.batch);
  Schedule schedule;
  schedule.learning_rate = options.learning_rate;
  schedule.total_steps = std::max<std::int64_t>(1, options.epochs * batches.count());
  ctx.seed = options.seed;
  ctx.step = 0;
  Head::End end;
  end.converged = true;
  for (std::int64_t epoch = 0; epoch < options.epochs; ++epoch) {
    const Rng rng(options.seed, RngStream::Shuffle, static_cast<std::uint32_t>(epoch));
    const std::vector<std::int64_t> order = permutation(features.count(), rng);
    end.objective = 0;
    for (std::int64_t b = 0; b < batches.count(); ++b) {
      const Batch batch = batches.at(order, b);
      const double loss = train_step(ctx, model, *optimiser, batch, schedule.at(end.steps++));
      end.objective += loss * static_cast<double>(batch.N) / static_cast<double>(features.count());
    }
  }
  return std::make_unique<MlpHead>(std::move(model), end);
}

}  // namespace

std::vector<std::unique_ptr<Head>> train_mlp_heads(Context& ctx, const LabelledFeatures& features,
                                                   const HeadOptions& options,
                                                   const std::vector<double>& l2) {
  std::vector<std::unique_ptr<Head>> heads;
  for (const double strength : l2) heads.push_back(train_mlp(ctx, features, options, strength));
  return heads;
}

}  // namespace lamella
