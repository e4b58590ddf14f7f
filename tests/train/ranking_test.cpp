// Figures drawn from probabilities against scikit-learn's (goldens/make_ranking.py), and what they
// are for inputs that have none.
#include "train/ranking.h"

#include <gtest/gtest.h>

#include <cmath>
#include <fstream>
#include <sstream>

#include "engine/errors.h"
#include "tests/train/golden_numbers.h"
#include "train/calibration.h"

namespace lamella {
namespace {

constexpr double kNear = 1e-12;

void expect_figure(double value, double golden, const char* what) {
  if (std::isnan(golden)) {
    EXPECT_TRUE(std::isnan(value)) << what << ": " << value << ", there is none";
  } else {
    EXPECT_NEAR(value, golden, kNear) << what;
  }
}

std::vector<Prediction> read_predictions(std::istream& in, std::size_t images) {
  std::vector<Prediction> predictions;
  for (std::string line; predictions.size() < images && std::getline(in, line);) {
    std::istringstream words(line);
    Prediction prediction;
    words >> prediction.label;
    for (int k = 0; words >> k;) prediction.probabilities.push_back(static_cast<float>(k) / 64);
    predictions.push_back(prediction);
  }
  return predictions;
}

double cross_entropy(const std::vector<Prediction>& predictions, double temperature) {
  double sum = 0;
  for (const Prediction& prediction : predictions) {
    double highest = -HUGE_VAL, total = 0;
    const auto z = [&](std::size_t c) {
      return std::log(std::max(double{prediction.probabilities[c]}, 1e-38)) / temperature;
    };
    for (std::size_t c = 0; c < prediction.probabilities.size(); ++c) {
      highest = std::max(highest, z(c));
    }
    for (std::size_t c = 0; c < prediction.probabilities.size(); ++c) {
      total += std::exp(z(c) - highest);
    }
    sum += std::log(total) + highest - z(static_cast<std::size_t>(prediction.label));
  }
  return sum / static_cast<double>(predictions.size());
}

void check_case(std::istream& in, std::int64_t classes, std::size_t images) {
  const std::vector<Prediction> predictions = read_predictions(in, images);
  ASSERT_EQ(predictions.size(), images);
  const RankingMetrics metrics = ranking_metrics_of(predictions, classes);
  const auto roc = numbers(in, "auroc"), pr = numbers(in, "auprc"), macro = numbers(in, "macro");
  ASSERT_EQ(metrics.auroc.size(), roc.size());
  for (std::size_t c = 0; c < roc.size(); ++c) {
    expect_figure(metrics.auroc[c], roc[c], "auroc");
    expect_figure(metrics.auprc[c], pr.at(c), "auprc");
  }
  expect_figure(metrics.macro_auroc, macro.at(0), "macro auroc");
  expect_figure(metrics.macro_auprc, macro.at(1), "macro auprc");
  const Calibration calibration = calibration_of(predictions);
  const auto expected = numbers(in, "calibration");
  expect_figure(calibration.expected_error, expected.at(0), "expected calibration error");
  expect_figure(calibration.largest_error, expected.at(1), "largest calibration error");
  expect_figure(calibration.brier, expected.at(2), "brier");
  const double least = numbers(in, "cross_entropy").at(0);
  EXPECT_NEAR(cross_entropy(predictions, fit_temperature(predictions)), least, 1e-9);
}

TEST(Ranking, IsScikitLearns) {
  std::ifstream in(LAMELLA_TRAIN_GOLDENS "/ranking.txt");
  ASSERT_TRUE(in);
  int cases = 0;
  for (std::string line; std::getline(in, line);) {
    if (!line.starts_with("case ")) continue;
    SCOPED_TRACE("case " + std::to_string(++cases));
    std::istringstream words(line.substr(5));
    std::int64_t classes = 0;
    std::size_t images = 0;
    words >> classes >> images;
    check_case(in, classes, images);
  }
  EXPECT_EQ(cases, 58);
}

TEST(Ranking, OfNothingHasNoFigures) {
  const RankingMetrics metrics = ranking_metrics_of({}, 3);
  EXPECT_EQ(metrics.auroc.size(), 3U);
  EXPECT_TRUE(std::isnan(metrics.macro_auroc) && std::isnan(metrics.macro_auprc));
  EXPECT_EQ(calibration_of({}).expected_error, 0);
  EXPECT_EQ(fit_temperature({}), 1);
  EXPECT_TRUE(triage_curve({}).empty());
}

TEST(Ranking, RanksWhatIsNoNumberBelowAll) {
  const std::vector<Prediction> predictions{
      {0, 1, {0.9F, NAN}}, {1, 0, {0.8F, 0.0F}}, {2, 1, {0.1F, 0.5F}}};
  const Ranking ranking = rank_class(predictions, 1);
  ASSERT_EQ(ranking.thresholds.size(), 3U);
  EXPECT_EQ(ranking.thresholds[0].hits, 1);
  EXPECT_EQ(ranking.thresholds[1].false_alarms, 1);
  EXPECT_EQ(ranking.thresholds[2].hits, 2);
  EXPECT_EQ(auroc(ranking), 0.5);
}

TEST(Ranking, RefusesAClassThatIsNotThere) {
  const std::vector<Prediction> predictions{{0, 0, {1.0F}}};
  EXPECT_THROW(rank_class(predictions, 1), Error);
  EXPECT_THROW(rank_class(predictions, -1), Error);
  EXPECT_THROW(calibration_of(predictions, 0), Error);
  EXPECT_THROW(with_temperature(predictions[0].probabilities, 0), Error);
  EXPECT_THROW(with_temperature(predictions[0].probabilities, NAN), Error);
}

TEST(Calibration, ATemperatureChangesNoChoice) {
  const std::vector<float> p{0.2F, 0.5F, 0.3F};
  const std::vector<float> same = with_temperature(p, 1), flat = with_temperature(p, 10);
  for (std::size_t c = 0; c < 3; ++c) EXPECT_NEAR(same[c], p[c], 1e-6);
  EXPECT_EQ(top_class(flat), 1);
  EXPECT_LT(flat[1], 0.36F);
  EXPECT_NEAR(flat[0] + flat[1] + flat[2], 1, 1e-6);
  const std::vector<float> certain = with_temperature(std::vector{1.0F, 0.0F}, 2);
  EXPECT_EQ(certain[0], 1.0F);
}

TEST(Calibration, OfAnEvaluationChangesItsLoss) {
  Evaluation made{{{0, 0, {0.99F, 0.01F}}, {1, 1, {0.9F, 0.1F}}}, 0, Confusion(2)};
  const double before = loss_of(made.predictions), best = fit_temperature(made.predictions);
  EXPECT_GT(best, 1);
  calibrate(made, best);
  EXPECT_LT(made.loss, before);
  EXPECT_EQ(made.loss, loss_of(made.predictions));
  EXPECT_NEAR(fit_temperature(made.predictions), 1, 1e-3);
}

// A network that diverged: every figure is one, or none, and nothing is undefined.
TEST(Calibration, OfWhatIsNoNumberIsWithoutConfidence) {
  const std::vector<Prediction> predictions{{0, 1, {NAN, NAN}}, {1, 0, {0.75F, 0.25F}}};
  EXPECT_EQ(confidence_of(predictions[0]), 0);
  const Calibration calibration = calibration_of(predictions);
  EXPECT_EQ(calibration.bins[0].n, 1);
  EXPECT_TRUE(std::isfinite(calibration.expected_error));
  EXPECT_TRUE(std::isfinite(fit_temperature(predictions)));
  EXPECT_EQ(triage_curve(predictions).back().kept, 2);
  EXPECT_EQ(triage_at(predictions, 0.5).kept, 1);
}

TEST(Triage, KeepsTheConfidentOnes) {
  const std::vector<Prediction> predictions{
      {0, 0, {0.9F, 0.1F}}, {1, 1, {0.75F, 0.25F}}, {2, 1, {0.25F, 0.75F}}, {3, 1, {0.5F, 0.5F}}};
  const std::vector<Triage> curve = triage_curve(predictions);
  ASSERT_EQ(curve.size(), 3U);
  EXPECT_EQ(curve[0].kept, 1);
  EXPECT_EQ(curve[0].accuracy, 1);
  EXPECT_EQ(curve[1].kept, 3);
  EXPECT_DOUBLE_EQ(curve[1].accuracy, 2.0 / 3);
  EXPECT_EQ(curve[2].share, 1);
  EXPECT_DOUBLE_EQ(curve[2].accuracy, 0.5);
  const Triage at = triage_at(predictions, 0.75);
  EXPECT_EQ(at.kept, 3);
  EXPECT_DOUBLE_EQ(at.share, 0.75);
  EXPECT_EQ(triage_at(predictions, 0.95).kept, 0);
  EXPECT_EQ(triage_at(predictions, 0.95).accuracy, 0);
}

}  // namespace
}  // namespace lamella
