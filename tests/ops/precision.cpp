#include "tests/ops/precision.h"

#include <algorithm>
#include <cmath>
#include <limits>

#include "engine/errors.h"
#include "kernels/half.h"

namespace lamella::test {
namespace {

constexpr double kMostOutside = 0.001;  // share of elements beyond one unit in the last place

int fraction_bits(DType dtype) {
  return dtype == DType::BF16 ? 7 : dtype == DType::F16 ? 10 : 23;
}
int least_exponent(DType dtype) {
  return dtype == DType::F16 ? -14 : -126;
}

std::string farthest(const Values& found, const Values& expected) {
  std::size_t worst = 0;
  const auto distance = [&](std::size_t i) { return std::abs(found[i] - expected[i]); };
  for (std::size_t i = 0; i < found.size(); ++i) {
    if (std::isnan(distance(worst))) break;
    if (!(distance(i) <= distance(worst))) worst = i;
  }
  return text("element ", worst, " is ", found[worst], ", expected ", expected[worst]);
}

// How many elements are off by more than a unit in the last place and than `slack`.
std::int64_t count_outside(const Values& found, const Values& expected, DType dtype, double slack) {
  std::int64_t outside = 0;
  for (std::size_t i = 0; i < found.size(); ++i) {
    const double most = std::max(unit_in_last_place(expected[i], dtype), slack);
    if (!(std::abs(found[i] - expected[i]) <= most)) ++outside;
  }
  return outside;
}

}  // namespace

double rounded(double value, DType dtype) {
  const auto single = static_cast<float>(value);
  if (dtype == DType::BF16) return static_cast<double>(static_cast<float>(Bf16(single)));
  if (dtype == DType::F16) return static_cast<double>(static_cast<float>(F16(single)));
  return static_cast<double>(single);
}

void round_to(DType dtype, Values& values) {
  for (double& value : values) value = rounded(value, dtype);
}

double unit_in_last_place(double value, DType dtype) {
  const int exponent = value == 0 ? least_exponent(dtype) : std::ilogb(value);
  return std::ldexp(1.0, std::max(exponent, least_exponent(dtype)) - fraction_bits(dtype));
}

double tolerance_of(const OpCase& test_case, DType dtype) {
  const double stored = dtype == DType::BF16 ? 3e-3 : dtype == DType::F16 ? 4e-4 : 0;
  return std::max(test_case.tolerance, stored);
}

double relative_l2(const Values& found, const Values& expected) {
  double error = 0, size = 0;
  for (std::size_t i = 0; i < expected.size(); ++i) {
    error += (found[i] - expected[i]) * (found[i] - expected[i]);
    size += expected[i] * expected[i];
  }
  return std::sqrt(size > 0 ? error / size : error);
}

std::string compare(const OpCase& test_case, const std::string& name, const Values& found,
                    const Values& expected, DType dtype) {
  Values nearest = expected;
  if (dtype != DType::F32) round_to(dtype, nearest);
  const double error = relative_l2(found, nearest);
  if (!(error <= tolerance_of(test_case, dtype))) {
    return text(name, ": relative L2 error ", error, "; ", farthest(found, nearest), "\n");
  }
  if (dtype == DType::F32 || found.empty()) return "";
  double square = 0;
  for (const double value : expected) square += value * value;
  const double size = std::sqrt(square / static_cast<double>(expected.size()));
  const std::int64_t outside = count_outside(found, nearest, dtype, size * test_case.tolerance);
  if (static_cast<double>(outside) <= kMostOutside * static_cast<double>(found.size())) return "";
  return text(name, ": ", outside, " of ", found.size(),
              " elements are off by more than a unit in the last place of ", name_of(dtype), "; ",
              farthest(found, nearest), "\n");
}

}  // namespace lamella::test
