#include "train/calibration.h"

#include <algorithm>
#include <cmath>
#include <functional>

#include "engine/errors.h"

namespace lamella {
namespace {

// The logarithm of a probability that rounding may have made 0, or that is no number.
double log_of(float probability) {
  constexpr double kLeast = 1e-38;
  return std::log(double{probability} > kLeast ? double{probability} : kLeast);
}

// The derivative by b = 1 / T of the mean over predictions of log sum exp(b z) - b z[label], where
// z are logarithms of probabilities. It grows with b: the loss is convex in b.
double loss_slope(std::span<const Prediction> predictions, double b) {
  double slope = 0;
  for (const Prediction& prediction : predictions) {
    double highest = -HUGE_VAL, sum = 0, weighted = 0;
    for (const float p : prediction.probabilities) highest = std::max(highest, log_of(p));
    for (const float p : prediction.probabilities) {
      const double z = log_of(p), weight = std::exp(b * (z - highest));
      sum += weight;
      weighted += weight * z;
    }
    slope += weighted / sum -
             log_of(prediction.probabilities[static_cast<std::size_t>(prediction.label)]);
  }
  return slope / static_cast<double>(predictions.size());
}

}  // namespace

Calibration calibration_of(std::span<const Prediction> predictions, int bins) {
  if (bins < 1) fail("calibration in ", bins, " bins; use 1 or more");
  Calibration result;
  const auto count = static_cast<double>(bins);
  for (int i = 0; i < bins; ++i) result.bins.push_back({i / count, (i + 1) / count});
  for (const Prediction& prediction : predictions) {
    const double confidence = confidence_of(prediction);
    const int bin = std::clamp(static_cast<int>(std::ceil(confidence * count)) - 1, 0, bins - 1);
    ReliabilityBin& into = result.bins[static_cast<std::size_t>(bin)];
    ++into.n;
    into.confidence += confidence;
    into.accuracy += is_right(prediction) ? 1 : 0;
    for (std::size_t c = 0; c < prediction.probabilities.size(); ++c) {
      const double truth = static_cast<std::size_t>(prediction.label) == c ? 1 : 0;
      result.brier += std::pow(double{prediction.probabilities[c]} - truth, 2);
    }
  }
  if (predictions.empty()) return result;
  const auto n = static_cast<double>(predictions.size());
  result.brier /= n;
  for (ReliabilityBin& bin : result.bins) {
    if (bin.n == 0) continue;
    const auto of_bin = static_cast<double>(bin.n);
    bin.confidence /= of_bin;
    bin.accuracy /= of_bin;
    const double error = std::abs(bin.accuracy - bin.confidence);
    result.expected_error += error * of_bin / n;
    result.largest_error = std::max(result.largest_error, error);
  }
  return result;
}

double fit_temperature(std::span<const Prediction> predictions) {
  if (predictions.empty()) return 1;
  // Bisection on the logarithm of b = 1 / T, to well below the last digit of f32.
  constexpr double kMost = 100;
  constexpr int kSteps = 60;
  double low = -std::log(kMost), high = std::log(kMost);
  for (int i = 0; i < kSteps; ++i) {
    const double middle = (low + high) / 2;
    (loss_slope(predictions, std::exp(middle)) < 0 ? low : high) = middle;
  }
  return std::exp(-(low + high) / 2);
}

std::vector<float> with_temperature(std::span<const float> probabilities, double temperature) {
  if (!(temperature > 0)) fail("temperature = ", temperature, "; use more than 0");
  double highest = -HUGE_VAL, sum = 0;
  for (const float p : probabilities) highest = std::max(highest, log_of(p));
  std::vector<double> scaled;
  for (const float p : probabilities) {
    scaled.push_back(std::exp((log_of(p) - highest) / temperature));
    sum += scaled.back();
  }
  std::vector<float> result;
  for (const double value : scaled) result.push_back(static_cast<float>(value / sum));
  return result;
}

void calibrate(Evaluation& evaluation, double temperature) {
  for (Prediction& prediction : evaluation.predictions) {
    prediction.probabilities = with_temperature(prediction.probabilities, temperature);
  }
  evaluation.loss = loss_of(evaluation.predictions);
}

Triage triage_at(std::span<const Prediction> predictions, double confidence) {
  Triage triage{confidence};
  std::int64_t right = 0;
  for (const Prediction& prediction : predictions) {
    if (confidence_of(prediction) < confidence) continue;
    ++triage.kept;
    right += is_right(prediction) ? 1 : 0;
  }
  const auto kept = static_cast<double>(triage.kept);
  if (triage.kept > 0) {
    triage.share = kept / static_cast<double>(predictions.size());
    triage.accuracy = static_cast<double>(right) / kept;
  }
  return triage;
}

std::vector<Triage> triage_curve(std::span<const Prediction> predictions) {
  std::vector<std::pair<double, bool>> sorted;  // confidence, right
  for (const Prediction& prediction : predictions) {
    sorted.emplace_back(confidence_of(prediction), is_right(prediction));
  }
  std::sort(sorted.begin(), sorted.end(), std::greater<>());
  std::vector<Triage> curve;
  std::int64_t kept = 0, right = 0;
  for (const auto& [confidence, hit] : sorted) {
    ++kept;
    right += hit ? 1 : 0;
    if (curve.empty() || curve.back().confidence != confidence) curve.emplace_back();
    curve.back() = {confidence, kept,
                    static_cast<double>(kept) / static_cast<double>(sorted.size()),
                    static_cast<double>(right) / static_cast<double>(kept)};
  }
  return curve;
}

}  // namespace lamella
