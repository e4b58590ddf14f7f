#include "tools/scores.h"

#include <cstdio>

namespace lamella::tool {
namespace {

Json to_json(const Scores& scores) {
  return {{"precision", scores.precision},
          {"recall", scores.recall},
          {"f1", scores.f1},
          {"f2", scores.f2},
          {"f0_5", scores.f0_5},
          {"specificity", scores.specificity}};
}

}  // namespace

Json scores_json(const Metrics& m, const Confusion& confusion, double loss,
                 const std::vector<std::string>& labels) {
  Json json = {{"n", m.n},
               {"accuracy", m.accuracy},
               {"accuracy_ci", {m.accuracy_low, m.accuracy_high}},
               {"balanced_accuracy", m.balanced_accuracy},
               {"loss", loss},
               {"macro", to_json(m.macro)},
               {"weighted", to_json(m.weighted)},
               {"per_class", Json::array()},
               {"confusion", Json::array()}};
  for (std::size_t c = 0; c < labels.size(); ++c) {
    Json row = {{"label", labels[c]}, {"n", m.per_class[c].n}};
    row.update(to_json(m.per_class[c]));
    json["per_class"].push_back(std::move(row));
    Json counts = Json::array();
    for (std::size_t p = 0; p < labels.size(); ++p) {
      counts.push_back(confusion.at(static_cast<std::int64_t>(c), static_cast<std::int64_t>(p)));
    }
    json["confusion"].push_back(std::move(counts));
  }
  return json;
}

void print_scores(const Metrics& m, double loss, const std::vector<std::string>& labels) {
  std::printf(
      "%lld images: accuracy %.4f (95 %% interval %.4f to %.4f), balanced accuracy %.4f, "
      "loss %.4f\n\n",
      static_cast<long long>(m.n), m.accuracy, m.accuracy_low, m.accuracy_high, m.balanced_accuracy,
      loss);
  const auto row = [](const std::string& name, std::int64_t n, const Scores& s) {
    std::printf("%-24s %6lld  %9.4f %9.4f %9.4f\n", name.c_str(), static_cast<long long>(n),
                s.precision, s.recall, s.f1);
  };
  std::printf("%-24s %6s  %9s %9s %9s\n", "class", "images", "precision", "recall", "F1");
  for (std::size_t c = 0; c < labels.size(); ++c) row(labels[c], m.per_class[c].n, m.per_class[c]);
  row("macro mean", m.n, m.macro);
  row("weighted mean", m.n, m.weighted);
}

}  // namespace lamella::tool
