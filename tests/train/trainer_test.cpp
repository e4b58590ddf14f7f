// The training loop: it learns, stops when told, goes on to the same bits, and refuses nonsense.
#include "train/trainer.h"

#include <gtest/gtest.h>

#include <cmath>
#include <functional>
#include <map>

#include "engine/errors.h"
#include "tests/train/memory_source.h"

namespace lamella {
namespace {

OptimiserOptions named(const std::string& name) {
  OptimiserOptions options;
  options.name = name;
  return options;
}

// One training run over 14 images in batches of 4 (the last has 2), with everything it needs.
struct Session {
  explicit Session(std::int64_t epochs, const OptimiserOptions& optimiser = {})
      : model(make_model(ctx, kStripesNet)), train(14, 4, 11), validation(6, 4, 12, false) {
    options.epochs = epochs;
    options.optimiser = optimiser;
    model.initialise(ctx, 7);
    hooks.checkpoint = [this](const TensorFile& file) { checkpoint = file; };
    hooks.epoch = [this](const EpochRecord& record) { epochs_seen.push_back(record); };
  }
  Trainer trainer() {
    return {ctx, model, train, &validation, options, {kStripesNet, {"lying", "standing"}, {}}};
  }
  std::string hash() { return weights_hash(ctx, model); }

  Context ctx;
  Model model;
  StripesSource train, validation;
  TrainOptions options;
  TrainHooks hooks;
  TensorFile checkpoint;
  std::vector<EpochRecord> epochs_seen;
};

TEST(Trainer, LearnsTwoClasses) {
  Session session(6);
  Trainer trainer = session.trainer();
  EXPECT_EQ(trainer.run(session.hooks), TrainOutcome::Finished);
  ASSERT_EQ(session.epochs_seen.size(), 6U);
  EXPECT_LT(session.epochs_seen.back().train_loss, 0.1);
  EXPECT_LT(session.epochs_seen.back().train_loss, session.epochs_seen.front().train_loss / 3);
  Evaluation evaluation = evaluate(session.ctx, session.model, session.validation);
  EXPECT_EQ(metrics_of(evaluation.confusion).accuracy, 1.0);
  EXPECT_EQ(evaluation.predictions.size(), 6U);
  EXPECT_EQ(session.epochs_seen.back().weights_hash, session.hash());
  EXPECT_EQ(session.ctx.step, 24U);
}

// With the whole target spread over both classes the loss cannot fall below log 2.
TEST(Trainer, SmoothsLabels) {
  Session session(2);
  session.options.loss.label_smoothing = 1;
  session.trainer().run(session.hooks);
  EXPECT_GE(session.epochs_seen.back().train_loss, std::log(2.0) - 1e-6);
}

TEST(Trainer, RepeatsItself) {
  Session first(2), second(2);
  first.trainer().run(first.hooks);
  second.trainer().run(second.hooks);
  EXPECT_EQ(first.hash(), second.hash());
}

using Configure = std::function<void(TrainOptions&)>;
using Bits = std::map<std::string, StoredTensor>;

// Of everything the last checkpoint keeps: weights, the optimiser's state, averages.
Bits bits_of_three_epochs(Session& session, Trainer& trainer) {
  EXPECT_EQ(trainer.run(session.hooks), TrainOutcome::Finished);
  return {session.checkpoint.tensors.begin(), session.checkpoint.tensors.end()};
}

// Stops after `stop` batches, builds everything anew from the checkpoint, and goes on.
Bits bits_with_a_stop_after(int stop, const Configure& configure) {
  TensorFile checkpoint;
  {
    Session session(3);
    configure(session.options);
    int batches = 0;
    session.hooks.cancel = [&] { return batches >= stop; };
    session.hooks.step = [&](const StepRecord&) { ++batches; };
    EXPECT_EQ(session.trainer().run(session.hooks), TrainOutcome::Cancelled);
    checkpoint = session.checkpoint;
  }
  Session session(3);
  configure(session.options);
  Trainer trainer = session.trainer();
  trainer.resume(checkpoint, "checkpoint");
  EXPECT_EQ(trainer.state().step, stop);
  return bits_of_three_epochs(session, trainer);
}

void expect_same_bits(const Configure& configure, const std::vector<int>& stops) {
  Session straight(3);
  configure(straight.options);
  Trainer trainer = straight.trainer();
  const Bits expected = bits_of_three_epochs(straight, trainer);
  for (const int stop : stops) {
    const Bits found = bits_with_a_stop_after(stop, configure);
    ASSERT_EQ(found.size(), expected.size());
    for (const auto& [name, tensor] : expected) {
      EXPECT_EQ(found.at(name).data, tensor.data)
          << name << ", stopped after batch " << stop << " of 12";
    }
  }
}

// Batches 4 and 12 are the last of an epoch, 1 and 5 the first.
TEST(Trainer, GoesOnToTheSameBitsFromAnyBatch) {
  expect_same_bits([](TrainOptions&) {}, {1, 4, 5, 11, 12});
  expect_same_bits([](TrainOptions& o) { o.optimiser.name = "sgd"; }, {7});
  const auto everything = [](TrainOptions& o) {
    o.optimiser.name = "adamw";
    o.optimiser.clip_norm = 0.5F;
    o.optimiser.weight_decay = 0.1F;
    o.loss = {0.1F, {1, 2}, 0.4};
    o.average_decay = 0.9;
  };
  expect_same_bits(everything, {4, 7});
}

TEST(Trainer, HandsOutCheckpointsInsideAnEpoch) {
  Session session(1);
  session.options.checkpoint_every = 2;
  std::vector<std::int64_t> steps;
  session.hooks.checkpoint = [&](const TensorFile& file) {
    steps.push_back(state_of(file, "checkpoint").step);
  };
  session.trainer().run(session.hooks);
  EXPECT_EQ(steps, (std::vector<std::int64_t>{0, 2, 4, 4}));
}

TEST(Trainer, KeepsTheBestByValidationAccuracy) {
  Session session(3);
  std::vector<double> best;
  session.hooks.best = [&](const TensorFile& weights, const EpochRecord& record,
                           const Evaluation& validation) {
    EXPECT_EQ(read_card(weights, "best").labels.size(), 2U);
    EXPECT_EQ(validation.confusion.images(), 6);
    EXPECT_EQ(validation.predictions.size(), 6U);
    best.push_back(record.validation.at("accuracy"));
  };
  session.trainer().run(session.hooks);
  ASSERT_FALSE(best.empty());
  for (std::size_t i = 1; i < best.size(); ++i) EXPECT_GT(best[i], best[i - 1]);
}

TEST(Trainer, WritesTheInitialWeightsWithoutEpochs) {
  Session session(0);
  const std::string initial = session.hash();
  int best = 0;
  session.hooks.best = [&](const TensorFile&, const EpochRecord&, const Evaluation&) { ++best; };
  EXPECT_EQ(session.trainer().run(session.hooks), TrainOutcome::Finished);
  EXPECT_EQ(best, 1);
  EXPECT_EQ(session.hash(), initial);
  load_parameters(session.ctx, session.model, session.checkpoint, "checkpoint");
  EXPECT_EQ(session.hash(), initial);
}

TEST(Trainer, EndsWhenNothingGetsBetter) {
  Session session(50);
  session.options.stop_after = 3;
  Trainer trainer = session.trainer();
  EXPECT_EQ(trainer.run(session.hooks), TrainOutcome::Finished);
  EXPECT_EQ(trainer.state().epoch, trainer.state().best_epoch + 3);
  EXPECT_NE(trainer.why_ended().find("no higher validation accuracy for 3"), std::string::npos);
  // Its last checkpoint has nothing left to do.
  Session again(50);
  again.options.stop_after = 3;
  Trainer resumed = again.trainer();
  resumed.resume(session.checkpoint, "checkpoint");
  EXPECT_EQ(resumed.run(again.hooks), TrainOutcome::Finished);
  EXPECT_TRUE(again.epochs_seen.empty());
}

TEST(Trainer, EndsWhenItsTimeIsSpent) {
  Session session(1000);
  session.options.time_budget = 1e-9;
  Trainer trainer = session.trainer();
  EXPECT_EQ(trainer.run(session.hooks), TrainOutcome::Finished);
  EXPECT_EQ(trainer.state().step, 1);
  ASSERT_EQ(session.epochs_seen.size(), 1U);
  EXPECT_TRUE(session.epochs_seen[0].validation.contains("accuracy"));
  EXPECT_NE(trainer.why_ended().find("time budget"), std::string::npos);
  Session one(1);  // in the midst of the only epoch
  one.options.time_budget = 1e-9;
  Trainer cut_short = one.trainer();
  cut_short.run(one.hooks);
  EXPECT_EQ(cut_short.state().step, 1);
  EXPECT_NE(cut_short.why_ended().find("time budget"), std::string::npos);
}

// With no patience every epoch whose loss is no new low is followed by a tenth of the rate.
TEST(Trainer, LowersTheRateOnAPlateau) {
  Session session(12);
  session.options.schedule = "plateau";
  session.options.patience = 0;
  Trainer trainer = session.trainer();
  trainer.run(session.hooks);
  int falls = 0;
  double least = session.epochs_seen[0].validation.at("loss");
  for (std::size_t i = 1; i < 12; ++i) {
    const EpochRecord &before = session.epochs_seen[i - 1], &now = session.epochs_seen[i];
    falls += now.learning_rate < before.learning_rate ? 1 : 0;
    const bool waited = i > 1 && before.validation.at("loss") >= least * (1 - 1e-4);
    EXPECT_EQ(now.learning_rate < before.learning_rate, waited) << "epoch " << i + 1;
    if (!waited) least = before.validation.at("loss");
  }
  EXPECT_GT(falls, 0) << "nothing was tested";
  EXPECT_LE(trainer.state().plateau.factor, std::pow(0.1, falls) * (1 + 1e-12));
}

TEST(Trainer, WarmsUp) {
  Session session(4);
  session.options.warmup_epochs = 2;
  session.options.schedule = "constant";
  session.trainer().run(session.hooks);
  EXPECT_DOUBLE_EQ(session.epochs_seen[0].learning_rate, 0.5e-3);
  EXPECT_DOUBLE_EQ(session.epochs_seen[3].learning_rate, 1e-3);
}

TEST(Trainer, StopsWhenTheLossIsNotFinite) {
  Session session(2, named("sgd"));
  session.options.learning_rate = 1e30;
  session.options.schedule = "constant";
  try {
    session.trainer().run(session.hooks);
    FAIL() << "no error";
  } catch (const Error& error) {
    EXPECT_NE(std::string(error.what()).find("--lr"), std::string::npos) << error.what();
  }
  // The checkpoint from before is whole and finite.
  load_parameters(session.ctx, session.model, session.checkpoint, "checkpoint");
  for (const Parameter& p : session.model.parameters()) {
    for (const float value : session.ctx.to_host(p.tensor)) ASSERT_TRUE(std::isfinite(value));
  }
}

TEST(Trainer, RefusesWhatDoesNotFit) {
  Session session(1);
  StripesSource nothing(0, 4, 1);
  EXPECT_THROW(Trainer(session.ctx, session.model, nothing, nullptr, {}, {}), Error);
  TrainOptions wrong;
  wrong.learning_rate = NAN;
  EXPECT_THROW(Trainer(session.ctx, session.model, session.train, nullptr, wrong, {}), Error);
  wrong = {};
  wrong.loss.label_smoothing = 1.5F;
  EXPECT_THROW(Trainer(session.ctx, session.model, session.train, nullptr, wrong, {}), Error);
  wrong = {};
  for (const char* schedule : {"sawtooth", "plateau"}) {  // none; one that needs validation images
    wrong.schedule = schedule;
    EXPECT_THROW(Trainer(session.ctx, session.model, session.train, nullptr, wrong, {}), Error);
  }
  wrong = {};
  wrong.time_budget = -1;
  EXPECT_THROW(Trainer(session.ctx, session.model, session.train, nullptr, wrong, {}), Error);
  session.trainer().run(session.hooks);
  Session other(1, named("sgd"));
  Trainer trainer = other.trainer();
  other.options.seed = 1;
  EXPECT_THROW(other.trainer().resume(session.checkpoint, "checkpoint"), Error) << "another seed";
  TensorFile without = session.checkpoint;
  std::erase_if(without.tensors, [](const auto& t) { return t.first.starts_with("optimiser/"); });
  EXPECT_THROW(trainer.resume(without, "checkpoint"), Error) << "no optimiser state";
  other.options.seed = 0;
  other.options.optimiser = {};
  other.options.average_decay = 0.9;
  EXPECT_THROW(other.trainer().resume(session.checkpoint, "checkpoint"), Error) << "no averages";
  Batch batch{1, 16, 32, 1, std::vector<float>(16 * 32), {0}, {0}};
  EXPECT_THROW(input_of(session.ctx, session.model, batch), Error) << "another image size";
}

}  // namespace
}  // namespace lamella
