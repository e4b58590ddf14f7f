#include "train/lbfgs.h"

#include <algorithm>
#include <cmath>
#include <deque>

namespace lamella {
namespace {

using Vector = std::vector<double>;

double dot(const Vector& a, const Vector& b) {
  double sum = 0;
  for (std::size_t i = 0; i < a.size(); ++i) sum += a[i] * b[i];
  return sum;
}

void add_scaled(Vector& to, double factor, const Vector& from) {
  for (std::size_t i = 0; i < to.size(); ++i) to[i] += factor * from[i];
}

double largest(const Vector& v) {
  double most = 0;
  for (const double value : v) most = std::max(most, std::abs(value));
  return most;
}

// The inverse of the Hessian as far as the last steps tell it.
class InverseHessian {
 public:
  explicit InverseHessian(std::size_t memory) : memory_(memory) {}

  // Of a step and the change of the gradient along it. What curves the wrong way is left out.
  void learn(Vector step, Vector change) {
    const double curvature = dot(step, change);
    if (!(curvature > 1e-12 * dot(change, change))) return;
    if (pairs_.size() == memory_) pairs_.pop_front();
    pairs_.push_back({std::move(step), std::move(change), 1 / curvature});
  }

  // Its product with v: the two loops of algorithm 7.4.
  Vector times(Vector v) const {
    Vector weights(pairs_.size());
    for (std::size_t i = pairs_.size(); i-- > 0;) {
      weights[i] = pairs_[i].rho * dot(pairs_[i].step, v);
      add_scaled(v, -weights[i], pairs_[i].change);
    }
    if (!pairs_.empty()) {
      const Pair& last = pairs_.back();
      const double scale = 1 / (last.rho * dot(last.change, last.change));
      for (double& value : v) value *= scale;
    }
    for (std::size_t i = 0; i < pairs_.size(); ++i) {
      add_scaled(v, weights[i] - pairs_[i].rho * dot(pairs_[i].change, v), pairs_[i].step);
    }
    return v;
  }

  bool empty() const { return pairs_.empty(); }

 private:
  struct Pair {
    Vector step, change;
    double rho;
  };
  std::size_t memory_;
  std::deque<Pair> pairs_;
};

struct Point {
  Vector x, gradient;
  double value = 0;
};

constexpr double kDecrease = 1e-4;  // Armijo's constant
constexpr double kRounding = 1e-7;  // of a value: below it a decrease is not seen
constexpr int kMostHalvings = 30;

// Goes from `from` along `direction` to a point of enough decrease; false where none is found.
bool search(const DifferentiableFunction& function, const Point& from, const Vector& direction,
            double step, Point& to) {
  const double slope = dot(from.gradient, direction);
  if (!(slope < 0)) return false;
  for (int trial = 0; trial < kMostHalvings; ++trial) {
    to.x = from.x;
    add_scaled(to.x, step, direction);
    to.value = function(to.x, to.gradient);
    if (to.value <= from.value + kDecrease * step * slope) return true;
    const bool near = to.value <= from.value + kRounding * std::abs(from.value);
    if (near && dot(to.gradient, direction) <= (2 * kDecrease - 1) * slope) return true;
    // The minimum of the parabola through both values and the slope, kept within bounds.
    const double parabola = -slope * step * step / (2 * (to.value - from.value - slope * step));
    step = std::isfinite(parabola) ? std::clamp(parabola, 0.1 * step, 0.5 * step) : 0.5 * step;
  }
  return false;
}

}  // namespace

LbfgsResult minimise(const DifferentiableFunction& function, Vector& x,
                     const LbfgsOptions& options) {
  Point here{x, Vector(x.size()), 0}, next{x, Vector(x.size()), 0};
  here.value = function(here.x, here.gradient);
  InverseHessian inverse(static_cast<std::size_t>(options.memory));
  LbfgsResult result;
  for (;; ++result.iterations) {
    result.converged = largest(here.gradient) <= options.tolerance;
    if (result.converged || result.iterations == options.most_iterations) break;
    Vector direction = inverse.times(here.gradient);
    for (double& value : direction) value = -value;
    // Before anything is known of the curvature, a step of length 1 at most.
    const double length = std::sqrt(dot(direction, direction));
    const double first = inverse.empty() ? std::min(1.0, 1 / length) : 1.0;
    if (!search(function, here, direction, first, next)) break;
    Vector step = next.x, change = next.gradient;
    add_scaled(step, -1, here.x);
    add_scaled(change, -1, here.gradient);
    inverse.learn(std::move(step), std::move(change));
    std::swap(here, next);
  }
  result.value = here.value;
  result.gradient = largest(here.gradient);
  x = std::move(here.x);
  return result;
}

}  // namespace lamella
