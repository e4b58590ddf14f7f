#include "train/bootstrap.h"

#include <algorithm>
#include <cmath>
#include <map>

#include "engine/errors.h"
#include "engine/rng.h"
#include "train/metrics.h"

namespace lamella {
namespace {

struct Outcome {
  std::int64_t truth, predicted;
};

// Linear between the order statistics, as numpy.quantile has it.
double quantile(const std::vector<double>& sorted, double q) {
  const double at = q * static_cast<double>(sorted.size() - 1);
  const auto below = static_cast<std::size_t>(std::floor(at));
  const std::size_t above = std::min(below + 1, sorted.size() - 1);
  return sorted[below] + (at - std::floor(at)) * (sorted[above] - sorted[below]);
}

Interval interval_of(std::vector<double> values) {
  std::sort(values.begin(), values.end());
  return {quantile(values, 0.025), quantile(values, 0.975)};
}

}  // namespace

GroupIntervals group_bootstrap(std::span<const Prediction> predictions,
                               std::span<const std::string> groups, std::int64_t classes,
                               std::uint64_t seed, int rounds) {
  if (groups.size() != predictions.size()) {
    fail("bootstrap: ", groups.size(), " groups for ", predictions.size(), " predictions");
  }
  if (rounds < 1) fail("bootstrap of ", rounds, " rounds; use 1 or more");
  std::map<std::string, std::vector<Outcome>> by_name;
  for (std::size_t i = 0; i < groups.size(); ++i) {
    by_name[groups[i]].push_back({predictions[i].label, top_class(predictions[i].probabilities)});
  }
  std::vector<std::vector<Outcome>> of_group;
  for (auto& [name, outcomes] : by_name) of_group.push_back(std::move(outcomes));
  GroupIntervals result{static_cast<std::int64_t>(of_group.size()), {0, 1}, {0, 1}, {0, 1}};
  if (of_group.size() < 2) return result;

  std::vector<double> accuracy, balanced, f1;
  Rng rng(seed, RngStream::Bootstrap);
  for (int round = 0; round < rounds; ++round) {
    Confusion confusion(classes);
    for (std::size_t i = 0; i < of_group.size(); ++i) {
      for (const Outcome& o : of_group[rng.below(static_cast<std::uint32_t>(of_group.size()))]) {
        confusion.add(o.truth, o.predicted);
      }
    }
    const Metrics metrics = metrics_of(confusion);
    accuracy.push_back(metrics.accuracy);
    balanced.push_back(metrics.balanced_accuracy);
    f1.push_back(metrics.macro.f1);
  }
  result.accuracy = interval_of(std::move(accuracy));
  result.balanced_accuracy = interval_of(std::move(balanced));
  result.macro_f1 = interval_of(std::move(f1));
  return result;
}

}  // namespace lamella
