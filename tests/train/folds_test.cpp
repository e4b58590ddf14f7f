// Folds and the standardiser.
#include "train/folds.h"

#include <gtest/gtest.h>

#include <cmath>
#include <map>
#include <set>

#include "engine/errors.h"
#include "engine/rng.h"
#include "train/standardiser.h"

namespace lamella {
namespace {

struct Samples {
  std::vector<std::int32_t> labels;
  std::vector<std::string> groups;
};

// Groups of 1 to 9 samples; one in five has a few samples of another class.
Samples random_samples(std::uint64_t seed, std::uint32_t groups, std::uint32_t classes) {
  Rng rng(seed, RngStream::Test);
  Samples samples;
  for (std::uint32_t g = 0; g < groups; ++g) {
    const auto label = static_cast<std::int32_t>(rng.below(classes));
    const bool mixed = rng.below(5) == 0;
    for (std::uint32_t i = rng.below(9) + 1; i > 0; --i) {
      samples.labels.push_back(mixed && i == 1 ? 0 : label);
      samples.groups.push_back("g" + std::to_string(g));
    }
  }
  return samples;
}

TEST(Folds, KeepGroupsTogetherAndLeaveNoFoldEmpty) {
  for (std::uint64_t seed = 0; seed < 50; ++seed) {
    const int folds = static_cast<int>(2 + seed % 9);
    const Samples samples = random_samples(
        seed, static_cast<std::uint32_t>(folds) + static_cast<std::uint32_t>(seed), 4);
    const std::vector<int> fold = grouped_folds(samples.labels, samples.groups, folds, seed);
    ASSERT_EQ(fold.size(), samples.labels.size()) << "every sample once";
    std::map<std::string, std::set<int>> of_group;
    std::set<int> used;
    for (std::size_t i = 0; i < fold.size(); ++i) {
      ASSERT_GE(fold[i], 0);
      ASSERT_LT(fold[i], folds);
      of_group[samples.groups[i]].insert(fold[i]);
      used.insert(fold[i]);
    }
    for (const auto& [group, in] : of_group) EXPECT_EQ(in.size(), 1U) << group;
    EXPECT_EQ(used.size(), static_cast<std::size_t>(folds));
    EXPECT_EQ(fold, grouped_folds(samples.labels, samples.groups, folds, seed));
  }
}

TEST(Folds, SpreadClassesEvenly) {
  Samples samples;
  for (int i = 0; i < 120; ++i) {
    samples.labels.push_back(i % 3);
    samples.groups.push_back(std::to_string(i));
  }
  const std::vector<int> fold = grouped_folds(samples.labels, samples.groups, 5, 1);
  std::map<std::pair<int, int>, int> count;
  for (std::size_t i = 0; i < fold.size(); ++i) ++count[{fold[i], samples.labels[i]}];
  EXPECT_EQ(count.size(), 15U);
  for (const auto& [cell, n] : count) EXPECT_EQ(n, 8);
  EXPECT_NE(fold, grouped_folds(samples.labels, samples.groups, 5, 2)) << "the seed decides";
}

TEST(Folds, RefuseFewerGroupsThanFolds) {
  EXPECT_THROW(grouped_folds({0, 1, 0}, {"a", "a", "b"}, 3, 0), Error);
  EXPECT_THROW(grouped_folds({0, 1}, {"a", "b"}, 1, 0), Error);
  EXPECT_THROW(grouped_folds({}, {}, 2, 0), Error);
}

TEST(Standardiser, GivesMeanNoughtAndDeviationOne) {
  Rng rng(5, RngStream::Test);
  std::vector<float> x;
  for (int n = 0; n < 200; ++n) {
    x.push_back(static_cast<float>(1e4 + rng.normal()));
    x.push_back(static_cast<float>(1e-5 * rng.normal()));
    x.push_back(0.1F);  // constant, and not exact in f32
  }
  const Standardiser standardiser = Standardiser::of(x, 3);
  EXPECT_EQ(standardiser.constants(), 1);
  EXPECT_EQ(standardiser.scale[2], 0);
  std::vector<float> y = x;
  standardiser.apply(y);
  for (std::size_t d = 0; d < 2; ++d) {
    double sum = 0, squares = 0;
    for (std::size_t i = d; i < y.size(); i += 3) {
      sum += y[i];
      squares += double{y[i]} * double{y[i]};
    }
    EXPECT_NEAR(sum / 200, 0, 1e-3);
    EXPECT_NEAR(squares / 200, 1, 1e-3);
  }
  std::vector<float> other = {0, 0, 55};
  standardiser.apply(other);
  EXPECT_EQ(other[2], 0) << "constant in training: nothing is known of it";
}

}  // namespace
}  // namespace lamella
