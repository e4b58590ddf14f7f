// Shapes, slices, reshapes and copies between host and device.
#include "engine/tensor.h"

#include <gtest/gtest.h>

#include <cmath>
#include <numeric>
#include <string>

#include "engine/context.h"

namespace lamella {
namespace {

std::vector<float> counting(std::size_t count) {
  std::vector<float> values(count);
  std::iota(values.begin(), values.end(), 0.0F);
  return values;
}

TEST(Shape, CountsAndPrints) {
  const Shape shape{2, 3, 4, 5};
  EXPECT_EQ(shape.count(), 120);
  EXPECT_EQ(shape.pixels(), 24);
  EXPECT_EQ(shape.channels(), 5);
  EXPECT_EQ(shape.str(), "2x3x4x5");
  EXPECT_EQ(Shape{}.str(), "scalar");
  EXPECT_EQ(Shape{}.count(), 1);
  EXPECT_EQ((Shape{0, 7}).count(), 0);
}

TEST(Shape, RefusesWhatCannotBe) {
  EXPECT_THROW((Shape{2, -1}), Error);
  EXPECT_THROW((Shape{1LL << 31, 1LL << 31, 1LL << 31}), Error);
  EXPECT_THROW((Shape{1, 1, 1, 1, 1}), Error);
}

TEST(Tensor, SlicesShareMemoryAndKeepThePitch) {
  Context ctx;
  const Tensor whole = ctx.from_host(counting(12), {1, 1, 3, 4});
  const Tensor part = whole.slice(1, 3);
  EXPECT_EQ(part.shape(), (Shape{1, 1, 3, 2}));
  EXPECT_EQ(part.pitch(), 4);
  EXPECT_FALSE(part.dense());
  EXPECT_EQ(ctx.to_host(part), (std::vector<float>{1, 2, 5, 6, 9, 10}));
  EXPECT_EQ(ctx.to_host(part.slice(1, 2)), (std::vector<float>{2, 6, 10}));
  ctx.copy_from_host(std::vector<float>(6, -1.0F), part);
  EXPECT_EQ(ctx.to_host(whole), (std::vector<float>{0, -1, -1, 3, 4, -1, -1, 7, 8, -1, -1, 11}));
}

TEST(Tensor, SlicesOutsideTheChannelsAreRefused) {
  Context ctx;
  const Tensor x = ctx.zeros({2, 4});
  for (const auto& [begin, end] : {std::pair{-1, 2}, {3, 2}, {0, 5}}) {
    try {
      x.slice(begin, end);
      ADD_FAILURE() << begin << ", " << end;
    } catch (const Error& error) {
      EXPECT_NE(std::string(error.what()).find("2x4"), std::string::npos) << error.what();
    }
  }
  EXPECT_EQ(x.slice(2, 2).count(), 0);
}

TEST(Tensor, ReshapeKeepsTheElements) {
  Context ctx;
  const Tensor x = ctx.from_host(counting(24), {2, 3, 2, 2});
  const Tensor y = x.reshape({2, 12});
  EXPECT_EQ(y.data(), x.data());
  EXPECT_EQ(y.pitch(), 12);
  EXPECT_EQ(ctx.to_host(y), counting(24));
  EXPECT_THROW(x.reshape({5, 5}), Error);
  EXPECT_THROW(x.slice(0, 1).reshape({12}), Error);
}

TEST(Tensor, HostCopiesCheckTheirCounts) {
  Context ctx;
  EXPECT_THROW(ctx.from_host(counting(5), {2, 3}), Error);
  EXPECT_THROW(ctx.to_host(Tensor()), Error);
  EXPECT_THROW(ctx.to_host(ctx.zeros({3}, DType::I32)), Error);
  EXPECT_THROW(ctx.item(ctx.zeros({2})), Error);
  EXPECT_EQ(ctx.item(ctx.from_host(std::vector<float>{7}, Shape{})), 7.0F);
  EXPECT_EQ(Tensor().data(), nullptr);
}

TEST(Tensor, PoisonFillsNewTensors) {
  Context::Options options;
  options.poison = true;
  Context ctx(options);
  for (const float value : ctx.to_host(ctx.empty({3, 5}))) EXPECT_TRUE(std::isnan(value));
  for (const float value : ctx.to_host(ctx.zeros({3, 5}))) EXPECT_EQ(value, 0.0F);
}

TEST(Context, RefusesDevicesThatAreNotThere) {
  Context::Options options;
  options.device = "tpu";
  EXPECT_THROW(Context{options}, Error);
  EXPECT_NE(why_unavailable("tpu"), "");
  EXPECT_EQ(why_unavailable("cpu"), "");
  options.device = "cpu";
  options.threads = -1;
  EXPECT_THROW(Context{options}, Error);
}

TEST(Context, AsksTheBackendForTheKernelsOfAChoice) {
  static const KernelTable other{};  // without a single kernel
  static std::string asked;
  Backend backend = find_backend("cpu");
  Context::Options options;
  options.backend = &backend;
  EXPECT_NE(Context(options).kernels().linear_fwd, nullptr);
  options.product = "own";
  EXPECT_THROW(Context{options}, Error) << "where the backend leaves no choice";
  backend.kernels_with = [](const KernelChoice& choice) -> const KernelTable& {
    asked = std::string(choice.convolution) + "," + choice.product;
    return other;
  };
  EXPECT_EQ(Context(options).kernels().linear_fwd, nullptr);
  EXPECT_EQ(asked, ",own");
  options.convolution = "cudnn";
  options.product = "";
  EXPECT_EQ(Context(options).kernels().linear_fwd, nullptr);
  EXPECT_EQ(asked, "cudnn,");
}

}  // namespace
}  // namespace lamella
