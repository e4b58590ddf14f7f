#include "tests/ops/fill.h"

#include <limits>

#include "engine/rng.h"

namespace lamella::test {
namespace {

double draw(Fill fill, Rng& rng) {
  const double u = rng.uniform(-1.0, 1.0);
  switch (fill) {
    case Fill::AwayFromZero:
      return u < 0 ? -0.1 + 0.9 * u : 0.1 + 0.9 * u;
    case Fill::LargeMean:
      return 100.0 + u;
    case Fill::Positive:
      return 1.0 + 0.5 * u;
    case Fill::Poison:
      return std::numeric_limits<double>::quiet_NaN();
    default:
      return u;
  }
}

Values make_operand(const Operand& operand, std::int64_t classes, Rng rng) {
  Values values(static_cast<std::size_t>(operand.shape.count()));
  if (operand.fill == Fill::Distinct) {
    const auto order = permutation(operand.shape.count(), rng);
    const auto half = static_cast<double>(values.size()) / 2;
    for (std::size_t i = 0; i < values.size(); ++i) {
      values[i] = static_cast<float>((static_cast<double>(order[i]) - half) * 0.01);
    }
  } else if (operand.fill == Fill::Labels) {
    for (double& value : values) value = rng.below(static_cast<std::uint32_t>(classes));
  } else {
    for (double& value : values) value = static_cast<float>(draw(operand.fill, rng));
  }
  return values;
}

}  // namespace

std::uint64_t hash_of(const std::string& text) {
  std::uint64_t hash = 14695981039346656037ULL;
  for (const char c : text) hash = (hash ^ static_cast<unsigned char>(c)) * 1099511628211ULL;
  return hash;
}

std::vector<Values> make_operands(const OpCase& test_case) {
  const std::uint64_t seed = hash_of(test_case.line);
  std::vector<Values> all;
  for (const Operand& operand : test_case.operands) {
    const auto substream = static_cast<std::uint32_t>(all.size());
    all.push_back(make_operand(operand, test_case.classes, Rng(seed, RngStream::Test, substream)));
  }
  if (test_case.adjust) test_case.adjust(all);
  return all;
}

Values random_values(std::int64_t count, std::uint64_t seed, std::uint32_t substream) {
  Rng rng(seed, RngStream::Test, substream);
  Values values(static_cast<std::size_t>(count));
  for (double& value : values) value = static_cast<float>(rng.uniform(-1.0, 1.0));
  return values;
}

}  // namespace lamella::test
