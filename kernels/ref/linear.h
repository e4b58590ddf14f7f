// Oracle of the product, in double. Its gradients are products too: linear_bwd_data is dy w, and
// linear_bwd_weight dy^T x.
#pragma once

#include <cstdint>

#include "kernels/shapes.h"

namespace lamella::ref {

// bias may be null.
inline void linear_fwd(const LinearShape& s, const double* x, const double* w, const double* bias,
                       double* y) {
  for (std::int64_t n = 0; n < s.N; ++n) {
    for (std::int64_t k = 0; k < s.K; ++k) {
      double sum = bias == nullptr ? 0 : bias[k];
      for (std::int64_t c = 0; c < s.C; ++c) sum += x[n * s.x_pitch + c] * w[k * s.C + c];
      y[n * s.y_pitch + k] = sum;
    }
  }
}

// dx and dw must hold zeros.
inline void linear_bwd(const LinearShape& s, const double* x, const double* w, const double* dy,
                       double* dx, double* dw) {
  for (std::int64_t n = 0; n < s.N; ++n) {
    for (std::int64_t k = 0; k < s.K; ++k) {
      const double g = dy[n * s.y_pitch + k];
      for (std::int64_t c = 0; c < s.C; ++c) {
        dx[n * s.x_pitch + c] += g * w[k * s.C + c];
        dw[k * s.C + c] += g * x[n * s.x_pitch + c];
      }
    }
  }
}

}  // namespace lamella::ref
