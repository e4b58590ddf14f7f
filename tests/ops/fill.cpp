#include "tests/ops/fill.h"

#include <limits>

#include "engine/rng.h"
#include "kernels/half.h"
#include "tests/ops/precision.h"

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

// Number i of many distinct values: a grid of step 0.01 around nought, or, where the 16-bit types
// are to hold them too, all of bf16 from 1/16 up to 128 with both signs, then the same again.
double distinct(std::int64_t i, std::int64_t count, DType dtype) {
  if (dtype == DType::F32) {
    return static_cast<float>((static_cast<double>(i) - static_cast<double>(count) / 2) * 0.01);
  }
  constexpr std::int64_t kFirst = 0x3D80, kCount = 11 * 128;  // bits of 1/16; octaves * fractions
  Bf16 value;
  value.bits = static_cast<std::uint16_t>(kFirst + i / 2 % kCount);
  return static_cast<double>(static_cast<float>(value)) * (i % 2 == 0 ? 1 : -1);
}

Values make_operand(const Operand& operand, std::int64_t classes, DType dtype, Rng rng) {
  Values values(static_cast<std::size_t>(operand.shape.count()));
  if (operand.fill == Fill::Distinct) {
    const auto order = permutation(operand.shape.count(), rng);
    for (std::size_t i = 0; i < values.size(); ++i) {
      values[i] = distinct(order[i], operand.shape.count(), dtype);
    }
  } else if (operand.fill == Fill::Labels || operand.fill == Fill::Bytes) {
    const std::int64_t limit = operand.fill == Fill::Bytes ? 256 : classes;
    for (double& value : values) value = rng.below(static_cast<std::uint32_t>(limit));
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
    all.push_back(make_operand(operand, test_case.classes, dtype_of(test_case, operand),
                               Rng(seed, RngStream::Test, substream)));
  }
  const auto round_all = [&] {
    for (std::size_t i = 0; i < all.size(); ++i) {
      round_to(dtype_of(test_case, test_case.operands[i]), all[i]);
    }
  };
  round_all();
  if (test_case.adjust) test_case.adjust(all);
  round_all();
  return all;
}

Values random_values(std::int64_t count, std::uint64_t seed, std::uint32_t substream) {
  Rng rng(seed, RngStream::Test, substream);
  Values values(static_cast<std::size_t>(count));
  for (double& value : values) value = static_cast<float>(rng.uniform(-1.0, 1.0));
  return values;
}

}  // namespace lamella::test
