#include "train/ranking.h"

#include <algorithm>
#include <cmath>
#include <limits>

#include "engine/errors.h"

namespace lamella {
namespace {

constexpr double kNone = std::numeric_limits<double>::quiet_NaN();

double mean_of_figures(const std::vector<double>& values) {
  double sum = 0, count = 0;
  for (const double value : values) {
    if (std::isnan(value)) continue;
    sum += value;
    ++count;
  }
  return count > 0 ? sum / count : kNone;
}

}  // namespace

Ranking rank_class(std::span<const Prediction> predictions, std::int64_t c) {
  struct Scored {
    double score;
    bool positive;
  };
  std::vector<Scored> scored;
  scored.reserve(predictions.size());
  for (const Prediction& prediction : predictions) {
    const auto classes = static_cast<std::int64_t>(prediction.probabilities.size());
    if (c < 0 || c >= classes) fail("there is no class ", c, " among ", classes);
    const double score = prediction.probabilities[static_cast<std::size_t>(c)];
    scored.push_back({std::isnan(score) ? -HUGE_VAL : score, prediction.label == c});
  }
  std::sort(scored.begin(), scored.end(),
            [](const Scored& a, const Scored& b) { return a.score > b.score; });
  Ranking ranking;
  for (const Scored& one : scored) {
    (one.positive ? ranking.positives : ranking.negatives) += 1;
    if (ranking.thresholds.empty() || ranking.thresholds.back().score != one.score) {
      ranking.thresholds.emplace_back();
    }
    ranking.thresholds.back() = {one.score, ranking.positives, ranking.negatives};
  }
  return ranking;
}

double auroc(const Ranking& ranking) {
  if (ranking.positives == 0 || ranking.negatives == 0) return kNone;
  // Twice the area, in whole numbers: exact whatever the number of images.
  std::int64_t doubled = 0;
  Threshold before;
  for (const Threshold& t : ranking.thresholds) {
    doubled += (t.false_alarms - before.false_alarms) * (t.hits + before.hits);
    before = t;
  }
  return static_cast<double>(doubled) / 2 / static_cast<double>(ranking.positives) /
         static_cast<double>(ranking.negatives);
}

double auprc(const Ranking& ranking) {
  if (ranking.positives == 0) return kNone;
  double sum = 0;
  std::int64_t hits_before = 0;
  for (const Threshold& t : ranking.thresholds) {
    sum += static_cast<double>(t.hits - hits_before) * static_cast<double>(t.hits) /
           static_cast<double>(t.hits + t.false_alarms);
    hits_before = t.hits;
  }
  return sum / static_cast<double>(ranking.positives);
}

RankingMetrics ranking_metrics_of(std::span<const Prediction> predictions, std::int64_t classes) {
  RankingMetrics metrics;
  for (std::int64_t c = 0; c < classes; ++c) {
    const Ranking& ranking = metrics.rankings.emplace_back(rank_class(predictions, c));
    metrics.auroc.push_back(auroc(ranking));
    metrics.auprc.push_back(auprc(ranking));
  }
  metrics.macro_auroc = mean_of_figures(metrics.auroc);
  metrics.macro_auprc = mean_of_figures(metrics.auprc);
  return metrics;
}

}  // namespace lamella
