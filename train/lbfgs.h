// Minimises a smooth function of many variables: limited-memory BFGS (Liu & Nocedal 1989; Nocedal &
// Wright, Numerical Optimization, 2nd ed., algorithms 7.4 and 7.5). Private to train/.
#pragma once

#include <functional>
#include <vector>

namespace lamella {

struct LbfgsOptions {
  double tolerance = 1e-5;  // of the largest element of the gradient
  int most_iterations = 1000;
  int memory = 10;  // pairs of steps and changes of gradient that are kept
};

struct LbfgsResult {
  double value = 0;
  double gradient = 0;  // its largest element
  int iterations = 0;
  bool converged = false;  // false: no iterations left, or rounding hides what is left to gain
};

// The value at x; writes the gradient, of x's size.
using DifferentiableFunction =
    std::function<double(const std::vector<double>& x, std::vector<double>& gradient)>;

// Starts at x and leaves the minimum there. Steps satisfy Armijo's rule, or near the minimum, where
// rounding hides the decrease, its form in slopes (Hager & Zhang 2005). O(memory x.size()) besides
// the calls of the function, about one an iteration. Deterministic.
LbfgsResult minimise(const DifferentiableFunction& function, std::vector<double>& x,
                     const LbfgsOptions& options = {});

}  // namespace lamella
