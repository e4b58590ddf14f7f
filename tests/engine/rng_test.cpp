// Philox against the published known answers, and the distributions made of it.
#include "engine/rng.h"

#include <gtest/gtest.h>

#include <algorithm>
#include <cmath>
#include <functional>
#include <numeric>

namespace lamella {
namespace {

std::vector<std::uint32_t> words(const Philox4& block) {
  return {block.word[0], block.word[1], block.word[2], block.word[3]};
}

// Known answers of philox4x32-10 in Random123 (kat_vectors).
TEST(Philox, KnownAnswers) {
  using Words = std::vector<std::uint32_t>;
  EXPECT_EQ(words(philox(0, 0, 0, 0)), (Words{0x6627e8d5, 0xe169c58d, 0xbc57ac4c, 0x9b00dbd8}));
  const std::uint64_t ones = ~std::uint64_t{0};
  EXPECT_EQ(words(philox(ones, 0xffffffffU, 0xffffffffU, ones)),
            (Words{0x408f276d, 0x41c83b0e, 0xa20bc7c6, 0x6d5451fd}));
  EXPECT_EQ(words(philox(0x85a308d3243f6a88U, 0x13198a2eU, 0x03707344U, 0x299f31d0a4093822U)),
            (Words{0xd16cfe09, 0x94fdcceb, 0x5001e420, 0x24126ea1}));
}

TEST(Rng, WalksThroughTheWordsOfTheCounter) {
  Rng rng(42, RngStream::Test, 7);
  for (std::uint64_t i = 0; i < 9; ++i) {
    const auto block = philox(i / 4, 7, static_cast<std::uint32_t>(RngStream::Test), 42);
    EXPECT_EQ(rng.next(), block.word[i % 4]);
  }
}

TEST(Rng, StreamsAndSubstreamsDiffer) {
  EXPECT_NE(Rng(1, RngStream::Init).next(), Rng(1, RngStream::Shuffle).next());
  EXPECT_NE(Rng(1, RngStream::Init, 0).next(), Rng(1, RngStream::Init, 1).next());
  EXPECT_NE(Rng(1, RngStream::Init).next(), Rng(2, RngStream::Init).next());
}

TEST(Rng, BelowReachesEveryValueAndNoOther) {
  Rng rng(3, RngStream::Test);
  std::vector<int> seen(7);
  for (int i = 0; i < 7000; ++i) ++seen.at(rng.below(7));
  for (const int count : seen) EXPECT_NEAR(count, 1000, 150);
  EXPECT_EQ(rng.below(1), 0U);
}

TEST(Rng, PermutationHoldsEveryIndexOnce) {
  auto order = permutation(1000, Rng(5, RngStream::Shuffle));
  EXPECT_FALSE(std::is_sorted(order.begin(), order.end()));
  std::sort(order.begin(), order.end());
  for (std::size_t i = 0; i < order.size(); ++i) EXPECT_EQ(order[i], static_cast<std::int64_t>(i));
  EXPECT_TRUE(permutation(0, Rng(5, RngStream::Shuffle)).empty());
}

struct Moments {
  double mean = 0, std = 0;
  double largest = 0;  // distance from the mean meant
};

constexpr std::size_t kDraws = 200000;

Moments moments(const std::function<void(std::span<float>)>& fill, double center = 0) {
  std::vector<float> w(kDraws);
  fill(w);
  Moments m;
  for (const float value : w) m.mean += double{value} / kDraws;
  for (const float value : w) m.std += (double{value} - m.mean) * (double{value} - m.mean) / kDraws;
  m.std = std::sqrt(m.std);
  for (const float value : w) m.largest = std::max(m.largest, std::abs(double{value} - center));
  return m;
}

// A mean of n draws is off by std / sqrt(n); 5 of these, and 1 % of the deviation.
void expect_moments(const Moments& m, double mean, double std) {
  EXPECT_NEAR(m.mean, mean, 5 * std / std::sqrt(double{kDraws}));
  EXPECT_NEAR(m.std, std, 0.01 * std);
}

TEST(Initialisers, KaimingNormal) {
  const auto m = moments([](auto w) { kaiming_normal(w, 288, Rng(1, RngStream::Init)); });
  expect_moments(m, 0, std::sqrt(2.0 / 288));
  EXPECT_GT(m.largest, 3.5 * m.std);  // a normal has tails
}

TEST(Initialisers, KaimingUniform) {
  const auto m = moments([](auto w) { kaiming_uniform(w, 24, Rng(1, RngStream::Init)); });
  expect_moments(m, 0, std::sqrt(2.0 / 24));
  EXPECT_LE(m.largest, 1.0001 * std::sqrt(6.0 / 24));
}

TEST(Initialisers, GlorotUniform) {
  const auto m = moments([](auto w) { glorot_uniform(w, 9, 576, Rng(1, RngStream::Init)); });
  expect_moments(m, 0, std::sqrt(2.0 / 585));
  EXPECT_LE(m.largest, 1.0001 * std::sqrt(6.0 / 585));
}

TEST(Initialisers, GlorotNormal) {
  const auto m = moments([](auto w) { glorot_normal(w, 9, 576, Rng(1, RngStream::Init)); });
  expect_moments(m, 0, std::sqrt(2.0 / 585));
  EXPECT_GT(m.largest, 3.5 * m.std);
}

TEST(Initialisers, TruncatedNormalStaysWithinTwoDeviations) {
  const auto m =
      moments([](auto w) { truncated_normal(w, 1.5, 0.1, Rng(1, RngStream::Init)); }, 1.5);
  expect_moments(m, 1.5, 0.1 * 0.87962566);  // the deviation of a normal cut at 2
  EXPECT_LE(m.largest, 0.2001);
}

TEST(Initialisers, ConstantAndRepeatable) {
  std::vector<float> w(5), again(5);
  constant(w, 0.25F);
  EXPECT_EQ(w, std::vector<float>(5, 0.25F));
  kaiming_normal(w, 3, Rng(9, RngStream::Init, 2));
  kaiming_normal(again, 3, Rng(9, RngStream::Init, 2));
  EXPECT_EQ(w, again);
}

}  // namespace
}  // namespace lamella
