#include "train/report_validation.h"

#include <algorithm>
#include <cmath>

#include "train/calibration.h"
#include "train/format.h"
#include "train/html_page.h"
#include "train/svg_plot.h"

namespace lamella {
namespace {

const char* const kBlue = "#1f5fa8";
const char* const kOrange = "#b4541a";
const char* const kPale = "#c3ccd6";

constexpr int kGrid = 60;  // steps from 0 to 1 at which curves are drawn

using Values = std::vector<double>;  // at 0, 1 / kGrid, ..., 1

double share(std::int64_t part, std::int64_t whole) {
  return static_cast<double>(part) / static_cast<double>(whole);
}

// The highest hit rate at a false alarm rate of at most each step.
Values hit_rates(const Ranking& ranking) {
  Values rates;
  std::size_t next = 0;
  double rate = 0;
  for (int i = 0; i <= kGrid; ++i) {
    for (; next < ranking.thresholds.size(); ++next) {
      const Threshold& t = ranking.thresholds[next];
      if (share(t.false_alarms, ranking.negatives) > static_cast<double>(i) / kGrid) break;
      rate = share(t.hits, ranking.positives);
    }
    rates.push_back(rate);
  }
  return rates;
}

// The precision at the first threshold that reaches each step's hit rate.
Values precisions(const Ranking& ranking) {
  Values values;
  std::size_t next = 0;
  for (int i = 0; i <= kGrid; ++i) {
    const double wanted = static_cast<double>(i) / kGrid;
    while (next + 1 < ranking.thresholds.size() &&
           share(ranking.thresholds[next].hits, ranking.positives) < wanted - 1e-12) {
      ++next;
    }
    const Threshold& t = ranking.thresholds[next];
    values.push_back(share(t.hits, t.hits + t.false_alarms));
  }
  return values;
}

Curve on_grid(const std::string& name, const char* colour, const Values& values, double width) {
  Curve curve{name, colour, {}, width};
  for (int i = 0; i <= kGrid; ++i) {
    curve.points.emplace_back(static_cast<double>(i) / kGrid, values[static_cast<std::size_t>(i)]);
  }
  return curve;
}

// One pale curve for each class that has a figure, and their mean.
std::string class_curves(const std::string& title, const PlotAxis& x, const PlotAxis& y,
                         const std::vector<Ranking>& rankings, const Values& figures,
                         Values (*values_of)(const Ranking&)) {
  std::vector<Curve> curves;
  Values mean(kGrid + 1);
  for (std::size_t c = 0; c < rankings.size(); ++c) {
    if (std::isnan(figures[c])) continue;
    const Values values = values_of(rankings[c]);
    for (std::size_t i = 0; i < mean.size(); ++i) mean[i] += values[i];
    curves.push_back(on_grid("", kPale, values, 1));
  }
  if (curves.empty()) return "";
  for (double& value : mean) value /= static_cast<double>(curves.size());
  curves.push_back(on_grid("mean", kBlue, mean, 2.2));
  return svg_plot(title, curves, x, y);
}

std::string reliability(const std::vector<Prediction>& predictions) {
  const Calibration calibration = calibration_of(predictions);
  Curve right{"", kBlue, {}, 1.8, true};
  for (const ReliabilityBin& bin : calibration.bins) {
    if (bin.n > 0) right.points.emplace_back(bin.confidence, bin.accuracy);
  }
  return svg_plot("Calibration: expected error " + fixed(calibration.expected_error, 3),
                  {{"", kPale, {{0, 0}, {1, 1}}, 1}, right}, {"confidence", 0, 1},
                  {"accuracy", 0, 1});
}

std::string triage(const std::vector<Prediction>& predictions) {
  Curve kept{"", kOrange, {}};
  const std::vector<Triage> curve = triage_curve(predictions);
  const std::size_t stride = std::max<std::size_t>(1, curve.size() / 200);  // points are bytes
  for (std::size_t i = 0; i < curve.size(); ++i) {
    if (i % stride != 0 && i + 1 != curve.size()) continue;
    kept.points.emplace_back(100 * curve[i].share, curve[i].accuracy);
  }
  return svg_plot("Triage: the most confident kept", {kept}, {"images kept, %", 0, 100},
                  {"accuracy", 0, 1});
}

}  // namespace

std::vector<Prediction> predictions_of(const std::vector<ValidationImage>& images) {
  std::vector<Prediction> predictions;
  for (const ValidationImage& image : images) predictions.push_back(image.prediction);
  return predictions;
}

std::string validation_plots(const Metrics& metrics, const std::vector<Prediction>& predictions,
                             const RankingMetrics& ranking) {
  std::string html = "<h2>What it is worth</h2>\n<div class=\"plots\">\n";
  html += svg_radar("Six figures, means over classes", {{"accuracy", metrics.accuracy},
                                                        {"recall", metrics.macro.recall},
                                                        {"precision", metrics.macro.precision},
                                                        {"F1", metrics.macro.f1},
                                                        {"specificity", metrics.macro.specificity},
                                                        {"AUROC", ranking.macro_auroc}});
  html += class_curves("ROC, one class against the rest", {"false alarm rate", 0, 1},
                       {"hit rate", 0, 1}, ranking.rankings, ranking.auroc, hit_rates);
  html += class_curves("Precision and recall", {"recall", 0, 1}, {"precision", 0, 1},
                       ranking.rankings, ranking.auprc, precisions);
  html += reliability(predictions) + triage(predictions);
  return html + "</div>\n";
}

std::string worst_mistakes(const std::vector<std::string>& labels,
                           const std::vector<ValidationImage>& images,
                           const PictureOf& picture_of) {
  constexpr std::size_t kShown = 12;
  std::vector<const ValidationImage*> wrong;
  for (const ValidationImage& image : images) {
    if (!is_right(image.prediction)) wrong.push_back(&image);
  }
  if (wrong.empty()) return "";
  std::stable_sort(wrong.begin(), wrong.end(), [](const auto* a, const auto* b) {
    return confidence_of(a->prediction) > confidence_of(b->prediction);
  });
  const std::size_t all = wrong.size();
  wrong.resize(std::min(all, kShown));
  std::string html = "<h2>The most confident mistakes</h2>\n<p>" + std::to_string(wrong.size()) +
                     " of " + std::to_string(all) +
                     " wrong predictions: what the image is, what was said, how surely.</p>\n"
                     "<div class=\"mistakes\">\n";
  for (const ValidationImage* image : wrong) {
    const Prediction& prediction = image->prediction;
    const auto said = static_cast<std::size_t>(top_class(prediction.probabilities));
    const std::string picture = picture_of ? picture_of(image->path) : "";
    html += "<figure>";
    if (!picture.empty()) html += "<img alt=\"\" src=\"" + escape_html(picture) + "\">";
    html += "<figcaption><b>" + escape_html(labels[static_cast<std::size_t>(prediction.label)]) +
            "</b><br>said " + escape_html(labels[said]) + ", " +
            fixed(confidence_of(prediction), 3) + "<br><small>" + escape_html(image->path) +
            "</small></figcaption></figure>\n";
  }
  return html + "</div>\n";
}

}  // namespace lamella
