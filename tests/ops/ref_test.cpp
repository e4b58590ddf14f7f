// The oracles of gradients (conv2d, linear, bias, batch norm) against central differences of the
// oracles of the forward, all in double: what larger comparisons rest on.
#include <gtest/gtest.h>

#include <functional>

#include "kernels/ref/batch_norm.h"
#include "kernels/ref/conv.h"
#include "kernels/ref/linear.h"
#include "tests/ops/fill.h"
#include "tests/ops/precision.h"

namespace lamella::test {
namespace {

// The gradient of <forward(), dy> by `x`, which forward reads by reference.
Values differences(Values& x, const Values& dy, const std::function<Values()>& forward) {
  constexpr double kStep = 1e-5;
  Values gradient;
  for (double& element : x) {
    const double before = element;
    element = before + kStep;
    const Values above = forward();
    element = before - kStep;
    const Values below = forward();
    element = before;
    double sum = 0;
    for (std::size_t i = 0; i < dy.size(); ++i) sum += (above[i] - below[i]) * dy[i];
    gradient.push_back(sum / (2 * kStep));
  }
  return gradient;
}

TEST(Oracles, ConvolutionGradients) {
  Conv2dShape s{2, 5, 4, 3, 2, 3, 2, 3, 5, 2, 1, 1, 1};
  s.x_pitch = 3, s.y_pitch = 2;
  Values x = random_values(2 * 5 * 4 * 3, 1, 0), w = random_values(2 * 3 * 2 * 3, 1, 1);
  const Values dy = random_values(2 * 3 * 5 * 2, 1, 2);
  const auto forward = [&] {
    Values y(dy.size());
    ref::conv2d_fwd(s, x.data(), w.data(), nullptr, y.data());
    return y;
  };
  Values dx(x.size()), dw(w.size());
  ref::conv2d_bwd(s, x.data(), w.data(), dy.data(), dx.data(), dw.data());
  EXPECT_LT(relative_l2(dx, differences(x, dy, forward)), 1e-8);
  EXPECT_LT(relative_l2(dw, differences(w, dy, forward)), 1e-8);
}

TEST(Oracles, BiasGradient) {
  const Conv2dShape s{1, 2, 3, 1, 2, 1, 1, 2, 3, 1, 1, 0, 0, 1, 2};
  const Values x = random_values(6, 2, 0), w = random_values(2, 2, 1);
  Values bias = random_values(2, 2, 2), db(2);
  const Values dy = random_values(12, 2, 3);
  ref::bias_bwd({6, 2, 2, 2, DType::F32}, dy.data(), db.data());
  EXPECT_LT(relative_l2(db, differences(bias, dy,
                                        [&] {
                                          Values y(dy.size());
                                          ref::conv2d_fwd(s, x.data(), w.data(), bias.data(),
                                                          y.data());
                                          return y;
                                        })),
            1e-8);
}

TEST(Oracles, LinearGradients) {
  const LinearShape s{3, 4, 5, 4, 5, DType::F32};
  Values x = random_values(12, 3, 0), w = random_values(20, 3, 1);
  const Values dy = random_values(15, 3, 2);
  const auto forward = [&] {
    Values y(dy.size());
    ref::linear_fwd(s, x.data(), w.data(), nullptr, y.data());
    return y;
  };
  Values dx(x.size()), dw(w.size());
  ref::linear_bwd(s, x.data(), w.data(), dy.data(), dx.data(), dw.data());
  EXPECT_LT(relative_l2(dx, differences(x, dy, forward)), 1e-8);
  EXPECT_LT(relative_l2(dw, differences(w, dy, forward)), 1e-8);
}

class BatchNormOracle : public testing::TestWithParam<int> {};

TEST_P(BatchNormOracle, Gradients) {
  BatchNormShape s{12, 3, 3, 3};
  s.relu_in = (GetParam() & 1) != 0;
  s.relu_out = (GetParam() & 2) != 0;
  s.training = (GetParam() & 4) != 0;
  Values x = random_values(36, 4, 0), gamma = random_values(3, 4, 1), beta = random_values(3, 4, 2);
  Values mean{0.1, -0.2, 0.3}, var{0.5, 1.5, 1.0};
  const Values dy = random_values(36, 4, 3);
  const auto forward = [&] {
    if (s.training) ref::batch_norm_stats(s, x.data(), mean.data(), var.data());
    Values y(dy.size());
    ref::batch_norm_apply(s, x.data(), mean.data(), var.data(), gamma.data(), beta.data(),
                          y.data());
    return y;
  };
  forward();
  Values sums(6), dx(x.size());
  ref::batch_norm_bwd(s, x.data(), dy.data(), mean.data(), var.data(), gamma.data(), beta.data(),
                      sums.data(), 3, dx.data());
  EXPECT_LT(relative_l2(dx, differences(x, dy, forward)), 1e-7);
  EXPECT_LT(relative_l2({sums[0], sums[1], sums[2]}, differences(beta, dy, forward)), 1e-7);
  EXPECT_LT(relative_l2({sums[3], sums[4], sums[5]}, differences(gamma, dy, forward)), 1e-7);
}

INSTANTIATE_TEST_SUITE_P(ReluAndMode, BatchNormOracle, testing::Range(0, 8));

}  // namespace
}  // namespace lamella::test
