// How well scores rank the images of one class above all others: what can be said before a
// threshold is chosen. Definitions are scikit-learn's (roc_auc_score, average_precision_score).
#pragma once

#include <cstdint>
#include <span>
#include <vector>

#include "train/evaluate.h"

namespace lamella {

// At one threshold: how many of the images that score at least so much are of the class, and how
// many are not.
struct Threshold {
  double score = 0;
  std::int64_t hits = 0, false_alarms = 0;
};

// One class against the rest.
struct Ranking {
  std::int64_t positives = 0, negatives = 0;
  // From the highest score down, one for each distinct score; the last one lets every image in. A
  // score that is not a number ranks below all others.
  std::vector<Threshold> thresholds;
};

// By the probability of class `c`. Throws Error where a prediction has no such class. O(n log n).
Ranking rank_class(std::span<const Prediction> predictions, std::int64_t c);

// Area under the curve of hit rate over false alarm rate, in [0, 1]: the chance that an image of
// the class scores above another, equal scores counting half. NaN where either kind is missing.
double auroc(const Ranking& ranking);
// Average precision: the sum over thresholds of precision times the hit rate it adds, in [0, 1].
// NaN where there is no image of the class (scikit-learn says 0).
double auprc(const Ranking& ranking);

struct RankingMetrics {
  std::vector<Ranking> rankings;     // of each class against the rest
  std::vector<double> auroc, auprc;  // of these
  // Plain means over the classes for which there is a figure; NaN where there is none.
  double macro_auroc = 0, macro_auprc = 0;
};
RankingMetrics ranking_metrics_of(std::span<const Prediction> predictions, std::int64_t classes);

}  // namespace lamella
