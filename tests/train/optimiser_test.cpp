// Optimisers on a whole model, and schedules.
#include "train/optimiser.h"

#include <gtest/gtest.h>

#include <cmath>

#include "engine/errors.h"
#include "tests/train/memory_source.h"
#include "train/schedule.h"
#include "train/trainer.h"

namespace lamella {
namespace {

// One parameter's values before and after an update, and its gradient.
struct Update {
  std::vector<float> before, gradient, after;
};

std::vector<Update> updates_of(const OptimiserOptions& options, double lr, int steps) {
  Context ctx;
  Model model = make_model(ctx, kStripesNet);
  model.initialise(ctx, 3);
  const auto optimiser = make_optimiser(ctx, model, options);
  StripesSource source(4, 4, 1);
  source.start(0, 0);
  Batch batch;
  EXPECT_TRUE(source.next(batch));
  for (int i = 1; i < steps; ++i) train_step(ctx, model, *optimiser, batch, lr);
  std::vector<Update> updates;
  for (const Parameter& p : model.parameters()) updates.push_back({ctx.to_host(p.tensor), {}, {}});
  train_step(ctx, model, *optimiser, batch, lr);
  EXPECT_EQ(optimiser->updates(), steps);
  std::vector<Update> trained;
  for (std::size_t i = 0; i < updates.size(); ++i) {
    const Parameter& p = model.parameters()[i];
    if (!p.trained()) continue;
    updates[i].gradient = ctx.to_host(p.tensor.grad());
    updates[i].after = ctx.to_host(p.tensor);
    trained.push_back(std::move(updates[i]));
  }
  return trained;
}

TEST(Optimiser, SgdWithoutMomentumFollowsTheGradient) {
  OptimiserOptions options;
  options.name = "sgd";
  options.momentum = 0;
  for (const Update& u : updates_of(options, 0.125, 1)) {
    for (std::size_t i = 0; i < u.after.size(); ++i) {
      EXPECT_NEAR(u.after[i], u.before[i] - 0.125F * u.gradient[i], 1e-6F);
    }
  }
}

TEST(Optimiser, WeightDecayPullsWeightsOnly) {
  OptimiserOptions options;
  options.name = "sgd";
  options.momentum = 0;
  options.weight_decay = 0.5F;
  Context ctx;
  const Model model = make_model(ctx, kStripesNet);
  std::size_t i = 0;
  const std::vector<Update> updates = updates_of(options, 0.125, 1);
  for (const Parameter& p : model.parameters()) {
    if (!p.trained()) continue;
    const Update& u = updates[i++];
    const float decay = p.kind == ParameterKind::Weight ? 0.5F : 0.0F;
    const float expected = u.before[0] - 0.125F * (u.gradient[0] + decay * u.before[0]);
    EXPECT_NEAR(u.after[0], expected, 1e-6F) << p.name;
  }
}

TEST(Optimiser, AdamsFirstStepHasTheSizeOfTheLearningRate) {
  for (const Update& u : updates_of({}, 1e-2, 1)) {
    for (std::size_t i = 0; i < u.after.size(); ++i) {
      // Bias-corrected, m/sqrt(v) is the gradient's sign; eps matters for gradients near it.
      const double g = u.gradient[i];
      const double expected = u.before[i] - 1e-2 * g / (std::abs(g) + 1e-8);
      EXPECT_NEAR(u.after[i], expected, 2e-6);
    }
  }
}

TEST(Optimiser, AdamWTakesTheDecayOffTheWeights) {
  OptimiserOptions options;
  const std::vector<Update> plain = updates_of(options, 1e-2, 1);
  options.name = "adamw";
  options.weight_decay = 0.5F;
  const std::vector<Update> decayed = updates_of(options, 1e-2, 1);
  Context ctx;
  const Model model = make_model(ctx, kStripesNet);
  std::size_t i = 0;
  for (const Parameter& p : model.parameters()) {
    if (!p.trained()) continue;
    const float off = p.kind == ParameterKind::Weight ? 1e-2F * 0.5F * plain[i].before[0] : 0.0F;
    EXPECT_NEAR(decayed[i].after[0], plain[i].after[0] - off, 1e-7F) << p.name;
    ++i;
  }
}

double norm_of_gradients(const std::vector<Update>& updates) {
  double sum = 0;
  for (const Update& u : updates) {
    for (const float g : u.gradient) sum += double{g} * double{g};
  }
  return std::sqrt(sum);
}

TEST(Optimiser, ClippingScalesAllGradientsByOneFactor) {
  OptimiserOptions options;
  options.name = "sgd";
  options.momentum = 0;
  options.clip_norm = 0.01F;
  const std::vector<Update> clipped = updates_of(options, 0.125, 1);
  const double factor = 0.01 / (norm_of_gradients(clipped) + 1e-6);
  ASSERT_LT(factor, 0.1);
  for (const Update& u : clipped) {
    for (std::size_t i = 0; i < u.after.size(); ++i) {
      EXPECT_NEAR(u.after[i], u.before[i] - 0.125 * factor * double{u.gradient[i]}, 1e-7);
    }
  }
  options.clip_norm = 1e6F;
  const std::vector<Update> whole = updates_of(options, 0.125, 1);
  for (const Update& u : whole) {
    EXPECT_NEAR(u.after[0], u.before[0] - 0.125F * u.gradient[0], 1e-6F);
  }
}

// The update that is left out does not count: the next one is corrected as Adam's first.
TEST(Optimiser, LeavesOutAnUpdateWhoseGradientsAreNotFinite) {
  OptimiserOptions options;
  options.clip_norm = 1e6F;
  Context ctx;
  const Model model = make_model(ctx, kStripesNet);
  model.initialise(ctx, 3);
  const auto optimiser = make_optimiser(ctx, model, options);
  StripesSource source(4, 4, 1);
  source.start(0, 0);
  Batch batch;
  ASSERT_TRUE(source.next(batch));
  train_step(ctx, model, *optimiser, batch, 0);  // for its gradients
  const Parameter& p = model.parameters().front();
  const std::vector<float> before = ctx.to_host(p.tensor), gradient = ctx.to_host(p.tensor.grad());
  const auto fresh = make_optimiser(ctx, model, options);
  for (const float wrong : {NAN, INFINITY}) {
    std::vector<float> broken = gradient;
    broken.back() = wrong;
    ctx.copy_from_host(broken, p.tensor.grad());
    fresh->step(ctx, 1e-2);
    EXPECT_EQ(ctx.to_host(p.tensor), before);
  }
  EXPECT_EQ(fresh->state().back().first, "skipped");
  EXPECT_EQ(ctx.item(fresh->state().back().second), 2.0F);
  ctx.copy_from_host(gradient, p.tensor.grad());
  fresh->step(ctx, 1e-2);
  EXPECT_EQ(fresh->updates(), 3);
  const double g = gradient[0];
  EXPECT_NEAR(ctx.to_host(p.tensor)[0], before[0] - 1e-2 * g / (std::abs(g) + 1e-8), 2e-6);
}

TEST(Optimiser, NamesItsState) {
  Context ctx;
  const Model model = make_model(ctx, kStripesNet);
  const auto adam = make_optimiser(ctx, model, {});
  std::size_t trained = 0;
  for (const Parameter& p : model.parameters()) trained += p.trained() ? 1 : 0;
  ASSERT_EQ(adam->state().size(), 2 * trained);
  EXPECT_EQ(adam->state().front().first, "m/" + model.parameters().front().name);
  EXPECT_EQ(adam->state()[trained].first, "v/" + model.parameters().front().name);
}

TEST(Optimiser, RefusesWhatItCannotBe) {
  Context ctx;
  const Model model = make_model(ctx, kStripesNet);
  OptimiserOptions options;
  options.name = "lion";
  EXPECT_THROW(make_optimiser(ctx, model, options), Error);
  options = {};
  options.beta1 = 1;
  EXPECT_THROW(make_optimiser(ctx, model, options), Error);
  options = {};
  options.momentum = NAN;
  EXPECT_THROW(make_optimiser(ctx, model, options), Error);
  options = {};
  options.clip_norm = -1;
  EXPECT_THROW(make_optimiser(ctx, model, options), Error);
}

TEST(Schedule, HasTheShapeItsNameSays) {
  Schedule schedule{Schedule::Kind::Cosine, 0.5, 100};
  EXPECT_DOUBLE_EQ(schedule.at(0), 0.5);
  EXPECT_DOUBLE_EQ(schedule.at(50), 0.25);
  EXPECT_NEAR(schedule.at(100), 0, 1e-15);
  EXPECT_NEAR(schedule.at(1000), 0, 1e-15);
  schedule.kind = Schedule::Kind::Step;
  EXPECT_DOUBLE_EQ(schedule.at(49), 0.5);
  EXPECT_DOUBLE_EQ(schedule.at(50), 0.05);
  EXPECT_DOUBLE_EQ(schedule.at(75), 0.005);
  schedule.kind = Schedule::Kind::Constant;
  EXPECT_DOUBLE_EQ(schedule.at(99), 0.5);
  EXPECT_THROW(schedule_kind("sawtooth"), Error);
}

TEST(Schedule, WarmUpRisesToTheRate) {
  Schedule schedule{Schedule::Kind::Cosine, 0.5, 110, 10};
  EXPECT_DOUBLE_EQ(schedule.at(0), 0.05);
  EXPECT_DOUBLE_EQ(schedule.at(4), 0.25);
  EXPECT_DOUBLE_EQ(schedule.at(9), 0.5);
  EXPECT_DOUBLE_EQ(schedule.at(10), 0.5);
  EXPECT_DOUBLE_EQ(schedule.at(60), 0.25);
  EXPECT_NEAR(schedule.at(110), 0, 1e-15);
  schedule.warmup_steps = 200;  // longer than the run
  EXPECT_DOUBLE_EQ(schedule.at(109), 0.275);
}

// Loshchilov & Hutter 2017, figure 1: T_0 = 10, T_mult = 2.
TEST(Schedule, RestartsBeginAnew) {
  Schedule schedule{Schedule::Kind::Restarts, 1.0, 1000, 0, 10, 2};
  EXPECT_DOUBLE_EQ(schedule.at(0), 1);
  EXPECT_DOUBLE_EQ(schedule.at(5), 0.5);
  EXPECT_DOUBLE_EQ(schedule.at(10), 1);
  EXPECT_DOUBLE_EQ(schedule.at(20), 0.5);
  EXPECT_DOUBLE_EQ(schedule.at(30), 1);
  EXPECT_DOUBLE_EQ(schedule.at(70), 1);
  schedule.cycle_factor = 1;
  EXPECT_DOUBLE_EQ(schedule.at(990), 1);
}

TEST(Schedule, APlateauLowersTheRate) {
  Plateau plateau;
  plateau.see(1.0, 2);
  plateau.see(0.9, 2);
  for (int i = 0; i < 2; ++i) plateau.see(0.9, 2);
  EXPECT_EQ(plateau.factor, 1);
  plateau.see(0.9, 2);  // the third in a row
  EXPECT_DOUBLE_EQ(plateau.factor, 0.1);
  for (int i = 0; i < 3; ++i) plateau.see(NAN, 2);  // no number is no fall
  EXPECT_DOUBLE_EQ(plateau.factor, 0.01);
  plateau.see(0.5, 2);
  EXPECT_EQ(plateau.waited, 0);
}

}  // namespace
}  // namespace lamella
