// Whether a classifier is right as often as it says: the confidence of a prediction is its highest
// probability. And what is left when the less confident predictions are handed to a person.
#pragma once

#include <cstdint>
#include <span>
#include <vector>

#include "train/evaluate.h"

namespace lamella {

// The predictions with confidence in (low, high]; the first bin also has those of 0.
struct ReliabilityBin {
  double low = 0, high = 0;
  std::int64_t n = 0;
  double confidence = 0, accuracy = 0;  // means; 0 where n is 0
};

struct Calibration {
  std::vector<ReliabilityBin> bins;  // of equal width
  // Expected calibration error: the mean over predictions of their bin's |accuracy - confidence|.
  // Naeini, Cooper, Hauskrecht, AAAI 2015; Guo, Pleiss, Sun, Weinberger, ICML 2017.
  double expected_error = 0;
  double largest_error = 0;  // of one bin
  // Mean over predictions of the sum over classes of (probability - truth)^2, in [0, 2]. Brier
  // 1950.
  double brier = 0;
};

// All figures are 0 where there is no prediction. O(n (bins + classes)).
Calibration calibration_of(std::span<const Prediction> predictions, int bins = 15);

// The T for which softmax(log(p) / T) has the least mean cross-entropy (temperature scaling, Guo et
// al. 2017), in [0.01, 100]: above 1 where the classifier is too sure of itself. 1 where there is
// no prediction. It changes no class of highest probability. O(n classes).
double fit_temperature(std::span<const Prediction> predictions);
// softmax(log(p) / T). Throws Error unless T > 0.
std::vector<float> with_temperature(std::span<const float> probabilities, double temperature);
// The same for all of an evaluation, with its loss. O(n classes).
void calibrate(Evaluation& evaluation, double temperature);

// Of the predictions with at least this confidence.
struct Triage {
  double confidence = 0;
  std::int64_t kept = 0;
  double share = 0;     // of all predictions
  double accuracy = 0;  // of those kept; 0 where none is
};

Triage triage_at(std::span<const Prediction> predictions, double confidence);
// One for each distinct confidence, from the highest down: the last keeps every prediction.
// O(n log n).
std::vector<Triage> triage_curve(std::span<const Prediction> predictions);

}  // namespace lamella
