#include "tests/ops/gradient.h"

#include <algorithm>
#include <cmath>
#include <numeric>

#include "engine/rng.h"
#include "tests/ops/fill.h"
#include "tests/ops/precision.h"

namespace lamella::test {
namespace {

constexpr double kStep = 1e-5;
constexpr std::int64_t kElementwise = 160;  // operands of up to so many elements are done whole
constexpr std::int64_t kSample = 24;        // elements of larger ones
constexpr std::uint32_t kDirections = 3;
constexpr std::uint32_t kDirectionStream = 1000;

double dot(const Values& a, const Values& b) {
  return std::inner_product(a.begin(), a.end(), b.begin(), 0.0);
}

// d/dt <ref(in + t u), dy> at 0, where `shift` adds t u to the operands.
template <class Shift>
double difference(const OpCase& test_case, const std::vector<Values>& in, const Values& dy,
                  Shift shift) {
  const auto at = [&](double t) {
    std::vector<Values> moved = in;
    shift(moved, t);
    return test_case.ref(moved);
  };
  // Subtracted element by element: two large sums would lose the digits that matter.
  Values change = at(kStep);
  const Values below = at(-kStep);
  for (std::size_t i = 0; i < change.size(); ++i) change[i] -= below[i];
  return dot(change, dy) / (2 * kStep);
}

std::string check_elements(const OpCase& test_case, const std::vector<Values>& in, const Values& dy,
                           std::size_t which, const Values& found) {
  const auto count = static_cast<std::int64_t>(found.size());
  std::vector<std::int64_t> elements =
      permutation(count, Rng(hash_of(test_case.line), RngStream::Test, kDirectionStream));
  if (count > kElementwise) elements.resize(kSample);
  Values expected, sampled;
  for (const std::int64_t element : elements) {
    const auto e = static_cast<std::size_t>(element);
    expected.push_back(difference(
        test_case, in, dy, [&](std::vector<Values>& moved, double t) { moved[which][e] += t; }));
    sampled.push_back(found[e]);
  }
  // A sampled element may be small beside the whole: errors count against the gradient's own size.
  const double whole = std::sqrt(dot(found, found) / static_cast<double>(count));
  Values error(expected.size());
  std::transform(sampled.begin(), sampled.end(), expected.begin(), error.begin(), std::minus<>());
  const double scale = std::max(std::sqrt(dot(expected, expected)),
                                whole * std::sqrt(static_cast<double>(expected.size())));
  const double relative = std::sqrt(dot(error, error)) / (scale > 0 ? scale : 1.0);
  if (relative <= test_case.tolerance) return "";
  const auto worst = static_cast<std::size_t>(
      std::max_element(error.begin(), error.end(),
                       [](double a, double b) { return std::abs(a) < std::abs(b); }) -
      error.begin());
  return text("gradient of ", test_case.operands[which].name, ": relative error ", relative,
              " against differences; element ", elements[worst], " is ", sampled[worst],
              ", expected ", expected[worst], "\n");
}

std::string check_directions(const OpCase& test_case, const std::vector<Values>& in,
                             const Values& dy, std::size_t which, const Values& found) {
  for (std::uint32_t i = 0; i < kDirections; ++i) {
    const Values u = random_values(static_cast<std::int64_t>(found.size()), hash_of(test_case.line),
                                   kDirectionStream + 1 + i);
    const double expected =
        difference(test_case, in, dy, [&](std::vector<Values>& moved, double t) {
          for (std::size_t e = 0; e < u.size(); ++e) moved[which][e] += t * u[e];
        });
    const double size = std::sqrt(dot(found, found) + expected * expected / dot(u, u));
    const double relative = std::abs(dot(found, u) - expected) / (size > 0 ? size : 1.0);
    if (!(relative <= test_case.tolerance)) {
      return text("gradient of ", test_case.operands[which].name,
                  ": along a random direction it is ", dot(found, u), ", by differences ", expected,
                  " (relative error ", relative, ")\n");
    }
  }
  return "";
}

}  // namespace

std::string check_gradient(const OpCase& test_case, const std::vector<Values>& in, const Values& dy,
                           std::size_t which, const Values& found) {
  if (found.empty()) return "";
  const std::string problem = check_elements(test_case, in, dy, which, found);
  if (!problem.empty() || found.size() <= kElementwise) return problem;
  return check_directions(test_case, in, dy, which, found);
}

}  // namespace lamella::test
