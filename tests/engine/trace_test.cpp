// LAMELLA_TRACE lines, and a Context per thread.
#include "engine/trace.h"

#include <gtest/gtest.h>

#include <cstdlib>
#include <thread>

#include "kernels/calls/kernel_line.h"
#include "models/model.h"

namespace lamella {
namespace {

std::vector<std::string> traced(const std::function<void(Context&)>& work, bool allocations) {
  std::vector<std::string> lines;
  Context::Options options;
  options.trace_ops = !allocations;
  options.trace_allocations = allocations;
  options.trace = [&](const std::string& line) { lines.push_back(line); };
  Context ctx(options);
  work(ctx);
  return lines;
}

TEST(Trace, OneLinePerKernelCallInTheGrammar) {
  const auto lines = traced(
      [](Context& ctx) {
        const Tensor x = ctx.empty({2, 5, 6, 8});
        conv2d(ctx, x.slice(1, 4), ctx.empty({7, 3, 2, 3}), {}, {2, 1, 1, 0});
      },
      false);
  ASSERT_EQ(lines.size(), 1U);
  EXPECT_EQ(lines[0],
            "conv2d_fwd N=2 H=5 W=6 C=3 K=7 R=3 S=2 P=3 Q=5 stride=2x1 pad=1x0 x_pitch=8 y_pitch=7 "
            "dtype=f32");
}

TEST(Trace, EveryDescriptionIsOfTheGrammar) {
  for (const std::string& line :
       {describe(SliceShape{}), describe(AddShape{}), describe(Conv2dShape{}),
        describe(LinearShape{}), describe(BatchNormShape{}), describe(Pool2dShape{}),
        describe(GlobalPoolShape{}), describe(ResampleShape{}), describe(ImageShape{}),
        describe(SoftmaxShape{}), describe(FlatShape{})}) {
    const KernelLine parsed("kernel " + line);
    EXPECT_TRUE(parsed.has("dtype")) << line;
  }
  BatchNormShape bn;
  bn.eps = 0.001F;
  bn.relu_out = true;
  const KernelLine parsed("batch_norm_apply " + describe(bn));
  EXPECT_EQ(parsed.get("relu_out"), 1);
  EXPECT_EQ(static_cast<float>(parsed.number("eps", 0)), 0.001F);
}

TEST(Trace, AllocationsAreTraced) {
  const auto lines = traced([](Context& ctx) { ctx.empty({100}); }, true);
  ASSERT_EQ(lines.size(), 1U);
  EXPECT_EQ(lines[0].rfind("alloc shape=100 dtype=f32 bytes=400 live=512", 0), 0U) << lines[0];
}

TEST(Trace, IsSwitchedOnByTheEnvironment) {
  int lines = 0;
  Context::Options options;
  options.trace = [&](const std::string&) { ++lines; };
  setenv("LAMELLA_TRACE", "alloc,op", 1);
  Context traced_context(options);
  setenv("LAMELLA_TRACE", "operation", 1);
  Context silent_context(options);
  unsetenv("LAMELLA_TRACE");
  traced_context.zeros({3});
  EXPECT_EQ(lines, 2);
  silent_context.zeros({3});
  EXPECT_EQ(lines, 2);
}

TEST(Threads, InferenceOnOneModelIsReentrant) {
  Context owner;
  const Model model = make_model(owner, {"cbr_tiny", 33, 33, 1, 4});
  model.initialise(owner, 7);
  std::vector<float> pixels(2 * 33 * 33);
  for (std::size_t i = 0; i < pixels.size(); ++i) pixels[i] = static_cast<float>(i % 17) / 17.0F;
  const auto logits = [&] {
    Context::Options options;
    options.threads = 1;
    Context ctx(options);
    return ctx.to_host(model.forward(ctx, ctx.from_host(pixels, {2, 33, 33, 1})));
  };
  const std::vector<float> expected = logits();
  std::vector<std::vector<float>> found(4);
  std::vector<std::thread> threads;
  for (auto& result : found) {
    threads.emplace_back([&result, &logits] {
      for (int i = 0; i < 5; ++i) result = logits();
    });
  }
  for (std::thread& thread : threads) thread.join();
  for (const auto& result : found) EXPECT_EQ(result, expected);
}

}  // namespace
}  // namespace lamella
