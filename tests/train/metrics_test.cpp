// Metrics against scikit-learn's figures (goldens/make_metrics.py).
#include "train/metrics.h"

#include <gtest/gtest.h>

#include <fstream>
#include <sstream>

#include "engine/errors.h"
#include "tests/train/golden_numbers.h"

namespace lamella {
namespace {

constexpr double kExact = 1e-14;  // the same formulas; the last bit may differ

void expect_scores(const Scores& scores, const std::vector<double>& golden) {
  ASSERT_EQ(golden.size(), 5U);
  EXPECT_NEAR(scores.precision, golden[0], kExact);
  EXPECT_NEAR(scores.recall, golden[1], kExact);
  EXPECT_NEAR(scores.f1, golden[2], kExact);
  EXPECT_NEAR(scores.f2, golden[3], kExact);
  EXPECT_NEAR(scores.f0_5, golden[4], kExact);
}

void check_case(std::istream& in, std::int64_t classes) {
  Confusion confusion(classes);
  std::string line;
  for (std::int64_t truth = 0; truth < classes; ++truth) {
    std::getline(in, line);
    std::istringstream row(line);
    for (std::int64_t predicted = 0, count = 0; row >> count; ++predicted) {
      confusion.add(truth, predicted, count);
    }
  }
  const Metrics metrics = metrics_of(confusion);
  const auto precision = numbers(in, "precision"), recall = numbers(in, "recall"),
             f1 = numbers(in, "f1");
  for (std::size_t c = 0; c < metrics.per_class.size(); ++c) {
    EXPECT_NEAR(metrics.per_class[c].precision, precision.at(c), kExact);
    EXPECT_NEAR(metrics.per_class[c].recall, recall.at(c), kExact);
    EXPECT_NEAR(metrics.per_class[c].f1, f1.at(c), kExact);
  }
  expect_scores(metrics.macro, numbers(in, "macro"));
  expect_scores(metrics.weighted, numbers(in, "weighted"));
  const auto accuracy = numbers(in, "accuracy");
  EXPECT_NEAR(metrics.accuracy, accuracy.at(0), kExact);
  EXPECT_NEAR(metrics.accuracy_low, accuracy.at(1), kExact);
  EXPECT_NEAR(metrics.accuracy_high, accuracy.at(2), kExact);
  EXPECT_NEAR(metrics.balanced_accuracy, accuracy.at(3), kExact);
}

TEST(Metrics, AreScikitLearns) {
  std::ifstream in(LAMELLA_TRAIN_GOLDENS "/metrics.txt");
  ASSERT_TRUE(in);
  int cases = 0;
  for (std::string line; std::getline(in, line);) {
    if (!line.starts_with("case ")) continue;
    SCOPED_TRACE("case " + std::to_string(++cases));
    check_case(in, std::stoll(line.substr(5)));
  }
  EXPECT_EQ(cases, 9);
}

TEST(Metrics, SpecificityCountsTheOthers) {
  Confusion confusion(2);
  confusion.add(0, 0, 5);
  confusion.add(0, 1, 1);
  confusion.add(1, 1, 3);
  confusion.add(1, 0, 1);
  EXPECT_DOUBLE_EQ(metrics_of(confusion).per_class[0].specificity, 3.0 / 4);
  EXPECT_DOUBLE_EQ(metrics_of(confusion).per_class[1].specificity, 5.0 / 6);
}

TEST(Metrics, OfNothingAreNought) {
  const Metrics metrics = metrics_of(Confusion(3));
  EXPECT_EQ(metrics.accuracy, 0);
  EXPECT_EQ(metrics.accuracy_low, 0);
  EXPECT_EQ(metrics.accuracy_high, 1);
  EXPECT_EQ(metrics.macro.f1, 0);
  EXPECT_THROW(Confusion(3).add(3, 0), Error);
  EXPECT_THROW(Confusion(3).add(0, -1), Error);
}

}  // namespace
}  // namespace lamella
