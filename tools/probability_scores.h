// What the probabilities of an evaluation say beyond the class they choose, and how sure its
// figures are: told beside scores.h.
#pragma once

#include <optional>
#include <string>
#include <vector>

#include "train/bootstrap.h"
#include "train/calibration.h"
#include "train/ranking.h"
#include "weights/json.h"

namespace lamella::tool {

struct ProbabilityScores {
  RankingMetrics ranking;
  Calibration calibration;
  double temperature = 1;
  GroupIntervals intervals;
  std::string group_source;  // in words
  std::vector<Triage> triage;
  std::optional<Triage> asked;  // at the confidence that was asked for
};

// `groups`: of each prediction.
ProbabilityScores probability_scores(const std::vector<Prediction>& predictions,
                                     const std::vector<std::string>& groups,
                                     const std::string& group_source, std::int64_t classes,
                                     std::optional<double> min_confidence);

// Adds "auroc" and "auprc" (null where there is no figure), "calibration", "intervals" and "triage"
// to what scores_json made.
void add_json(Json& json, const ProbabilityScores& scores);
// The same on stdout, as text.
void print(const ProbabilityScores& scores);

}  // namespace lamella::tool
