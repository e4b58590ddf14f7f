#include "tests/models/golden_values.h"

#include <array>
#include <cmath>
#include <cstddef>

#include "engine/rng.h"

namespace lamella::golden {

std::uint64_t seed_of(const std::string& name) {
  std::uint64_t hash = 0xCBF29CE484222325U;
  for (const char c : name) hash = (hash ^ static_cast<unsigned char>(c)) * 0x100000001B3U;
  return hash;
}

std::vector<float> values(const std::string& name, std::int64_t count, double low, double high) {
  Rng rng(seed_of(name), RngStream::Test);
  std::vector<float> result(static_cast<std::size_t>(count));
  for (float& value : result) value = static_cast<float>(rng.uniform(low, high));
  return result;
}

std::vector<float> parameter_values(const std::string& model, const Parameter& parameter) {
  const Shape& shape = parameter.tensor.shape();
  const std::string name = model + "/" + parameter.name;
  switch (parameter.kind) {
    case ParameterKind::Weight: {
      const double bound = std::sqrt(3.0 / static_cast<double>(shape.count() / shape[0]));
      return values(name, shape.count(), -bound, bound);
    }
    case ParameterKind::Scale:
    case ParameterKind::RunningVar:
      return values(name, shape.count(), 0.5, 1.5);
    case ParameterKind::Bias:
    case ParameterKind::Shift:
    case ParameterKind::RunningMean:
      break;
  }
  return values(name, shape.count(), -0.2, 0.2);
}

std::vector<double> sketch(std::span<const float> values) {
  constexpr std::size_t kWidth = 32;
  Rng signs(seed_of("sketch"), RngStream::Test);
  std::vector<double> sums(kWidth, 0.0);
  for (const float value : values) {
    const std::array<double, 2> signed_value{-double{value}, double{value}};
    const std::uint32_t word = signs.next();
    for (std::size_t j = 0; j < kWidth; ++j) sums[j] += signed_value[(word >> j) & 1U];
  }
  return sums;
}

double relative_error(const std::vector<float>& a, const std::vector<float>& b) {
  double difference = 0, norm = 0;
  for (std::size_t i = 0; i < a.size(); ++i) {
    difference += std::pow(double{a[i]} - double{b[i]}, 2);
    norm += std::pow(double{b[i]}, 2);
  }
  return norm > 0 ? std::sqrt(difference / norm) : std::sqrt(difference);
}

}  // namespace lamella::golden
