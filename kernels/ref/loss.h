// Oracles of softmax, cross-entropy and the L2 penalty, in double.
#pragma once

#include <algorithm>
#include <cmath>
#include <cstdint>

#include "kernels/shapes.h"

namespace lamella::ref {

inline void softmax_fwd(const SoftmaxShape& s, const double* x, double* probs) {
  for (std::int64_t n = 0; n < s.N; ++n) {
    const double* row = x + n * s.x_pitch;
    const double top = *std::max_element(row, row + s.C);
    double sum = 0;
    for (std::int64_t c = 0; c < s.C; ++c) sum += std::exp(row[c] - top);
    for (std::int64_t c = 0; c < s.C; ++c) probs[n * s.C + c] = std::exp(row[c] - top) / sum;
  }
}

// Targets as LossTargets says, in double; labels or probabilities are null.
struct Targets {
  const std::int32_t* labels = nullptr;
  const double* probabilities = nullptr;
  const double* class_weights = nullptr;
  double label_smoothing = 0;
};

inline double softmax_cross_entropy_fwd(const SoftmaxShape& s, const Targets& t, const double* x) {
  double loss = 0, total = 0;
  for (std::int64_t n = 0; n < s.N; ++n) {
    const double* row = x + n * s.x_pitch;
    if (t.labels != nullptr && (t.labels[n] < 0 || t.labels[n] >= s.C)) return std::nan("");
    const double top = *std::max_element(row, row + s.C);
    double sum = 0;
    for (std::int64_t c = 0; c < s.C; ++c) sum += std::exp(row[c] - top);
    for (std::int64_t c = 0; c < s.C; ++c) {
      const double weight = t.class_weights != nullptr ? t.class_weights[c] : 1;
      const double given = t.labels == nullptr ? t.probabilities[n * s.C + c]
                           : t.labels[n] == c  ? 1
                                               : 0;
      const double smoothing = t.label_smoothing / static_cast<double>(s.C);
      const double target = (1 - t.label_smoothing) * given + smoothing;
      loss += weight * target * (top + std::log(sum) - row[c]);
      if (t.labels != nullptr) total += weight * given;
    }
    if (t.labels == nullptr) total += 1;
  }
  return loss / total;
}

inline double l2_penalty_fwd(const FlatShape& s, double lambda, const double* w) {
  double sum = 0;
  for (std::int64_t i = 0; i < s.count; ++i) sum += w[i] * w[i];
  return lambda * sum;
}

}  // namespace lamella::ref
