#include "train/lbfgs.h"

#include <gtest/gtest.h>

#include <cmath>

namespace lamella {
namespace {

using Vector = std::vector<double>;

// sum of c_i (x_i - i)^2 / 2 with c from 1 to 1000.
double quadratic(const Vector& x, Vector& gradient) {
  double value = 0;
  for (std::size_t i = 0; i < x.size(); ++i) {
    const double c = std::pow(10.0, 3.0 * static_cast<double>(i) / 49);
    const double d = x[i] - static_cast<double>(i);
    value += c * d * d / 2;
    gradient[i] = c * d;
  }
  return value;
}

TEST(Lbfgs, FindsTheMinimumOfAQuadratic) {
  Vector x(50, 0.0);
  const LbfgsResult result = minimise(quadratic, x, {1e-8, 1000, 10});
  EXPECT_TRUE(result.converged);
  EXPECT_LT(result.iterations, 500);
  EXPECT_LE(result.gradient, 1e-8);
  for (std::size_t i = 0; i < x.size(); ++i) EXPECT_NEAR(x[i], static_cast<double>(i), 1e-7);
}

// Rosenbrock's valley: curved, and not convex everywhere.
double valley(const Vector& x, Vector& gradient) {
  const double a = 1 - x[0], b = x[1] - x[0] * x[0];
  gradient = {-2 * a - 400 * x[0] * b, 200 * b};
  return a * a + 100 * b * b;
}

TEST(Lbfgs, GoesRoundTheBend) {
  Vector x = {-1.2, 1};
  const LbfgsResult result = minimise(valley, x, {1e-8, 200, 5});
  EXPECT_TRUE(result.converged);
  EXPECT_NEAR(x[0], 1, 1e-7);
  EXPECT_NEAR(x[1], 1, 1e-7);
}

TEST(Lbfgs, StopsWhereItIsToldToAndSaysSo) {
  Vector x(50, 0.0);
  const LbfgsResult result = minimise(quadratic, x, {1e-8, 3, 10});
  EXPECT_FALSE(result.converged);
  EXPECT_EQ(result.iterations, 3);
  Vector there = {1, 1};
  const LbfgsResult at_once = minimise(valley, there);
  EXPECT_TRUE(at_once.converged);
  EXPECT_EQ(at_once.iterations, 0);
}

// A gradient that lies has no descent to offer: the search ends instead of going on for ever.
TEST(Lbfgs, GivesUpOnAGradientThatLies) {
  Vector x = {0.0};
  int calls = 0;
  const LbfgsResult result = minimise(
      [&](const Vector& at, Vector& gradient) {
        ++calls;
        gradient[0] = -1;
        return at[0];
      },
      x);
  EXPECT_FALSE(result.converged);
  EXPECT_EQ(x[0], 0);
  EXPECT_LT(calls, 100);
}

}  // namespace
}  // namespace lamella
