// Oracles of ranking and of what is said of whole arrays, in double.
#pragma once

#include <cmath>
#include <cstdint>

#include "kernels/shapes.h"

namespace lamella::ref {

// How many classes of the row come before class `label`: larger ones, and equal ones of lower
// index; NaN is larger than all numbers.
inline std::int64_t rank_of(std::int64_t C, const double* row, std::int64_t label) {
  const auto larger = [&](std::int64_t a, std::int64_t b) {
    return std::isnan(row[a]) ? !std::isnan(row[b]) : row[a] > row[b];
  };
  std::int64_t before = 0;
  for (std::int64_t c = 0; c < C; ++c) {
    if (larger(c, label) || (c < label && !larger(label, c))) ++before;
  }
  return before;
}

inline void argmax(const SoftmaxShape& s, const double* x, double* index) {
  for (std::int64_t n = 0; n < s.N; ++n) {
    for (std::int64_t c = 0; c < s.C; ++c) {
      if (rank_of(s.C, x + n * s.x_pitch, c) == 0) index[n] = static_cast<double>(c);
    }
  }
}

inline double top_k_hits(const SoftmaxShape& s, std::int64_t k, const double* x,
                         const double* labels) {
  double hits = 0;
  for (std::int64_t n = 0; n < s.N; ++n) {
    const auto label = static_cast<std::int64_t>(labels[n]);
    hits += label < s.C && rank_of(s.C, x + n * s.x_pitch, label) < k ? 1 : 0;
  }
  return hits;
}

inline double sum(const FlatShape& s, const double* x) {
  double sum = 0;
  for (std::int64_t i = 0; i < s.count; ++i) sum += x[i];
  return sum;
}

inline double all_finite(const FlatShape& s, const double* x) {
  for (std::int64_t i = 0; i < s.count; ++i) {
    if (!std::isfinite(x[i])) return 0;
  }
  return 1;
}

}  // namespace lamella::ref
