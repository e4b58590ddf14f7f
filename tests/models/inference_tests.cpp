// The inference form of every network against its plain form: the same logits, and no memory from
// the device after the first call.
#include <gtest/gtest.h>

#include <cmath>

#include "engine/errors.h"
#include "engine/rng.h"
#include "models/model.h"

namespace lamella {
namespace {

struct Case {
  ModelSpec spec;
  std::int64_t batch;
};

std::vector<Case> cases() {
  std::vector<Case> all;
  for (const std::string& name : model_names()) {
    const bool large = name.starts_with("inception");
    all.push_back({{name, large ? 111 : 64, large ? 96 : 75, 3, 5}, 3});
  }
  all.push_back({{"densenet121", 96, 64, 1, 5, "transition2"}, 1});
  all.push_back({{"squeezenet1_1", 96, 64, 1, 5, "", "mlp"}, 2});
  return all;
}

class Inference : public testing::TestWithParam<Case> {
 protected:
  Inference() : model_(make_model(ctx_, GetParam().spec)) {
    model_.initialise(ctx_, 3);
    // Batch norms that do something: statistics and scales away from 0 and 1.
    std::uint32_t index = 0;
    for (const Parameter& p : model_.parameters()) {
      Rng rng(5, RngStream::Test, index++);
      if (p.kind == ParameterKind::Weight) continue;
      const bool about_one = p.kind == ParameterKind::Scale || p.kind == ParameterKind::RunningVar;
      std::vector<float> values(static_cast<std::size_t>(p.tensor.count()));
      for (float& v : values) {
        v = static_cast<float>(about_one ? rng.uniform(0.5, 1.5) : rng.uniform(-0.3, 0.3));
      }
      ctx_.copy_from_host(values, p.tensor);
    }
  }

  Tensor images(std::int64_t batch) {
    const ModelSpec& spec = GetParam().spec;
    const Shape shape{batch, spec.height, spec.width, spec.channels};
    std::vector<float> pixels(static_cast<std::size_t>(shape.count()));
    Rng rng(7, RngStream::Test);
    for (float& v : pixels) v = static_cast<float>(rng.normal());
    return ctx_.from_host(pixels, shape);
  }

  void expect_near(const std::vector<float>& got, const std::vector<float>& want) {
    ASSERT_EQ(got.size(), want.size());
    double error = 0, norm = 0;
    for (std::size_t i = 0; i < want.size(); ++i) {
      error += std::pow(double{got[i]} - double{want[i]}, 2);
      norm += std::pow(double{want[i]}, 2);
    }
    EXPECT_LE(std::sqrt(error / norm), 1e-5);
  }

  Context ctx_;
  Model model_;
};

TEST_P(Inference, GivesTheLogitsOfThePlainForm) {
  const Model fast = model_.inference_form(ctx_, GetParam().batch);
  // Also for a batch that it was not made for.
  for (const std::int64_t batch : {GetParam().batch, std::int64_t{1}}) {
    const Tensor x = images(batch);
    expect_near(ctx_.to_host(fast.forward(ctx_, x)), ctx_.to_host(model_.forward(ctx_, x)));
    expect_near(ctx_.to_host(fast.forward(ctx_, x, "features")),
                ctx_.to_host(model_.forward(ctx_, x, "features")));
  }
}

std::int64_t allocations = 0;

// The CPU, with its allocations counted.
const Backend& counting_backend() {
  static const Backend backend = [] {
    Backend counting = find_backend("cpu");
    counting.allocate = [](std::size_t bytes) {
      ++allocations;
      return find_backend("cpu").allocate(bytes);
    };
    return counting;
  }();
  return backend;
}

TEST_P(Inference, AllocatesNothingAfterwards) {
  Context::Options options;
  options.backend = &counting_backend();
  Context ctx(options);
  const ModelSpec& spec = GetParam().spec;
  const Model plain = make_model(ctx, spec);
  plain.initialise(ctx, 1);
  const Model fast = plain.inference_form(ctx, GetParam().batch);
  const Tensor x = ctx.zeros({GetParam().batch, spec.height, spec.width, spec.channels});
  const std::vector<float> first = ctx.to_host(fast.forward(ctx, x));
  const std::int64_t before = allocations;
  for (int i = 0; i < 5; ++i) EXPECT_EQ(ctx.to_host(fast.forward(ctx, x)), first);
  EXPECT_EQ(allocations, before);
}

TEST_P(Inference, NeedsThePlainFormNoMore) {
  const Tensor x = images(1);
  const std::vector<float> want = ctx_.to_host(model_.forward(ctx_, x));
  const Model fast = [&] {
    const Model plain = std::move(model_);
    return plain.inference_form(ctx_, 1);
  }();
  expect_near(ctx_.to_host(fast.forward(ctx_, x)), want);
}

// A convolution of one's own in the table is not passed over.
TEST(InferenceForm, UsesAKernelPutInTheTablesPlace) {
  static std::int64_t calls = 0;
  Context ctx;
  KernelTable kernels = ctx.kernels();
  kernels.conv2d_fwd = [](const KernelContext& kernel_context, const Conv2dShape& shape,
                          const void* x, const void* w, const float* bias, void* y) {
    ++calls;
    find_backend("cpu").kernels->conv2d_fwd(kernel_context, shape, x, w, bias, y);
  };
  ctx.replace_kernels(kernels);
  const Model model = make_model(ctx, {"cbr_tiny", 32, 32, 1, 2});
  model.initialise(ctx, 1);
  const Model fast = model.inference_form(ctx, 1);
  calls = 0;
  fast.forward(ctx, ctx.zeros({1, 32, 32, 1}));
  EXPECT_EQ(calls, 4);
}

TEST(InferenceForm, IsNotForTraining) {
  Context ctx;
  const Model model = make_model(ctx, {"squeezenet1_1", 64, 64, 1, 2});
  model.initialise(ctx, 1);
  const Model fast = model.inference_form(ctx, 1);
  ctx.training = true;
  EXPECT_THROW(fast.forward(ctx, ctx.zeros({1, 64, 64, 1})), Error);
  ctx.training = false;
  EXPECT_THROW(model.inference_form(ctx, 0), Error);
}

std::string name_of(const testing::TestParamInfo<Case>& info) {
  const ModelSpec& spec = info.param.spec;
  return spec.name + (spec.cut.empty() ? "" : "_" + spec.cut) +
         (spec.head == "own" ? "" : "_" + spec.head);
}

INSTANTIATE_TEST_SUITE_P(Networks, Inference, testing::ValuesIn(cases()), name_of);

}  // namespace
}  // namespace lamella
