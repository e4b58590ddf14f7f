// Linear heads against minima found in double (goldens/make_heads.py), and the MLP.
#include <gtest/gtest.h>

#include <algorithm>
#include <cmath>
#include <fstream>
#include <sstream>

#include "engine/errors.h"
#include "engine/rng.h"
#include "tests/train/golden_numbers.h"
#include "train/head_choice.h"
#include "train/linear_head.h"

namespace lamella {
namespace {

// Relative L2 error.
double difference(const std::vector<float>& got, const std::vector<double>& golden) {
  if (got.size() != golden.size()) return INFINITY;
  double error = 0, norm = 0;
  for (std::size_t i = 0; i < golden.size(); ++i) {
    error += std::pow(double{got[i]} - golden[i], 2);
    norm += golden[i] * golden[i];
  }
  return std::sqrt(error / norm);
}

void check_minimum(Context& ctx, std::istream& in, const LabelledFeatures& features) {
  std::string kind, line;
  double l2 = 0;
  std::getline(in, line);
  std::istringstream words(line);
  words >> kind >> l2;
  SCOPED_TRACE(line);
  const double objective = numbers(in, "objective").at(0);
  auto w = numbers(in, "w");
  const auto b = numbers(in, "b");
  HeadOptions options;
  options.kind = head_kind(kind);
  // What rounding in f32 lets the solver reach; the default is enough to choose classes.
  options.tolerance = 1e-6;
  const auto heads = train_heads(ctx, features, options, {1, l2});
  const auto& head = dynamic_cast<const LinearHead&>(*heads.at(1));
  EXPECT_NEAR(head.end().objective, objective, 1e-6 * objective);
  std::vector<float> got = head.weight();
  got.insert(got.end(), head.bias().begin(), head.bias().end());
  w.insert(w.end(), b.begin(), b.end());
  EXPECT_LE(difference(got, w), 3e-3);  // a gradient of 1e-6 leaves 1e-6/l2 at most
}

TEST(LinearHeads, FindTheMinimaThatScipyFinds) {
  std::ifstream in(LAMELLA_TRAIN_GOLDENS "/heads.txt");
  ASSERT_TRUE(in);
  Context ctx;
  int cases = 0;
  for (std::string line; std::getline(in, line);) {
    if (!line.starts_with("case ")) continue;
    SCOPED_TRACE(line);
    ++cases;
    LabelledFeatures features;
    std::istringstream words(line.substr(5));
    std::int64_t count = 0;
    words >> count >> features.width >> features.classes;
    const auto x = numbers(in, "x"), labels = numbers(in, "labels");
    features.x.assign(x.begin(), x.end());
    for (const double label : labels) features.labels.push_back(static_cast<std::int32_t>(label));
    ASSERT_EQ(features.count(), count);
    for (int minimum = 0; minimum < 4; ++minimum) check_minimum(ctx, in, features);
  }
  EXPECT_EQ(cases, 3);
}

// `count` samples of 3 classes around their own centres; feature 4 is constant.
LabelledFeatures clusters(std::int64_t count, std::uint64_t seed) {
  LabelledFeatures features{5, 3, {}, {}};
  Rng rng(seed, RngStream::Test);
  for (std::int64_t n = 0; n < count; ++n) {
    const auto label = static_cast<std::int32_t>(n % 3);
    for (int d = 0; d < 4; ++d) {
      const double centre = d == label ? 300.0 : 100.0;
      features.x.push_back(static_cast<float>(centre + 40 * rng.normal()));
    }
    features.x.push_back(7);
    features.labels.push_back(label);
  }
  return features;
}

double accuracy(const std::vector<float>& scores, const LabelledFeatures& features) {
  std::int64_t right = 0;
  for (std::int64_t n = 0; n < features.count(); ++n) {
    const auto row = scores.begin() + n * features.classes;
    right += std::max_element(row, row + features.classes) - row ==
             features.labels[static_cast<std::size_t>(n)];
  }
  return static_cast<double>(right) / static_cast<double>(features.count());
}

class EveryHead : public testing::TestWithParam<HeadKind> {};

TEST_P(EveryHead, LearnsClustersAndGivesTheSameBitsAgain) {
  const LabelledFeatures train = clusters(90, 1), test = clusters(60, 2);
  HeadOptions options;
  options.kind = GetParam();
  std::vector<float> scores[2];
  for (auto& of_run : scores) {
    Context ctx;
    const StandardisedHead trained = train_head(ctx, train, options, 0.01);
    EXPECT_EQ(trained.standardiser.constants(), 1);
    EXPECT_TRUE(trained.head->end().converged);
    of_run = trained.scores(ctx, test.x);
  }
  EXPECT_GE(accuracy(scores[0], test), 0.95);
  EXPECT_EQ(scores[0], scores[1]);
}

TEST_P(EveryHead, RefusesWhatItCannotTrainOn) {
  Context ctx;
  HeadOptions options;
  options.kind = GetParam();
  LabelledFeatures features = clusters(9, 1);
  EXPECT_THROW(train_heads(ctx, {5, 3, {}, {}}, options, {1}), Error);
  EXPECT_THROW(train_heads(ctx, features, options, {-1}), Error);
  features.labels[4] = 3;
  EXPECT_THROW(train_heads(ctx, features, options, {1}), Error);
}

INSTANTIATE_TEST_SUITE_P(Kinds, EveryHead,
                         testing::Values(HeadKind::Softmax, HeadKind::Svm, HeadKind::Mlp));

TEST(LinearHeads, FoldTheStandardisationIntoWeightsAndBias) {
  Context ctx;
  const LabelledFeatures train = clusters(60, 1), test = clusters(30, 2);
  const StandardisedHead trained = train_head(ctx, train, {}, 0.003);
  const LinearHead raw =
      dynamic_cast<const LinearHead&>(*trained.head).unstandardised(trained.standardiser);
  const std::vector<float> a = trained.scores(ctx, test.x), b = raw.scores(ctx, test.x);
  for (std::size_t i = 0; i < a.size(); ++i) EXPECT_NEAR(a[i], b[i], 1e-4 * (1 + std::abs(a[i])));
}

// A strong penalty leaves only the biases: the frequencies of the classes.
TEST(LinearHeads, WithAStrongPenaltySayTheFrequenciesOfTheClasses) {
  Context ctx;
  LabelledFeatures features = clusters(30, 1);
  for (std::size_t n = 0; n < 15; ++n) features.labels[n] = 0;
  const StandardisedHead trained = train_head(ctx, features, {}, 1e6);
  const std::vector<float> scores = trained.scores(ctx, {100, 100, 100, 100, 7});
  EXPECT_NEAR(scores[0] - scores[1], std::log(20.0 / 5.0), 1e-3);
}

TEST(HeadChoice, CountsEverySampleOnceAndPrefersWhatGeneralises) {
  Context ctx;
  // 40 of 60 are of class 0: with a strong penalty every sample is said to be.
  const LabelledFeatures even = clusters(120, 3);
  std::vector<std::size_t> rows;
  for (std::size_t n = 0; n < 120; ++n) {
    if (n % 3 == 0 || n % 12 < 3) rows.push_back(n);
  }
  const LabelledFeatures features = even.rows(rows);
  std::vector<int> fold;
  for (std::size_t n = 0; n < rows.size(); ++n) fold.push_back(static_cast<int>(n % 4));
  const HeadChoice choice = choose_l2(ctx, features, fold, {}, {0.01, 1e5});
  ASSERT_EQ(choice.strengths.size(), 2U);
  EXPECT_EQ(choice.strengths[0].l2, 1e5) << "strongest first";
  for (const StrengthScore& strength : choice.strengths) {
    EXPECT_EQ(strength.confusion.images(), 60);
    EXPECT_EQ(strength.unconverged, 0);
  }
  EXPECT_EQ(choice.l2, 0.01);
  EXPECT_GE(choice.strengths[1].metrics.accuracy, 0.9);
  EXPECT_THROW(choose_l2(ctx, features, fold, {}, {}), Error);
  EXPECT_THROW(choose_l2(ctx, features, fold, {}, {1}, [] { return true; }), Error);
}

}  // namespace
}  // namespace lamella
