#include "bench/formula_values.h"

namespace lamella::bench {
namespace {

constexpr std::uint64_t kPeriod = 1048571;

const std::vector<float>& table() {
  static const std::vector<float> values = [] {
    std::vector<float> all;
    for (std::uint64_t j = 0; j < kPeriod; ++j) {
      const auto cube = static_cast<std::int64_t>(j * j % kPeriod * j % kPeriod);
      all.push_back(static_cast<float>(cube - static_cast<std::int64_t>(kPeriod / 2)) * 0x1p-19F);
    }
    return all;
  }();
  return values;
}

std::uint64_t seed_of(const std::string& name) {
  std::uint64_t seed = 0;
  for (const char c : name) seed = (seed * 31 + static_cast<unsigned char>(c)) % kPeriod;
  return seed * 7919 % kPeriod;  // names of one letter are far apart too
}

}  // namespace

std::vector<float> formula_values(const std::string& name, std::int64_t count, float around) {
  std::vector<float> values(static_cast<std::size_t>(count));
  std::uint64_t j = seed_of(name);
  for (float& value : values) {
    value = around == 0 ? table()[j] + 0.25F : around + table()[j] / 2;
    j = j + 1 == kPeriod ? 0 : j + 1;
  }
  return values;
}

double formula_projection(const std::vector<float>& values) {
  double sum = 0;
  std::uint64_t j = 0;
  for (const float value : values) {
    sum += static_cast<double>(value) * table()[j];
    j = j + 1 == kPeriod ? 0 : j + 1;
  }
  return sum;
}

}  // namespace lamella::bench
