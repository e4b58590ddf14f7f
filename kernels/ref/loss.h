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

// The mean over rows of log(sum exp x) - x[label].
inline double softmax_cross_entropy_fwd(const SoftmaxShape& s, const double* x,
                                        const std::int32_t* labels) {
  double loss = 0;
  for (std::int64_t n = 0; n < s.N; ++n) {
    const double* row = x + n * s.x_pitch;
    if (labels[n] < 0 || labels[n] >= s.C) return std::nan("");
    const double top = *std::max_element(row, row + s.C);
    double sum = 0;
    for (std::int64_t c = 0; c < s.C; ++c) sum += std::exp(row[c] - top);
    loss += (top + std::log(sum) - row[labels[n]]) / static_cast<double>(s.N);
  }
  return loss;
}

inline double l2_penalty_fwd(const FlatShape& s, double lambda, const double* w) {
  double sum = 0;
  for (std::int64_t i = 0; i < s.count; ++i) sum += w[i] * w[i];
  return lambda * sum;
}

}  // namespace lamella::ref
