// Intervals over groups: what is known of them by arithmetic.
#include "train/bootstrap.h"

#include <gtest/gtest.h>

#include <cmath>

#include "engine/errors.h"

namespace lamella {
namespace {

struct Sample {
  std::vector<Prediction> predictions;
  std::vector<std::string> groups;
  void add(const std::string& group, bool right, int images = 1) {
    for (int i = 0; i < images; ++i) {
      predictions.push_back({0, 0, {right ? 1.0F : 0.0F, right ? 0.0F : 1.0F}});
      groups.push_back(group);
    }
  }
  GroupIntervals intervals(std::uint64_t seed = 0) const {
    return group_bootstrap(predictions, groups, 2, seed);
  }
};

// 100 groups of one image, half of them right: the binomial interval is 0.5 +- 1.96 * 0.05.
TEST(Bootstrap, OfSingleImagesIsBinomial) {
  Sample sample;
  for (int i = 0; i < 100; ++i) sample.add(std::to_string(i), i % 2 == 0);
  const GroupIntervals found = sample.intervals();
  EXPECT_EQ(found.groups, 100);
  EXPECT_NEAR(found.accuracy.low, 0.402, 0.015);
  EXPECT_NEAR(found.accuracy.high, 0.598, 0.015);
}

// Ten times the images in the same groups say nothing new: the interval stays as wide.
TEST(Bootstrap, MoreImagesOfAGroupDoNotNarrowIt) {
  Sample one, ten;
  for (int i = 0; i < 50; ++i) {
    one.add(std::to_string(i), i % 2 == 0);
    ten.add(std::to_string(i), i % 2 == 0, 10);
  }
  EXPECT_EQ(one.intervals().accuracy.low, ten.intervals().accuracy.low);
  EXPECT_EQ(one.intervals().accuracy.high, ten.intervals().accuracy.high);
}

TEST(Bootstrap, ASeedDecidesIt) {
  Sample sample;
  for (int i = 0; i < 40; ++i) sample.add(std::to_string(i), i % 3 == 0, 1 + i * i % 7);
  EXPECT_EQ(sample.intervals(1).macro_f1.low, sample.intervals(1).macro_f1.low);
  EXPECT_NE(sample.intervals(1).accuracy.low, sample.intervals(2).accuracy.low);
}

TEST(Bootstrap, OfOneGroupSaysNothing) {
  Sample sample;
  sample.add("a", true, 7);
  EXPECT_EQ(sample.intervals().accuracy.low, 0);
  EXPECT_EQ(sample.intervals().accuracy.high, 1);
  EXPECT_EQ(group_bootstrap({}, {}, 2).groups, 0);
  EXPECT_THROW(group_bootstrap(sample.predictions, {}, 2), Error);
  EXPECT_THROW(group_bootstrap(sample.predictions, sample.groups, 2, 0, 0), Error);
}

}  // namespace
}  // namespace lamella
