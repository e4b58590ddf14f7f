// Oracles of batch norm, in double: Ioffe & Szegedy 2015, algorithm 1, with ReLU on either side.
#pragma once

#include <cmath>
#include <cstdint>

#include "kernels/shapes.h"

namespace lamella::ref {

inline double rectified(bool relu, double value) {
  return relu && value <= 0 ? 0 : value;
}

// Mean and biased variance, in two passes.
inline void batch_norm_stats(const BatchNormShape& s, const double* x, double* mean, double* var) {
  const auto z = [&](std::int64_t i, std::int64_t c) {
    return rectified(s.relu_in, x[i * s.x_pitch + c]);
  };
  const auto pixels = static_cast<double>(s.pixels);
  for (std::int64_t c = 0; c < s.C; ++c) {
    mean[c] = var[c] = 0;
    for (std::int64_t i = 0; i < s.pixels; ++i) mean[c] += z(i, c) / pixels;
    for (std::int64_t i = 0; i < s.pixels; ++i) {
      var[c] += (z(i, c) - mean[c]) * (z(i, c) - mean[c]) / pixels;
    }
  }
}

inline void batch_norm_apply(const BatchNormShape& s, const double* x, const double* mean,
                             const double* var, const double* gamma, const double* beta,
                             double* y) {
  for (std::int64_t i = 0; i < s.pixels; ++i) {
    for (std::int64_t c = 0; c < s.C; ++c) {
      const double z = rectified(s.relu_in, x[i * s.x_pitch + c]);
      const double zhat = (z - mean[c]) / std::sqrt(var[c] + double{s.eps});
      y[i * s.y_pitch + c] = rectified(s.relu_out, gamma[c] * zhat + beta[c]);
    }
  }
}

// sums[0..C) = dbeta, sums[C..2C) = dgamma, then dx at dx_pitch, as kernel_table.h defines them.
inline void batch_norm_bwd(const BatchNormShape& s, const double* x, const double* dy,
                           const double* mean, const double* var, const double* gamma,
                           const double* beta, double* sums, std::int64_t dx_pitch, double* dx) {
  for (std::int64_t c = 0; c < s.C; ++c) {
    const double scale = 1 / std::sqrt(var[c] + double{s.eps});
    const auto zhat = [&](std::int64_t i) {
      return (rectified(s.relu_in, x[i * s.x_pitch + c]) - mean[c]) * scale;
    };
    const auto g = [&](std::int64_t i) {
      const bool cut = s.relu_out && gamma[c] * zhat(i) + beta[c] <= 0;
      return cut ? 0 : dy[i * s.y_pitch + c];
    };
    double& sum_g = sums[c];
    double& sum_gz = sums[s.C + c];
    sum_g = sum_gz = 0;
    for (std::int64_t i = 0; i < s.pixels; ++i) {
      sum_g += g(i);
      sum_gz += g(i) * zhat(i);
    }
    const auto pixels = static_cast<double>(s.pixels);
    for (std::int64_t i = 0; i < s.pixels; ++i) {
      const double shift = s.training ? (sum_g + zhat(i) * sum_gz) / pixels : 0;
      const bool cut = s.relu_in && x[i * s.x_pitch + c] <= 0;
      dx[i * dx_pitch + c] = cut ? 0 : gamma[c] * scale * (g(i) - shift);
    }
  }
}

// As kernel_table.h defines them; dx is set.
inline void batch_norm_bwd_shared(BatchNormShape s, const double* x, const double* dy,
                                  const double* mean, const double* var, const double* gamma,
                                  const double* beta, double* sums, std::int64_t shared_pitch,
                                  double* shared, std::int64_t dx_pitch, double* dx) {
  s.training = false;  // statistics held fixed
  batch_norm_bwd(s, x, dy, mean, var, gamma, beta, sums, dx_pitch, dx);
  for (std::int64_t c = 0; c < s.C; ++c) {
    const double scale = 1 / std::sqrt(var[c] + double{s.eps});
    shared[c] += gamma[c] * scale * sums[c];
    shared[shared_pitch + c] += gamma[c] * scale * scale * sums[s.C + c];
  }
}

inline void batch_norm_stats_bwd(const BatchNormShape& s, const double* x, const double* dy,
                                 const double* mean, std::int64_t shared_pitch,
                                 const double* shared, std::int64_t dx_pitch, double* dx) {
  for (std::int64_t i = 0; i < s.pixels; ++i) {
    for (std::int64_t c = 0; c < s.C; ++c) {
      const double centred = x[i * s.x_pitch + c] - mean[c];
      dx[i * dx_pitch + c] =
          dy[i * s.y_pitch + c] -
          (shared[c] + centred * shared[shared_pitch + c]) / static_cast<double>(s.pixels);
    }
  }
}

inline void batch_norm_update(const BatchNormShape& s, double momentum, const double* mean,
                              const double* var, double* running_mean, double* running_var) {
  const auto pixels = static_cast<double>(s.pixels);
  for (std::int64_t c = 0; c < s.C; ++c) {
    running_mean[c] += momentum * (mean[c] - running_mean[c]);
    running_var[c] += momentum * (var[c] * pixels / (pixels - 1) - running_var[c]);
  }
}

}  // namespace lamella::ref
