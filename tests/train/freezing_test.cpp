// Frozen parameters stay as they are and cost nothing; layers thaw on time; factors scale steps.
#include "train/freezing.h"

#include <gtest/gtest.h>

#include <map>

#include "tests/support/error_of.h"
#include "tests/train/memory_source.h"
#include "train/trainer.h"
#include "weights/model_io.h"

namespace lamella {
namespace {

using Values = std::map<std::string, std::vector<float>>;

// A network, its data, and what it held before training.
struct Session {
  explicit Session(const TrainOptions& chosen = {})
      : model(make_model(ctx, kStripesNet)), train(14, 4, 11), options(chosen) {
    model.initialise(ctx, 7);
  }
  Trainer trainer() {
    return {ctx, model, train, nullptr, options, {kStripesNet, {"lying", "standing"}, {}}};
  }
  Values values() {
    Values all;
    for (const Parameter& p : model.parameters()) all[p.name] = ctx.to_host(p.tensor);
    return all;
  }

  Context ctx;
  Model model;
  StripesSource train;
  TrainOptions options;
};

TrainOptions frozen(const std::string& what, std::int64_t epochs = 1, std::int64_t every = 0) {
  TrainOptions options;
  options.freeze = {what, every};
  options.epochs = epochs;
  options.schedule = "constant";
  return options;
}

std::set<std::string> changed(const Values& before, const Values& after) {
  std::set<std::string> names;
  for (const auto& [name, values] : before) {
    if (after.at(name) != values) names.insert(name);
  }
  return names;
}

const std::set<std::string> kClassifier{"classifier.bias", "classifier.weight"};
const std::set<std::string> kStage4{"bn4.bias", "bn4.running_mean", "bn4.running_var", "bn4.weight",
                                    "conv4.weight"};

std::set<std::string> operator+(std::set<std::string> a, const std::set<std::string>& b) {
  a.insert(b.begin(), b.end());
  return a;
}

TEST(Freezing, TrainsTheHeadAlone) {
  Session session(frozen("body"));
  const Values before = session.values();
  session.trainer().run({});
  EXPECT_EQ(changed(before, session.values()), kClassifier);
}

TEST(Freezing, TrainsFromALayerOn) {
  Session session(frozen("before:stage4"));
  const Values before = session.values();
  session.trainer().run({});
  EXPECT_EQ(changed(before, session.values()), kClassifier + kStage4);
}

TEST(Freezing, FreezesByBeginningsOfNames) {
  Session session(frozen("conv,bn1"));
  const Values before = session.values();
  session.trainer().run({});
  for (const std::string& name : changed(before, session.values())) {
    EXPECT_FALSE(name.starts_with("conv") || name.starts_with("bn1")) << name;
  }
  EXPECT_TRUE(changed(before, session.values()).contains("bn2.running_mean"));
}

TEST(Freezing, SaysWhatItCannotDo) {
  Session session;
  const auto error = [&](const std::string& what) {
    return error_of([&] { freeze_for_epoch(session.model, {what, 0}, 0); });
  };
  EXPECT_NE(error("conv9").find("no parameter of cbr_tiny begins with 'conv9'"), std::string::npos);
  EXPECT_EQ(error("conv1,"), "");
  EXPECT_NE(error("before:stage9").find("no layer stage9"), std::string::npos);
  EXPECT_NE(error("conv,bn,classifier").find("leaves nothing"), std::string::npos);
  EXPECT_NE(error("conv1,,bn1").find("begins with ''"), std::string::npos);
  EXPECT_EQ(error("none"), "");
}

// The frozen batch norm is the fixed map of inference: what the head sees is what it would see
// there.
TEST(Freezing, AFrozenBodyGivesTheFeaturesOfInference) {
  Session session;
  freeze_for_epoch(session.model, {"body", 0}, 0);
  session.train.start(0, 0);
  Batch batch;
  ASSERT_TRUE(session.train.next(batch));
  Context& ctx = session.ctx;
  const Tensor x = input_of(ctx, session.model, batch);
  const auto features = [&](bool training) {
    ctx.training = training;
    return ctx.to_host(session.model.forward(ctx, x, "features"));
  };
  EXPECT_EQ(features(true), features(false));
}

// Memory at the end of the forward pass, beyond that before it.
std::size_t kept(Session& session, const std::string& what) {
  freeze_for_epoch(session.model, {what, 0}, 0);
  Context& ctx = session.ctx;
  session.train.start(0, 0);
  Batch batch;
  session.train.next(batch);
  const Tensor x = input_of(ctx, session.model, batch);
  ctx.training = true;
  const GradScope gradients(ctx, true);
  const std::size_t before = ctx.allocator().stats().live;
  const Tensor logits = session.model.forward(ctx, x);
  const std::size_t after = ctx.allocator().stats().live;
  ctx.tape.clear();
  return after - before;
}

TEST(Freezing, KeepsNothingOfAFrozenPrefix) {
  Session session;
  const std::size_t all = kept(session, "none"), head = kept(session, "body"),
                    last = kept(session, "before:stage4");
  // A batch of four of 32x32: the head keeps its input of 256 features and the logits.
  EXPECT_LE(head, 16384U);
  EXPECT_LT(head, last);
  EXPECT_LT(last, all / 10);
}

TEST(Freezing, TheOptimiserKeepsNoStateForWhatIsNeverTrained) {
  Session session(frozen("body"));
  TensorFile checkpoint;
  TrainHooks hooks;
  hooks.checkpoint = [&](const TensorFile& file) { checkpoint = file; };
  session.trainer().run(hooks);
  std::set<std::string> state;
  for (const auto& [name, tensor] : checkpoint.tensors) {
    if (name.starts_with(kOptimiserPrefix)) state.insert(name);
  }
  EXPECT_EQ(state.size(), 4U);  // m and v of weight and bias
}

TEST(Freezing, LayersThawFromTheLast) {
  Session session(frozen("body", 3, 1));
  Values before = session.values();
  std::vector<std::set<std::string>> seen;
  TrainHooks hooks;
  hooks.epoch = [&](const EpochRecord&) {
    const Values after = session.values();
    seen.push_back(changed(before, after));
    before = after;
  };
  session.trainer().run(hooks);
  ASSERT_EQ(seen.size(), 3U);
  EXPECT_EQ(seen[0], kClassifier);
  EXPECT_EQ(seen[1], kClassifier + kStage4);
  EXPECT_TRUE(seen[2].contains("conv3.weight"));
  EXPECT_FALSE(seen[2].contains("conv2.weight"));
}

TEST(Freezing, AThawingRunGoesOnToTheSameBits) {
  for (const float clip : {0.0F, 0.5F}) {
    TrainOptions options = frozen("body", 3, 1);
    options.optimiser.clip_norm = clip;
    Session whole(options);
    whole.trainer().run({});
    Session first(options);
    TensorFile checkpoint;
    int steps = 0;
    TrainHooks hooks;
    hooks.step = [&](const StepRecord&) { ++steps; };
    hooks.cancel = [&] { return steps == 6; };  // in the second epoch, of four steps each
    hooks.checkpoint = [&](const TensorFile& file) { checkpoint = file; };
    EXPECT_EQ(first.trainer().run(hooks), TrainOutcome::Cancelled);
    Session second(options);
    Trainer trainer = second.trainer();
    trainer.resume(checkpoint, "checkpoint");
    trainer.run({});
    EXPECT_EQ(whole.values(), second.values()) << "clip " << clip;
  }
}

// A parameter whose first gradient comes late takes the step that Adam takes first: of the size of
// the learning rate. Without its own count it would be 3.2 times that.
TEST(Freezing, ALateParameterStartsLikeANewOne) {
  for (const float clip : {0.0F, 1e6F}) {
    Session session;
    OptimiserOptions options;
    options.late_starts = true;
    options.clip_norm = clip;
    const auto optimiser = make_optimiser(session.ctx, session.model, options);
    session.train.start(0, 0);
    Batch batch;
    session.train.next(batch);
    freeze_for_epoch(session.model, {"body", 0}, 0);
    for (int i = 0; i < 3; ++i) {
      train_step(session.ctx, session.model, *optimiser, batch, 1e-4);
    }
    freeze_for_epoch(session.model, {"none", 0}, 0);
    const std::vector<float> before = session.values()["conv4.weight"];
    train_step(session.ctx, session.model, *optimiser, batch, 1e-4);
    const std::vector<float> after = session.values()["conv4.weight"];
    float largest = 0;
    for (std::size_t i = 0; i < before.size(); ++i) {
      largest = std::max(largest, std::abs(after[i] - before[i]));
    }
    EXPECT_NEAR(largest, 1e-4F, 2e-6F) << "clip " << clip;
  }
}

TEST(Factors, ScaleTheLearningRateByLayer) {
  const auto trained = [](std::vector<std::pair<std::string, float>> factors, double rate) {
    Session session;
    OptimiserOptions options;
    options.factors = std::move(factors);
    const auto optimiser = make_optimiser(session.ctx, session.model, options);
    session.train.start(0, 0);
    Batch batch;
    session.train.next(batch);
    train_step(session.ctx, session.model, *optimiser, batch, rate);
    return session.values();
  };
  const Values plain = trained({}, 1e-3), halved = trained({}, 5e-4), start = trained({}, 0);
  const Values mixed = trained({{"conv1", 0.0F}, {"conv", 0.5F}}, 1e-3);
  EXPECT_EQ(mixed.at("conv1.weight"), start.at("conv1.weight"));
  EXPECT_EQ(mixed.at("conv2.weight"), halved.at("conv2.weight"));
  EXPECT_EQ(mixed.at("classifier.weight"), plain.at("classifier.weight"));
  EXPECT_NE(plain.at("conv2.weight"), halved.at("conv2.weight"));
}

TEST(Factors, MustFitAndBePossible) {
  Session session;
  OptimiserOptions options;
  const auto error = [&](const std::string& name, float factor) {
    options.factors = {{name, factor}};
    return error_of([&] { make_optimiser(session.ctx, session.model, options); });
  };
  EXPECT_NE(error("fc", 1).find("begins with 'fc'"), std::string::npos);
  EXPECT_NE(error("conv1", -1).find("use 0 or more"), std::string::npos);
  EXPECT_NE(error("conv1", NAN).find("use 0 or more"), std::string::npos);
}

}  // namespace
}  // namespace lamella
