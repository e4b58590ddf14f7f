// What is minimised: weights of classes, mixed batches, and the average of weights.
#include "train/loss.h"

#include <gtest/gtest.h>

#include <cmath>
#include <numeric>

#include "engine/errors.h"
#include "engine/rng.h"
#include "tests/train/memory_source.h"
#include "train/trainer.h"

namespace lamella {
namespace {

Batch stripes(std::int64_t images) {
  StripesSource source(images, images, 3, false);
  source.start(0, 0);
  Batch batch;
  source.next(batch);
  return batch;
}

TEST(ClassWeights, BalanceClasses) {
  EXPECT_EQ(balancing_weights({10, 30, 0}), (std::vector<float>{2, 2.0F / 3, 1}));
  EXPECT_EQ(balancing_weights({10, 30}, 0), (std::vector<float>{1, 1}));
  EXPECT_FLOAT_EQ(balancing_weights({10, 30}, 0.5)[0], std::sqrt(2.0F));
}

// With weight 0 for one class the loss is that of the other's images alone.
TEST(ClassWeights, CountInTheLoss) {
  Context ctx;
  const Tensor logits = ctx.from_host(std::vector<float>{1, 2, 3, -1, 0.5F, 0}, {3, 2});
  const Tensor labels = ctx.from_host(std::vector<std::int32_t>{0, 1, 0}, {3});
  const std::vector<Model::Output> outputs{{logits, 1.0F}};
  const double first = std::log(1 + std::exp(1.0)), third = std::log(1 + std::exp(-0.5));
  const double second = std::log(1 + std::exp(4.0));
  LossOptions options;
  options.class_weights = {1, 0};
  EXPECT_NEAR(ctx.item(data_loss(ctx, outputs, labels, options)), (first + third) / 2, 1e-6);
  options.class_weights = {1, 3};
  EXPECT_NEAR(ctx.item(data_loss(ctx, outputs, labels, options)), (first + 3 * second + third) / 5,
              1e-6);
}

TEST(Mixup, MixesPixelsAndTargetsByTheSameShare) {
  const Batch batch = stripes(5);
  const std::size_t pixels = 32 * 32;
  for (std::uint32_t step = 0; step < 20; ++step) {
    const MixedBatch mixed = mix_batch(batch, 3, 0.4, 7, step);
    const auto others = permutation(5, Rng(7, RngStream::Mixup, step));
    // Two images of different classes tell the share.
    double share = NAN;
    for (std::size_t i = 0; i < 5; ++i) {
      const auto own = static_cast<std::size_t>(batch.labels[i]);
      if (batch.labels[static_cast<std::size_t>(others[i])] != batch.labels[i]) {
        share = double{mixed.targets[i * 3 + own]};
      }
    }
    if (std::isnan(share)) continue;
    for (std::size_t i = 0; i < 5; ++i) {
      const auto j = static_cast<std::size_t>(others[i]);
      EXPECT_NEAR(mixed.targets[i * 3] + mixed.targets[i * 3 + 1], 1, 1e-6);
      EXPECT_EQ(mixed.targets[i * 3 + 2], 0);
      for (std::size_t k = 0; k < pixels; k += 37) {
        EXPECT_NEAR(
            mixed.batch.pixels[i * pixels + k],
            share * batch.pixels[i * pixels + k] + (1 - share) * batch.pixels[j * pixels + k],
            1e-5);
      }
    }
    EXPECT_EQ(mix_batch(batch, 3, 0.4, 7, step).batch.pixels, mixed.batch.pixels);
  }
}

// Beta(a, a) has the mean 1/2 and the variance 1 / (4 (2 a + 1)).
TEST(Mixup, DrawsFromBeta) {
  Batch batch{2, 1, 1, 1, {0, 1}, {0, 1}, {0, 1}};
  for (const double alpha : {0.01, 0.2, 1.0, 4.0, 8.0}) {
    double sum = 0, squares = 0, count = 0;
    for (std::uint32_t step = 0; step < 4000; ++step) {
      const MixedBatch mixed = mix_batch(batch, 2, alpha, 1, step);
      if (mixed.targets[0] == 1 && mixed.batch.pixels[0] == 0 && mixed.batch.pixels[1] == 1 &&
          permutation(2, Rng(1, RngStream::Mixup, step))[0] == 0) {
        continue;  // mixed with itself
      }
      const double share = double{mixed.targets[0]};
      EXPECT_TRUE(share >= 0 && share <= 1);
      sum += share, squares += share * share, ++count;
    }
    const double mean = sum / count, variance = squares / count - mean * mean;
    const double expected = 1 / (4 * (2 * alpha + 1));
    EXPECT_NEAR(mean, 0.5, 5 * std::sqrt(expected / count)) << alpha;
    EXPECT_NEAR(variance, expected, 0.15 * expected) << alpha;
  }
}

TEST(LossOptions, AreChecked) {
  LossOptions options;
  options.class_weights = {1, 2, 3};
  EXPECT_THROW(check(options, 2), Error);
  options.class_weights = {1, -2};
  EXPECT_THROW(check(options, 2), Error);
  options.class_weights = {1, 2};
  EXPECT_NO_THROW(check(options, 2));
  options.mixup = 9;
  EXPECT_THROW(check(options, 2), Error);
  options.mixup = NAN;
  EXPECT_THROW(check(options, 2), Error);
  Batch batch = stripes(2);
  batch.labels[1] = 2;
  EXPECT_THROW(mix_batch(batch, 2, 1, 0, 0), Error);
}

// The average over a run, once more on the host, from the weights after every step.
TEST(WeightAverage, IsThatOfTheStepsAndIsWhatCounts) {
  Context ctx;
  const Model model = make_model(ctx, kStripesNet);
  model.initialise(ctx, 7);
  StripesSource train(14, 4, 11);
  TrainOptions options;
  options.epochs = 2;
  options.average_decay = 0.6;
  const auto weights_of = [&] {
    std::vector<std::vector<float>> weights;
    for (const Parameter& p : model.parameters()) weights.push_back(ctx.to_host(p.tensor));
    return weights;
  };
  std::vector<std::vector<float>> expected = weights_of();
  TrainHooks hooks;
  hooks.step = [&](const StepRecord& record) {
    const auto t = static_cast<double>(record.step);
    const double decay = std::min(0.6, (1 + t) / (10 + t));
    const auto now = weights_of();
    for (std::size_t i = 0; i < now.size(); ++i) {
      for (std::size_t k = 0; k < now[i].size(); ++k) {
        expected[i][k] =
            static_cast<float>(decay * double{expected[i][k]} + (1 - decay) * double{now[i][k]});
      }
    }
  };
  std::string raw;
  hooks.epoch = [&](const EpochRecord& record) { raw = record.weights_hash; };
  TensorFile best;
  hooks.best = [&](const TensorFile& file, const EpochRecord&, const Evaluation&) { best = file; };
  Trainer trainer(ctx, model, train, nullptr, options, {kStripesNet, {"a", "b"}, {}});
  trainer.run(hooks);
  EXPECT_EQ(weights_hash(ctx, model), raw) << "training goes on with the weights themselves";
  const Model averaged = make_model(ctx, kStripesNet);
  load_parameters(ctx, averaged, best, "best");
  for (std::size_t i = 0; i < expected.size(); ++i) {
    const auto found = ctx.to_host(averaged.parameters()[i].tensor);
    for (std::size_t k = 0; k < found.size(); ++k) {
      ASSERT_NEAR(found[k], expected[i][k], 1e-6 * (1 + std::abs(expected[i][k])))
          << model.parameters()[i].name;
    }
  }
}

}  // namespace
}  // namespace lamella
