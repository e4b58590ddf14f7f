// Training in bf16 and f16 by the hand-written kernels, run by the emulator: what layers compute is
// near what they compute in f32, and what training changes are weights in f32.
#include <gtest/gtest.h>

#include <cmath>

#include "tests/models/golden_values.h"
#include "train/trainer.h"
#include "weights/known_answer.h"

namespace lamella {
namespace {

const ModelSpec kSpec{"cbr_tiny", 12, 10, 1, 3};

Batch images() {
  const std::int64_t count = 3 * kSpec.height * kSpec.width;
  return {3,         kSpec.height, kSpec.width, 1, golden::values("mixed/x", count, -1, 1),
          {2, 0, 1}, {0, 1, 2}};
}

Context::Options in(DType dtype) {
  Context::Options options;
  options.device = "simt";
  options.dtype = dtype;
  return options;
}

struct Session {
  explicit Session(DType dtype, const OptimiserOptions& options = sgd())
      : ctx(in(dtype)), model(make_model(ctx, kSpec)) {
    for (const Parameter& parameter : model.parameters()) {
      parameter.assign(ctx, golden::parameter_values("mixed", parameter));
    }
    optimiser = make_optimiser(ctx, model, options);
  }
  static OptimiserOptions sgd() {
    OptimiserOptions options;
    options.name = "sgd";
    options.skip_overflow = true;
    return options;
  }
  double step(double learning_rate, LossScale* scale = nullptr) {
    return train_step(ctx, model, *optimiser, images(), learning_rate, {}, scale);
  }
  // Over the factor that the loss was scaled by, a power of 2.
  std::vector<float> gradients(float factor = 1) {
    std::vector<float> all;
    for (const Parameter& parameter : model.parameters()) {
      if (!parameter.trained()) continue;
      const std::vector<float> one = ctx.to_host(parameter.tensor.grad());
      all.insert(all.end(), one.begin(), one.end());
    }
    for (float& value : all) value /= factor;
    return all;
  }
  std::string hash() { return weights_hash(ctx, model); }

  Context ctx;
  Model model;
  std::unique_ptr<Optimiser> optimiser;
};

class MixedPrecision : public testing::Test {
 protected:
  void SetUp() override {
    const std::string reason = why_unavailable("simt");
    if (!reason.empty()) GTEST_SKIP() << reason;
  }
};

// Gradients differ by more than roundings: one of those can choose another maximum of a pool.
TEST_F(MixedPrecision, ComputesWhatF32Computes) {
  Session exact(DType::F32);
  const double loss = exact.step(0);
  struct Case {
    DType dtype;
    double of_loss, of_gradients;
  };
  for (const auto& [dtype, of_loss, of_gradients] :
       {Case{DType::BF16, 3e-2, 0.15}, {DType::F16, 4e-3, 0.05}}) {
    Session rounded(dtype);
    EXPECT_NEAR(rounded.step(0), loss, of_loss * loss) << name_of(dtype);
    const double error = golden::relative_error(rounded.gradients(), exact.gradients());
    EXPECT_LE(error, of_gradients) << name_of(dtype);
    EXPECT_GT(error, 1e-5) << name_of(dtype) << " is f32 in disguise";
  }
}

// Steps too small to change a weight of 16 bits add up.
TEST_F(MixedPrecision, ChangesWeightsInF32) {
  for (const DType dtype : {DType::BF16, DType::F16}) {
    Session session(dtype);
    const Parameter& filter = session.model.parameters().front();
    const std::vector<float> before = session.ctx.to_host(filter.values());
    session.step(1e-6);
    const std::vector<float> after = session.ctx.to_host(filter.values());
    EXPECT_NE(after, before) << name_of(dtype);
    EXPECT_LT(golden::relative_error(after, before), 1e-4) << name_of(dtype);
    for (const Parameter& parameter : session.model.parameters()) {
      if (!parameter.master.defined()) continue;
      const Tensor rounded = cast(session.ctx, parameter.master, dtype);
      EXPECT_EQ(session.ctx.to_host(parameter.tensor), session.ctx.to_host(rounded))
          << parameter.name;
    }
  }
}

TEST_F(MixedPrecision, TheLossScaleChangesNoStep) {
  Session plain(DType::F16), scaled(DType::F16);
  LossScale scale{1024, 0};
  plain.step(1e-2), scaled.step(1e-2, &scale);
  EXPECT_LE(golden::relative_error(scaled.gradients(1024), plain.gradients()), 4e-3);
  for (std::size_t i = 0; i < plain.model.parameters().size(); ++i) {
    EXPECT_LE(golden::relative_error(scaled.ctx.to_host(scaled.model.parameters()[i].values()),
                                     plain.ctx.to_host(plain.model.parameters()[i].values())),
              1e-3)
        << plain.model.parameters()[i].name;
  }
  EXPECT_EQ(scale.factor, 1024);
  EXPECT_EQ(scale.updates, 1);
}

TEST_F(MixedPrecision, AStepThatOverflowsIsLeftOutAndLowersTheScale) {
  Session session(DType::F16);
  const std::string before = session.hash();
  const std::vector<float> filter = session.ctx.to_host(session.model.parameters()[0].values());
  LossScale scale{16777216, 5};
  session.step(1e-2, &scale);
  EXPECT_TRUE(session.optimiser->overflowed(session.ctx));
  EXPECT_EQ(scale.factor, 8388608);
  EXPECT_EQ(scale.updates, 0);
  EXPECT_EQ(session.ctx.to_host(session.model.parameters()[0].values()), filter);
  scale.factor = 128;
  session.step(1e-2, &scale);
  EXPECT_FALSE(session.optimiser->overflowed(session.ctx));
  EXPECT_NE(session.hash(), before);
}

TEST_F(MixedPrecision, TheLossScaleGrowsAfterManyGoodSteps) {
  LossScale scale;
  for (int i = 0; i < 2000; ++i) scale.see(false);
  EXPECT_EQ(scale.factor, 131072);
  for (int i = 0; i < 40; ++i) scale.see(true);
  EXPECT_EQ(scale.factor, 1);
  for (int i = 0; i < 100'000; ++i) scale.see(false);
  EXPECT_EQ(scale.factor, 16777216);
}

// All gradients count in the norm, those of 16 bits and those of f32; so that is how far a step of
// rate 1 goes.
TEST_F(MixedPrecision, ClipsByTheNormOfAllGradients) {
  OptimiserOptions options = Session::sgd();
  options.momentum = 0;
  options.clip_norm = 0.01F;
  Session session(DType::BF16, options);
  session.step(1);
  double of_filters = 0, of_others = 0;
  for (const Parameter& parameter : session.model.parameters()) {
    if (!parameter.trained()) continue;
    const std::vector<float> before = golden::parameter_values("mixed", parameter),
                             after = session.ctx.to_host(parameter.values());
    double& squares = parameter.master.defined() ? of_filters : of_others;
    for (std::size_t i = 0; i < before.size(); ++i) {
      squares += std::pow(double{after[i]} - double{before[i]}, 2);
    }
  }
  EXPECT_NEAR(std::sqrt(of_filters + of_others), 0.01, 1e-6);
  EXPECT_GT(std::sqrt(of_filters), 1e-3);
  EXPECT_GT(std::sqrt(of_others), 2e-4);
}

TEST_F(MixedPrecision, AFileHoldsTheF32WeightsAndWhatTheyMakeInF32) {
  for (const DType dtype : {DType::BF16, DType::F16}) {
    Session session(dtype);
    session.step(1e-3);
    const ModelCard card{kSpec, {"a", "b", "c"}, {}};
    TensorFile file = model_file(session.ctx, session.model, card);
    put_known_answer(session.ctx, session.model, file);
    check_known_answer(session.ctx, session.model, file, "file");
    Context cpu;
    const Model loaded = load_model(cpu, file, "file", card);
    check_known_answer(cpu, loaded, file, "file");
    const Parameter &filter = session.model.parameters()[0], &same = loaded.parameters()[0];
    EXPECT_EQ(cpu.to_host(same.tensor), session.ctx.to_host(filter.master));
    EXPECT_NE(cpu.to_host(same.tensor), session.ctx.to_host(filter.tensor));
  }
}

TEST_F(MixedPrecision, InferenceFormsComputeInIt) {
  Session exact(DType::F32);
  for (const auto& [dtype, tolerance] : {std::pair{DType::BF16, 3e-2}, {DType::F16, 4e-3}}) {
    Session session(dtype);
    const Model form = session.model.inference_form(session.ctx, 3);
    const auto logits = [](Session& s, const Model& model) {
      return s.ctx.to_host(model.forward(s.ctx, input_of(s.ctx, model, images())));
    };
    const double error = golden::relative_error(logits(session, form), logits(exact, exact.model));
    EXPECT_LE(error, tolerance) << name_of(dtype);
    EXPECT_GT(error, 1e-6) << name_of(dtype);
  }
}

}  // namespace
}  // namespace lamella
