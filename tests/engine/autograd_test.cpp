// The tape: set first and add later, shared slices, diamonds, depth, and memory as it goes.
#include "engine/autograd.h"

#include <gtest/gtest.h>

#include <numeric>

#include "engine/ops.h"
#include "engine/rng.h"

namespace lamella {
namespace {

class Autograd : public testing::Test {
 protected:
  Autograd() : ctx(options()) { ctx.grad_enabled = true; }
  static Context::Options options() {
    Context::Options options;
    options.poison = true;
    return options;
  }
  Tensor leaf(const std::vector<float>& values, const Shape& shape) {
    Tensor tensor = ctx.from_host(values, shape);
    tensor.require_grad();
    return tensor;
  }
  void backward(const Tensor& y, const std::vector<float>& dy) {
    ctx.tape.backward(ctx, y, ctx.from_host(dy, y.shape()));
  }
  std::vector<float> gradient(const Tensor& x) { return ctx.to_host(x.grad()); }

  Context ctx;
};

using Floats = std::vector<float>;

TEST_F(Autograd, TheFirstBackwardSetsAndLaterOnesAdd) {
  const Tensor x = leaf({1, -2}, {1, 2});
  EXPECT_FALSE(x.grad().defined());
  backward(relu(ctx, x), {3, 5});
  EXPECT_EQ(gradient(x), (Floats{3, 0}));
  backward(relu(ctx, x), {4, 5});
  EXPECT_EQ(gradient(x), (Floats{7, 0}));
  Tensor again = x;
  again.zero_grad();
  EXPECT_FALSE(x.grad().defined());
  backward(relu(ctx, x), {4, 5});
  EXPECT_EQ(gradient(x), (Floats{4, 0}));
}

TEST_F(Autograd, AnInputUsedTwiceGetsBothGradients) {
  const Tensor x = leaf({1, 2}, {1, 2});
  backward(add(ctx, x, x), {3, 5});
  EXPECT_EQ(gradient(x), (Floats{6, 10}));
}

TEST_F(Autograd, DiamondsJoin) {
  const Tensor x = leaf({1, -1}, {1, 2});
  const Tensor top = relu(ctx, x);
  const Tensor left = add(ctx, top, x), right = add(ctx, top, top);
  backward(add(ctx, left, right), {1, 10});
  EXPECT_EQ(gradient(x), (Floats{4, 10}));  // 3 by relu where x > 0, 1 directly
}

TEST_F(Autograd, SlicesOfABufferShareItsGradient) {
  const Tensor a = leaf({1, 2}, {2, 1}), b = leaf({3, 4}, {2, 1});
  const Tensor joined = ctx.empty_with_grad({2, 3});
  copy_into(ctx, a, joined.slice(0, 1));
  copy_into(ctx, b, joined.slice(1, 2));
  relu(ctx, joined.slice(0, 1), joined.slice(2, 3));  // a dense block: reads what was written
  EXPECT_EQ(ctx.to_host(joined), (Floats{1, 3, 1, 2, 4, 2}));
  backward(joined, {1, 2, 4, 8, 16, 32});
  EXPECT_EQ(gradient(a), (Floats{1 + 4, 8 + 32}));
  EXPECT_EQ(gradient(b), (Floats{2, 16}));
}

TEST_F(Autograd, ASliceFirstThenTheWhole) {
  const Tensor x = leaf({1, 2, 3, 4}, {1, 4});
  const Tensor part = relu(ctx, x.slice(1, 3));
  const Tensor whole = relu(ctx, x);
  const Tensor both = ctx.empty_with_grad({1, 6});
  copy_into(ctx, whole, both.slice(0, 4));
  copy_into(ctx, part, both.slice(4, 6));  // its gradient comes back first
  backward(both, {1, 2, 3, 4, 50, 60});
  EXPECT_EQ(gradient(x), (Floats{1, 52, 63, 4}));
}

TEST_F(Autograd, FlattenAndConcatPassGradientsThrough) {
  const Tensor a = leaf({1, 2, 3, 4}, {1, 2, 2, 1}), b = leaf({5, 6, 7, 8}, {1, 2, 2, 1});
  const Tensor flat = flatten(concat(ctx, {a, b}));
  EXPECT_EQ(ctx.to_host(flat), (Floats{1, 5, 2, 6, 3, 7, 4, 8}));
  backward(relu(ctx, flat), {1, 2, 3, 4, 5, 6, 7, 8});
  EXPECT_EQ(gradient(a), (Floats{1, 3, 5, 7}));
  EXPECT_EQ(gradient(b), (Floats{2, 4, 6, 8}));
}

TEST_F(Autograd, BranchesThatReachNoLossAreLeftOut) {
  const Tensor x = leaf({1, 2}, {1, 2}), unused = leaf({1, 2}, {1, 2});
  relu(ctx, unused);
  backward(relu(ctx, x), {1, 1});
  EXPECT_FALSE(unused.grad().defined());
  EXPECT_EQ(ctx.tape.size(), 0U);
}

TEST_F(Autograd, WithoutGradientsNothingIsRecorded) {
  const Tensor x = leaf({1, 2}, {1, 2});
  {
    const GradScope off(ctx, false);
    EXPECT_FALSE(relu(ctx, x).requires_grad());
  }
  EXPECT_FALSE(relu(ctx, x.detach()).requires_grad());
  EXPECT_EQ(ctx.tape.size(), 0U);
  EXPECT_TRUE(ctx.grad_enabled);
}

TEST_F(Autograd, BackwardRefusesInASentence) {
  const Tensor x = leaf({1, 2}, {1, 2});
  const Tensor y = relu(ctx, x);
  EXPECT_THROW(ctx.tape.backward(ctx, y), Error);
  EXPECT_THROW(ctx.tape.backward(ctx, y, ctx.zeros({2, 1})), Error);
  EXPECT_THROW(ctx.tape.backward(ctx, x.detach(), x), Error);
}

TEST_F(Autograd, TenThousandOpsDeepNeedNoStack) {
  const Tensor x = leaf({1, 2, 3}, {1, 3});
  Tensor y = x;
  for (int i = 0; i < 10000; ++i) y = relu(ctx, y);
  EXPECT_EQ(ctx.tape.size(), 10000U);
  backward(y, {1, 2, 3});
  EXPECT_EQ(gradient(x), (Floats{1, 2, 3}));
}

TEST_F(Autograd, AnUnusedDeepTapeIsDroppedWithoutStack) {
  Tensor y = leaf({1}, {1, 1});
  for (int i = 0; i < 10000; ++i) y = relu(ctx, y);
  ctx.tape.clear();
  EXPECT_EQ(ctx.tape.size(), 0U);
}

TEST_F(Autograd, BackwardFreesMemoryAsItProceeds) {
  constexpr std::int64_t kElements = 1 << 18;  // 1 MiB each
  const Tensor x = leaf(Floats(kElements, 1.0F), {1, kElements});
  Tensor y = x;
  for (int i = 0; i < 20; ++i) y = relu(ctx, y);
  const std::size_t before = ctx.allocator().stats().live;
  EXPECT_GE(before, std::size_t{21} << 20U);
  const Tensor dy = ctx.zeros(y.shape());
  ctx.allocator().reset_peak();
  const Tensor last = y;
  y = Tensor();
  ctx.tape.backward(ctx, last, dy);
  // 20 values and as many gradients would be 40 MiB; each step drops a value and a gradient.
  EXPECT_LE(ctx.allocator().stats().peak, before + (std::size_t{4} << 20U));
  EXPECT_LE(ctx.allocator().stats().live, std::size_t{6} << 20U);
}

// Gradients of a convolution behind a batch norm, and the memory held between the passes.
struct RemakeRun {
  Floats dx, dw, dgamma;
  std::size_t live;
};

RemakeRun run_with(Context& ctx, bool remake, bool into_slice) {
  constexpr std::int64_t kSide = 64, kIn = 8, kOut = 4;
  const Shape size{1, kSide, kSide, kIn};
  const auto random = [&](const Shape& shape, std::uint32_t stream) {
    Floats values(static_cast<std::size_t>(shape.count()));
    glorot_uniform(values, 3, 3, Rng(7, RngStream::Test, stream));
    return ctx.from_host(values, shape).require_grad();
  };
  const Tensor x = random(size, 1), gamma = random({kIn}, 2), w = random({kOut, 1, 1, kIn}, 3);
  const Tensor zero = ctx.zeros({kIn});
  BatchNormOptions options;
  options.relu_in = options.relu_out = true;
  options.remake = remake;
  Tensor y;
  {
    Tensor slice;
    if (into_slice) slice = ctx.empty_with_grad({1, kSide, kSide, 2 * kIn}).slice(kIn, 2 * kIn);
    const BatchNormTensors bn{gamma, zero, ctx.zeros({kIn}), ctx.zeros({kIn})};
    y = conv2d(ctx, batch_norm(ctx, x, bn, options, slice), w);
  }
  RemakeRun run;
  run.live = ctx.allocator().stats().live;
  ctx.tape.backward(ctx, y, random(y.shape(), 4));
  run.dx = ctx.to_host(x.grad()), run.dw = ctx.to_host(w.grad());
  run.dgamma = ctx.to_host(gamma.grad());
  return run;
}

TEST_F(Autograd, ValuesMadeAgainGiveTheSameBitsAndAreNotKept) {
  ctx.training = true;
  run_with(ctx, false, false);  // the workspace is there from now on
  const RemakeRun kept = run_with(ctx, false, false), remade = run_with(ctx, true, false);
  EXPECT_EQ(remade.dx, kept.dx);
  EXPECT_EQ(remade.dw, kept.dw);
  EXPECT_EQ(remade.dgamma, kept.dgamma);
  constexpr std::size_t kOutput = std::size_t{64 * 64 * 8} * sizeof(float), kVectors = 1024;
  EXPECT_LE(remade.live + kOutput, kept.live + kVectors);
}

TEST_F(Autograd, AnOutputGivenByTheCallerIsKeptThoughItCouldBeMadeAgain) {
  ctx.training = true;
  run_with(ctx, false, true);
  const RemakeRun kept = run_with(ctx, false, true), asked = run_with(ctx, true, true);
  EXPECT_EQ(asked.dw, kept.dw);
  EXPECT_EQ(asked.live, kept.live);
}

TEST_F(Autograd, PartsOfATensorThatCanBeMadeAgainKeepTheirValues) {
  Tensor x = leaf({1, 2, 3, 4}, {1, 4});
  x.set_remake([](Context&) -> Tensor { throw Error("a part was made from the whole"); });
  const Tensor w = leaf({5, 6}, {1, 2}), flat = leaf({1, 2, 3, 4}, {1, 4});
  backward(linear(ctx, x.slice(1, 3), w), {1});
  EXPECT_EQ(gradient(w), (Floats{2, 3}));
  backward(linear(ctx, x.reshape({2, 2}), w), {1, 10});
  EXPECT_EQ(gradient(w), (Floats{2 + 31, 3 + 42}));
  EXPECT_THROW(backward(linear(ctx, x, flat), {1}), Error);
}

TEST_F(Autograd, AFailingOpLeavesNoHalfRunTape) {
  const Tensor x = leaf({1, 2}, {1, 2});
  const Tensor y = relu(ctx, x);
  KernelTable table = ctx.kernels();
  table.relu_bwd = nullptr;
  ctx.replace_kernels(table);
  EXPECT_THROW(backward(y, {1, 1}), Error);
  EXPECT_EQ(ctx.tape.size(), 0U);
}

}  // namespace
}  // namespace lamella
