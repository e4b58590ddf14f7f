#include "train/cross_validation.h"

#include <cmath>
#include <map>

#include "weights/json.h"

namespace lamella {
namespace {

Json spread_json(const std::vector<double>& values) {
  const Spread spread = spread_of(values);
  return {{"mean", spread.mean}, {"sd", spread.deviation}};
}

Json metrics_json(const Metrics& m) {
  return {{"n", m.n},
          {"accuracy", m.accuracy},
          {"accuracy_ci", {m.accuracy_low, m.accuracy_high}},
          {"balanced_accuracy", m.balanced_accuracy},
          {"macro_f1", m.macro.f1}};
}

}  // namespace

Spread spread_of(const std::vector<double>& values) {
  const auto count = static_cast<double>(values.size());
  if (values.empty()) return {};
  Spread spread;
  for (const double value : values) spread.mean += value / count;
  double squares = 0;
  for (const double value : values) squares += (value - spread.mean) * (value - spread.mean);
  if (values.size() > 1) spread.deviation = std::sqrt(squares / (count - 1));
  return spread;
}

Confusion confusion_of(const std::vector<ValidationImage>& images, std::size_t classes) {
  Confusion confusion(static_cast<std::int64_t>(classes));
  for (const ValidationImage& image : images) {
    confusion.add(image.prediction.label, top_class(image.prediction.probabilities));
  }
  return confusion;
}

std::vector<ValidationImage> pooled_images(const CrossValidation& made) {
  std::map<std::string, std::vector<const ValidationImage*>> by_path;
  for (const FoldRun& run : made.runs) {
    for (const ValidationImage& image : run.images) by_path[image.path].push_back(&image);
  }
  std::vector<ValidationImage> pooled;
  for (const auto& [path, judgements] : by_path) {
    ValidationImage image = *judgements.front();
    std::vector<float>& mean = image.prediction.probabilities;
    for (std::size_t c = 0; c < mean.size(); ++c) {
      double sum = 0;
      for (const ValidationImage* one : judgements) sum += double{one->prediction.probabilities[c]};
      mean[c] = static_cast<float>(sum / static_cast<double>(judgements.size()));
    }
    pooled.push_back(std::move(image));
  }
  return pooled;
}

std::string cross_validation_json(const CrossValidation& made) {
  Json json = {{"schema", "lamella.crossval/1"},
               {"status", "finished"},
               {"model", made.model},
               {"data", made.data},
               {"fingerprint", made.fingerprint},
               {"split", made.split},
               {"labels", made.labels},
               {"folds", made.folds},
               {"repeats", made.repeats},
               {"runs", Json::array()}};
  std::vector<double> accuracy, balanced, f1;
  for (const FoldRun& run : made.runs) {
    const Metrics m = metrics_of(confusion_of(run.images, made.labels.size()));
    Json row = {{"folder", run.folder},
                {"repeat", run.repeat},
                {"fold", run.fold},
                {"best_epoch", run.best_epoch},
                {"seconds", run.seconds}};
    row.update(metrics_json(m));
    json["runs"].push_back(std::move(row));
    accuracy.push_back(m.accuracy);
    balanced.push_back(m.balanced_accuracy);
    f1.push_back(m.macro.f1);
  }
  json["over_runs"] = {{"accuracy", spread_json(accuracy)},
                       {"balanced_accuracy", spread_json(balanced)},
                       {"macro_f1", spread_json(f1)}};
  json["pooled"] = metrics_json(metrics_of(confusion_of(pooled_images(made), made.labels.size())));
  json["held_out"] = nullptr;
  if (made.held_out) {
    std::vector<double> each;
    for (const Metrics& m : made.held_out->each) each.push_back(m.accuracy);
    json["held_out"] = {
        {"split", made.held_out->split},
        {"each", spread_json(each)},
        {"mean_probability",
         metrics_json(metrics_of(confusion_of(made.held_out->mean, made.labels.size())))},
        {"majority_vote", metrics_json(metrics_of(made.held_out->majority))}};
  }
  return dump_json(json, 2) + "\n";
}

}  // namespace lamella
