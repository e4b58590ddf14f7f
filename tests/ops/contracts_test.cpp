// What single cases cannot say: conventions by name, and values at the edges of an op's domain.
#include <gtest/gtest.h>

#include <cmath>

#include "engine/rng.h"
#include "kernels/ref/pointwise.h"
#include "tests/ops/contracts.h"

namespace lamella {
namespace {

// Four values 1, 2, 3, 6: mean 3, biased variance 3.5, unbiased 14/3.
TEST_F(Contracts, BatchNormNormalisesWithTheBiasedVariance) {
  Context& ctx = *context;
  ctx.training = true;
  const BatchNormTensors bn{tensor({1}, {1}), tensor({0}, {1}), tensor({0}, {1}), tensor({1}, {1})};
  BatchNormOptions options;
  options.eps = 0.5F;
  const auto y = host(batch_norm(ctx, tensor({1, 2, 3, 6}, {1, 2, 2, 1}), bn, options));
  EXPECT_NEAR(y[0], -1.0, 1e-6);  // (1 - 3) / sqrt(3.5 + 0.5)
  EXPECT_NEAR(y[3], 1.5, 1e-6);
}

TEST_F(Contracts, BatchNormPutsTheUnbiasedVarianceIntoRunningVar) {
  Context& ctx = *context;
  ctx.training = true;
  const BatchNormTensors bn{tensor({1}, {1}), tensor({0}, {1}), tensor({10}, {1}),
                            tensor({2}, {1})};
  BatchNormOptions options;
  options.momentum = 0.25F;
  batch_norm(ctx, tensor({1, 2, 3, 6}, {1, 2, 2, 1}), bn, options);
  EXPECT_NEAR(host(bn.running_mean)[0], 10 + 0.25 * (3 - 10), 1e-5);
  EXPECT_NEAR(host(bn.running_var)[0], 2 + 0.25 * (14.0 / 3 - 2), 1e-5);
}

TEST_F(Contracts, BatchNormInInferenceUsesAndKeepsRunningStatistics) {
  Context& ctx = *context;
  const BatchNormTensors bn{tensor({3}, {1}), tensor({1}, {1}), tensor({2}, {1}), tensor({4}, {1})};
  BatchNormOptions options;
  options.eps = 1e-9F;
  const auto y = host(batch_norm(ctx, tensor({4}, {1, 1, 1, 1}), bn, options));
  EXPECT_NEAR(y[0], 4.0, 1e-5);  // 3 * (4 - 2) / 2 + 1
  EXPECT_EQ(host(bn.running_mean)[0], 2.0F);
  EXPECT_EQ(host(bn.running_var)[0], 4.0F);
}

TEST_F(Contracts, BatchNormVarianceSurvivesAMeanFarFromZero) {
  Context& ctx = *context;
  ctx.training = true;
  std::vector<float> x;
  for (int i = 0; i < 4000; ++i) x.push_back(4096.0F + static_cast<float>(i % 2));
  const BatchNormTensors bn{tensor({1}, {1}), tensor({0}, {1}), tensor({0}, {1}), tensor({1}, {1})};
  BatchNormOptions options;
  options.momentum = 1.0F;
  batch_norm(ctx, tensor(x, {1, 40, 100, 1}), bn, options);
  EXPECT_NEAR(host(bn.running_mean)[0], 4096.5, 1e-3);
  EXPECT_NEAR(host(bn.running_var)[0], 0.25 * 4000 / 3999, 1e-5);
}

// A ReLU passes no gradient where its input is zero, on either side of the normalisation.
TEST_F(Contracts, BatchNormReluAtItsKink) {
  Context& ctx = *context;
  ctx.grad_enabled = ctx.training = true;
  const auto gradients = [&](float gamma, bool relu_in, bool relu_out) {
    Tensor x = tensor({0, 1, 0, 3}, {1, 4, 1, 1}), beta = tensor({0}, {1});
    x.require_grad();
    beta.require_grad();
    const BatchNormTensors tensors{tensor({gamma}, {1}), beta, tensor({0}, {1}), tensor({1}, {1})};
    const Tensor y = batch_norm(ctx, x, tensors, {1e-5F, 0.1F, relu_in, relu_out});
    ctx.tape.backward(ctx, y, tensor({1, 2, 4, 8}, {1, 4, 1, 1}));
    return std::pair(host(x.grad()), host(beta.grad()));
  };
  EXPECT_EQ(gradients(0, false, true).second[0], 0);
  const std::vector<float> dx = gradients(1, true, false).first;
  EXPECT_EQ(dx[0], 0);
  EXPECT_EQ(dx[2], 0);
  EXPECT_NE(dx[1], 0);
}

TEST_F(Contracts, MaxPoolTakesTheFirstOfEqualsAndLetsNaNWin) {
  Context& ctx = *context;
  ctx.grad_enabled = true;
  Tensor x = tensor({5, 5, 5, 5}, {1, 2, 2, 1});
  x.require_grad();
  const Tensor y = max_pool2d(ctx, x, {});
  ctx.tape.backward(ctx, y, tensor({1}, {1, 1, 1, 1}));
  EXPECT_EQ(host(x.grad()), (std::vector<float>{1, 0, 0, 0}));

  Tensor with_nan = tensor({1, kNaN, 7, 2}, {1, 2, 2, 1});
  with_nan.require_grad();
  const Tensor nan = max_pool2d(ctx, with_nan, {});
  EXPECT_TRUE(std::isnan(host(nan)[0]));
  ctx.tape.backward(ctx, nan, tensor({1}, {1, 1, 1, 1}));
  EXPECT_EQ(host(with_nan.grad()), (std::vector<float>{0, 1, 0, 0}));
}

TEST_F(Contracts, MaxPoolPaddingNeverWins) {
  Context& ctx = *context;
  const Tensor x = tensor({-3, -4, -5, -kInf}, {1, 2, 2, 1});
  const auto y = host(max_pool2d(ctx, x, {3, 3, 1, 1, 1, 1}));
  EXPECT_EQ(y, (std::vector<float>{-3, -3, -3, -3}));
  const auto low = host(max_pool2d(ctx, tensor({-kInf}, {1, 1, 1, 1}), {3, 3, 1, 1, 1, 1}));
  EXPECT_EQ(low[0], -kInf);
}

// Where nothing in a window is greater than -infinity, its first element inside the image wins.
TEST_F(Contracts, MaxPoolOfMinusInfinityTakesTheFirst) {
  Context& ctx = *context;
  ctx.grad_enabled = true;
  Tensor x = tensor(std::vector<float>(15, -kInf), {1, 3, 5, 1});
  x.require_grad();
  const Tensor y = max_pool2d(ctx, x, {2, 3, 2, 2, 1, 1});
  ASSERT_EQ(y.shape(), (Shape{1, 2, 3, 1}));
  ctx.tape.backward(ctx, y, tensor({1, 2, 3, 4, 5, 6}, {1, 2, 3, 1}));
  EXPECT_EQ(host(x.grad()), (std::vector<float>{1, 2, 0, 3, 0, 4, 5, 0, 6, 0, 0, 0, 0, 0, 0}));
}

TEST_F(Contracts, ReluAtItsKinkAndAtInfinity) {
  Context& ctx = *context;
  ctx.grad_enabled = true;
  Tensor x = tensor({0, -0.0F, kInf, -kInf}, {1, 1, 1, 4});
  x.require_grad();
  const Tensor y = relu(ctx, x);
  EXPECT_EQ(host(y), (std::vector<float>{0, 0, kInf, 0}));
  ctx.tape.backward(ctx, y, tensor({1, 1, 1, 1}, {1, 1, 1, 4}));
  EXPECT_EQ(host(x.grad()), (std::vector<float>{0, 0, 1, 0}));
}

TEST_F(Contracts, CrossEntropyOfALabelOutsideTheClassesIsNaN) {
  Context& ctx = *context;
  const Tensor logits = tensor({1, 2, 3, 4}, {2, 2});
  for (const std::int32_t label : {2, -1, 1000000000}) {
    // In the first row 2 would name a logit of the second.
    for (const std::vector<std::int32_t>& labels : {std::vector{0, label}, std::vector{label, 0}}) {
      const float loss = ctx.item(softmax_cross_entropy(ctx, logits, ctx.from_host(labels, {2})));
      EXPECT_TRUE(std::isnan(loss)) << label;
    }
  }
}

// Values of torch 2.15's cross_entropy in float64.
TEST_F(Contracts, CrossEntropyTakesTheMeanThatTorchTakes) {
  Context& ctx = *context;
  const Tensor logits = tensor({1, 2, 3, 0.5F, 0, 1, 2, -1, 0}, {3, 3});
  const std::vector<std::int32_t> classes{2, 0, 1};
  const Tensor labels = ctx.from_host(classes, {3}), weights = tensor({1, 2, 0.5F}, {3});
  const auto loss = [&](const Tensor& targets, const CrossEntropyOptions& options) {
    return ctx.item(softmax_cross_entropy(ctx, logits, targets, options));
  };
  EXPECT_NEAR(loss(labels, {}), 1.5859072, 1e-6);
  EXPECT_NEAR(loss(labels, {weights, 0}), 2.2067899, 1e-6);
  EXPECT_NEAR(loss(labels, {weights, 0.2F}), 2.1064229, 1e-6);
  const Tensor soft = tensor({0.2F, 0.3F, 0.5F, 1, 0, 0, 0.25F, 0.25F, 0.5F}, {3, 3});
  EXPECT_NEAR(loss(soft, {weights, 0.2F}), 1.6719833, 1e-6);
}

// As of torch: what no target asks for may be impossible.
TEST_F(Contracts, CrossEntropyOfAnImpossibleClassThatIsNoTargetIsFinite) {
  Context& ctx = *context;
  const std::vector<std::int32_t> labels{0};
  const Tensor logits = tensor({1, 1, -kInf}, {1, 3});
  const float loss = ctx.item(softmax_cross_entropy(ctx, logits, ctx.from_host(labels, {1})));
  EXPECT_NEAR(loss, std::log(2.0), 1e-6);
}

TEST_F(Contracts, SoftmaxOfLogitsFarApartStaysFinite) {
  Context& ctx = *context;
  const auto p = host(softmax(ctx, tensor({1e30F, -1e30F, 0, 88, 89, 90}, {2, 3})));
  EXPECT_EQ(p[0], 1.0F);
  EXPECT_EQ(p[1], 0.0F);
  EXPECT_NEAR(p[5], 1 / (1 + std::exp(-1.0) + std::exp(-2.0)), 1e-6);
  const std::vector<std::int32_t> labels{1};
  const Tensor far = tensor({500, -500}, {1, 2});
  EXPECT_NEAR(ctx.item(softmax_cross_entropy(ctx, far, ctx.from_host(labels, {1}))), 1000, 1e-3);
}

TEST_F(Contracts, DropoutMaskDoesNotDependOnPitch) {
  Context& ctx = *context;
  ctx.training = true;
  ctx.seed = 11;
  ctx.step = 4;
  const std::vector<float> ones(65 * 6, 1.0F);
  const Tensor dense = tensor(ones, {1, 5, 13, 6});
  const Tensor wide = ctx.zeros({1, 5, 13, 11});
  ctx.copy_from_host(ones, wide.slice(3, 9));
  const Tensor out = ctx.zeros({1, 5, 13, 7});
  const auto a = host(dropout(ctx, dense, 0.4F, 3));
  EXPECT_EQ(a, host(dropout(ctx, wide.slice(3, 9), 0.4F, 3)));
  EXPECT_EQ(a, host(dropout(ctx, dense, 0.4F, 3, out.slice(1, 7))));
  EXPECT_NE(a, host(dropout(ctx, dense, 0.4F, 4)));
  ctx.step = 5;
  EXPECT_NE(a, host(dropout(ctx, dense, 0.4F, 3)));
}

TEST_F(Contracts, DropoutKeepsTheElementsThatPhiloxNames) {
  Context& ctx = *context;
  ctx.training = true;
  ctx.seed = 0x123456789abcdefULL;
  ctx.step = 6;
  const std::vector<float> ones(1003, 1.0F);
  const auto y = host(dropout(ctx, tensor(ones, {1003}), 0.25F, 8));
  const DropoutKey key{ctx.seed, 6, 8, 0xC0000000U, 1.0F};
  for (std::size_t i = 0; i < y.size(); ++i) {
    EXPECT_EQ(y[i] != 0, ref::dropout_keeps(key, i)) << "element " << i;
  }
}

TEST_F(Contracts, DropoutOutsideTrainingReturnsItsInput) {
  Context& ctx = *context;
  const Tensor x = tensor({1, 2, 3}, {3});
  EXPECT_EQ(dropout(ctx, x, 0.5F, 0).data(), x.data());
  ctx.training = true;
  EXPECT_EQ(dropout(ctx, x, 0.0F, 0).data(), x.data());
}

TEST_F(Contracts, EmptyTensorsAreLeftAlone) {
  Context& ctx = *context;
  EXPECT_EQ(host(relu(ctx, ctx.empty({0, 4, 4, 3}))).size(), 0U);
  EXPECT_EQ(host(add(ctx, ctx.empty({0, 4}), ctx.empty({0, 4}))).size(), 0U);
  EXPECT_EQ(host(linear(ctx, ctx.empty({0, 4}), ctx.zeros({2, 4}))).size(), 0U);
  EXPECT_EQ(host(conv2d(ctx, ctx.empty({0, 4, 4, 3}), ctx.zeros({2, 3, 3, 3}))).size(), 0U);
  EXPECT_EQ(host(max_pool2d(ctx, ctx.empty({0, 4, 4, 3}), {})).size(), 0U);
  EXPECT_EQ(host(softmax(ctx, ctx.empty({0, 3}))).size(), 0U);
}

// norm_conv2d, fused or not, against batch_norm and conv2d: the result, the running statistics and
// all gradients.
TEST_F(Contracts, NormConvIsBatchNormThenConvolution) {
  Context& ctx = *context;
  ctx.grad_enabled = true;
  const BatchNormOptions norm{1e-3F, 0.2F, false, true};
  const Conv2dOptions conv{1, 2, 1, 0};
  Rng rng(7, RngStream::Test);
  const auto random = [&](const Shape& shape) {
    std::vector<float> values(static_cast<std::size_t>(shape.count()));
    for (float& value : values) value = static_cast<float>(rng.uniform(-1, 1));
    return tensor(values, shape);
  };
  const std::vector<Tensor> inputs = {random({2, 6, 7, 12}), random({12}), random({12}),
                                      random({8, 3, 1, 12})};
  const Tensor dy = random({2, 6, 4, 8});
  for (const bool training : {true, false}) {
    ctx.training = training;
    std::vector<std::vector<float>> found[2];
    for (const bool together : {false, true}) {
      std::vector<Tensor> in;
      for (const Tensor& input : inputs) {
        in.push_back(tensor(host(input), input.shape()));
        in.back().require_grad();
      }
      const BatchNormTensors bn{in[1], in[2], tensor(std::vector<float>(12, 0.1F), {12}),
                                tensor(std::vector<float>(12, 0.8F), {12})};
      const Tensor y = together ? norm_conv2d(ctx, in[0], bn, norm, in[3], conv)
                                : conv2d(ctx, batch_norm(ctx, in[0], bn, norm), in[3], {}, conv);
      ctx.tape.backward(ctx, y, dy);
      found[together] = {host(y), host(bn.running_mean), host(bn.running_var)};
      for (const Tensor& input : in) found[together].push_back(host(input.grad()));
    }
    for (std::size_t which = 0; which < found[0].size(); ++which) {
      for (std::size_t i = 0; i < found[0][which].size(); ++i) {
        ASSERT_NEAR(found[0][which][i], found[1][which][i], 2e-5)
            << "tensor " << which << ", element " << i << ", training " << training;
      }
    }
  }
}

// The kernels themselves, which another caller than the engine may ask for nothing.
TEST_F(Contracts, KernelsWithoutWorkWriteNothing) {
  Context& ctx = *context;
  const KernelTable& kernels = ctx.kernels();
  const KernelContext& kernel_context = ctx.kernel_context();
  const Tensor out = tensor({7, 7}, {2}), in = tensor({1, 2}, {2});
  const auto* x = in.as<float>();
  auto* y = out.as<float>();
  kernels.softmax_cross_entropy_fwd(kernel_context, {0, 2, 2, DType::F32}, {}, x, y, y + 1,
                                    nullptr);
  kernels.bias_bwd(kernel_context, {0, 2, 2, 2, DType::F32}, x, y, Write::Set);
  kernels.global_avg_pool_fwd(kernel_context, {1, 0, 2, 2, 2, DType::F32}, x, y);
  kernels.batch_norm_stats(kernel_context, {0, 2, 2, 2}, x, y, y + 1);
  const BatchNormShape no_pixel{0, 1, 1, 1};
  kernels.batch_norm_apply(kernel_context, no_pixel, x, x, x, x, x, y);
  kernels.batch_norm_bwd_reduce(kernel_context, no_pixel, x, x, x, x, x, x, y);
  kernels.batch_norm_bwd_apply(kernel_context, no_pixel, x, x, x, x, x, x, x, 1, y, Write::Set);
  kernels.batch_norm_bwd_shared(kernel_context, no_pixel, x, x, x, x, x, x, y, 1, y, 1, y,
                                Write::Set);
  kernels.batch_norm_stats_bwd(kernel_context, no_pixel, x, x, x, 1, x, 1, y, Write::Set);
  kernels.bias_fwd(kernel_context, {0, 2, 2, 2, DType::F32}, x, x, y);
  kernels.linear_bwd_weight(kernel_context, {0, 1, 2, 1, 2, DType::F32}, x, x, y, Write::Set);
  Conv2dShape conv;
  conv.H = conv.W = conv.C = conv.R = conv.S = conv.P = conv.Q = conv.x_pitch = 1;
  conv.K = conv.y_pitch = 2;
  kernels.conv2d_bwd_weight(kernel_context, conv, x, x, y, Write::Set);
  if (kernels.norm_conv2d_bwd_weight != nullptr) {
    kernels.norm_conv2d_bwd_weight(kernel_context, {conv}, x, x, x, x, x, x, y, Write::Set);
  }
  EXPECT_EQ(host(out), (std::vector<float>{7, 7}));
}

}  // namespace
}  // namespace lamella
