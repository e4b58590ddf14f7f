#include "tools/probability_scores.h"

#include <cmath>
#include <cstdio>

namespace lamella::tool {
namespace {

Json to_json(const Interval& interval) {
  return {interval.low, interval.high};
}

Json to_json(const Triage& triage) {
  return {{"confidence", triage.confidence},
          {"kept", triage.kept},
          {"share", triage.share},
          {"accuracy", triage.accuracy}};
}

// Of a curve with a point for each distinct confidence the ones nearest above whole shares of 1
// / 20.
std::vector<Triage> thinned(const std::vector<Triage>& curve) {
  constexpr double kSteps = 20;
  std::vector<Triage> few;
  double next = 1 / kSteps;
  for (const Triage& triage : curve) {
    if (triage.share < next - 1e-12) continue;
    few.push_back(triage);
    next = (std::floor(triage.share * kSteps + 1e-9) + 1) / kSteps;
  }
  return few;
}

std::string figure(double value) {
  char text[32];
  std::snprintf(text, sizeof text, "%.4f", value);
  return std::isnan(value) ? "none" : text;
}

}  // namespace

ProbabilityScores probability_scores(const std::vector<Prediction>& predictions,
                                     const std::vector<std::string>& groups,
                                     const std::string& group_source, std::int64_t classes,
                                     std::optional<double> min_confidence) {
  ProbabilityScores scores;
  scores.ranking = ranking_metrics_of(predictions, classes);
  scores.calibration = calibration_of(predictions);
  scores.temperature = fit_temperature(predictions);
  scores.intervals = group_bootstrap(predictions, groups, classes);
  scores.group_source = group_source;
  scores.triage = thinned(triage_curve(predictions));
  if (min_confidence) scores.asked = triage_at(predictions, *min_confidence);
  return scores;
}

void add_json(Json& json, const ProbabilityScores& s) {
  json["macro"]["auroc"] = s.ranking.macro_auroc;
  json["macro"]["auprc"] = s.ranking.macro_auprc;
  for (std::size_t c = 0; c < s.ranking.auroc.size(); ++c) {
    json["per_class"][c]["auroc"] = s.ranking.auroc[c];
    json["per_class"][c]["auprc"] = s.ranking.auprc[c];
  }
  Json bins = Json::array();
  for (const ReliabilityBin& bin : s.calibration.bins) {
    bins.push_back({{"low", bin.low},
                    {"high", bin.high},
                    {"n", bin.n},
                    {"confidence", bin.confidence},
                    {"accuracy", bin.accuracy}});
  }
  json["calibration"] = {{"expected_error", s.calibration.expected_error},
                         {"largest_error", s.calibration.largest_error},
                         {"brier", s.calibration.brier},
                         {"temperature", s.temperature},
                         {"bins", std::move(bins)}};
  json["intervals"] = {{"groups", s.intervals.groups},
                       {"group_source", s.group_source},
                       {"accuracy", to_json(s.intervals.accuracy)},
                       {"balanced_accuracy", to_json(s.intervals.balanced_accuracy)},
                       {"macro_f1", to_json(s.intervals.macro_f1)}};
  json["triage"] = Json::array();
  for (const Triage& triage : s.triage) json["triage"].push_back(to_json(triage));
  if (s.asked) json["min_confidence"] = to_json(*s.asked);
}

void print(const ProbabilityScores& s) {
  std::printf("\nmacro AUROC %s, AUPRC %s, one class against the rest\n",
              figure(s.ranking.macro_auroc).c_str(), figure(s.ranking.macro_auprc).c_str());
  std::printf(
      "expected calibration error %.4f, Brier score %.4f; least cross-entropy at temperature "
      "%.3g\n",
      s.calibration.expected_error, s.calibration.brier, s.temperature);
  std::printf(
      "95 %% intervals over %lld groups (%s): accuracy %.4f to %.4f, balanced accuracy %.4f to "
      "%.4f, macro F1 %.4f to %.4f\n",
      static_cast<long long>(s.intervals.groups), s.group_source.c_str(), s.intervals.accuracy.low,
      s.intervals.accuracy.high, s.intervals.balanced_accuracy.low,
      s.intervals.balanced_accuracy.high, s.intervals.macro_f1.low, s.intervals.macro_f1.high);
  if (s.asked) {
    std::printf("with a confidence of at least %g: %lld images (%.1f %%), accuracy %.4f\n",
                s.asked->confidence, static_cast<long long>(s.asked->kept), 100 * s.asked->share,
                s.asked->accuracy);
  }
}

}  // namespace lamella::tool
