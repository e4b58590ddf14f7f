#include "engine/rng.h"

#include <cmath>
#include <numbers>
#include <numeric>
#include <utility>

namespace lamella {

std::uint32_t Rng::next() {
  if (index_ % 4 == 0) block_ = philox(index_ / 4, substream_, stream_, seed_);
  return block_.word[index_++ % 4];
}

double Rng::uniform() {
  return (static_cast<double>(next()) + 0.5) * 0x1p-32;
}

double Rng::normal() {
  const double u1 = uniform();
  const double u2 = uniform();
  return std::sqrt(-2.0 * std::log(u1)) * std::cos(2.0 * std::numbers::pi * u2);
}

std::uint32_t Rng::below(std::uint32_t bound) {
  return static_cast<std::uint32_t>((std::uint64_t{next()} * bound) >> 32U);
}

std::vector<std::int64_t> permutation(std::int64_t count, Rng rng) {
  std::vector<std::int64_t> order(static_cast<std::size_t>(count));
  std::iota(order.begin(), order.end(), 0);
  for (std::size_t i = order.size(); i > 1; --i) {
    std::swap(order[i - 1], order[rng.below(static_cast<std::uint32_t>(i))]);
  }
  return order;
}

namespace {

void fill_normal(std::span<float> w, double std, Rng rng) {
  for (float& value : w) value = static_cast<float>(std * rng.normal());
}

void fill_uniform(std::span<float> w, double bound, Rng rng) {
  for (float& value : w) value = static_cast<float>(rng.uniform(-bound, bound));
}

}  // namespace

void kaiming_normal(std::span<float> w, std::int64_t fan_in, Rng rng) {
  fill_normal(w, std::sqrt(2.0 / static_cast<double>(fan_in)), rng);
}

void kaiming_uniform(std::span<float> w, std::int64_t fan_in, Rng rng) {
  fill_uniform(w, std::sqrt(6.0 / static_cast<double>(fan_in)), rng);
}

void glorot_uniform(std::span<float> w, std::int64_t fan_in, std::int64_t fan_out, Rng rng) {
  fill_uniform(w, std::sqrt(6.0 / static_cast<double>(fan_in + fan_out)), rng);
}

void glorot_normal(std::span<float> w, std::int64_t fan_in, std::int64_t fan_out, Rng rng) {
  fill_normal(w, std::sqrt(2.0 / static_cast<double>(fan_in + fan_out)), rng);
}

void normal(std::span<float> w, double mean, double std, Rng rng) {
  for (float& value : w) value = static_cast<float>(mean + std * rng.normal());
}

void truncated_normal(std::span<float> w, double mean, double std, Rng rng) {
  for (float& value : w) {
    double z = rng.normal();
    while (std::abs(z) > 2.0) z = rng.normal();
    value = static_cast<float>(mean + std * z);
  }
}

void constant(std::span<float> w, float value) {
  for (float& element : w) element = value;
}

}  // namespace lamella
