// Oracles of the image kernels, in double.
#pragma once

#include <cmath>
#include <cstdint>

#include "kernels/ref/pointwise.h"
#include "kernels/shapes.h"

namespace lamella::ref {

inline void image_normalise(const SliceShape& s, const double* x, const double* scale,
                            const double* shift, double* y) {
  for_each(s.pixels, s.C, [&](auto i, auto c) {
    y[i * s.y_pitch + c] = scale[c] * x[i * s.x_pitch + c] + shift[c];
  });
}

// fill [C] may be null: 0.
inline void image_resample(const ResampleShape& s, const double* x, const double* matrix,
                           const double* fill, double* y) {
  // A pixel of image n; fill outside it.
  const auto value = [&](std::int64_t n, double h, double w, std::int64_t c) {
    const bool inside =
        h >= 0 && h < static_cast<double>(s.H) && w >= 0 && w < static_cast<double>(s.W);
    if (!inside) return fill == nullptr ? 0.0 : fill[c];
    const auto row = static_cast<std::int64_t>(h), column = static_cast<std::int64_t>(w);
    return x[((n * s.H + row) * s.W + column) * s.x_pitch + c];
  };
  const auto lerp = [](double a, double b, double t) { return t == 0 ? a : (1 - t) * a + t * b; };
  for_each(s.N * s.P * s.Q, s.C, [&](auto pixel, auto c) {
    const std::int64_t n = pixel / (s.P * s.Q);
    const double q = static_cast<double>(pixel % s.Q) + 0.5;
    const double p = static_cast<double>(pixel / s.Q % s.P) + 0.5;
    const double* m = matrix + n * 6;
    const double w = m[0] * q + m[1] * p + m[2] - 0.5, h = m[3] * q + m[4] * p + m[5] - 0.5;
    const double left = std::floor(w), top = std::floor(h);
    const auto row = [&](double at) {
      return lerp(value(n, at, left, c), value(n, at, left + 1, c), w - left);
    };
    const bool finite = std::isfinite(w) && std::isfinite(h);
    y[pixel * s.y_pitch + c] = finite ? lerp(row(top), row(top + 1), h - top) : value(n, -1, -1, c);
  });
}

// Of C channels from `pixel` on.
inline double grey(std::int64_t C, const double* pixel) {
  if (C == 3) return 0.2989 * pixel[0] + 0.587 * pixel[1] + 0.114 * pixel[2];
  double sum = 0;
  for (std::int64_t c = 0; c < C; ++c) sum += pixel[c];
  return sum / static_cast<double>(C);
}

// factors [N,3]: brightness, contrast, saturation.
inline void image_jitter(const ImageShape& s, const double* x, const double* factors, double* y) {
  const auto blend = [](double factor, double a, double b) {
    const double value = factor * a + (1 - factor) * b;
    return factor == 1 ? a : value < 0 ? 0 : value > 1 ? 1 : value;
  };
  for (std::int64_t n = 0; n < s.N; ++n) {
    const double* f = factors + n * 3;
    double mean = 0;
    for (std::int64_t i = n * s.pixels; i < (n + 1) * s.pixels; ++i) {
      double* pixel = y + i * s.y_pitch;
      for (std::int64_t c = 0; c < s.C; ++c) pixel[c] = blend(f[0], x[i * s.x_pitch + c], 0);
      mean += grey(s.C, pixel) / static_cast<double>(s.pixels);
    }
    for (std::int64_t i = n * s.pixels; i < (n + 1) * s.pixels; ++i) {
      double* pixel = y + i * s.y_pitch;
      for (std::int64_t c = 0; c < s.C; ++c) pixel[c] = blend(f[1], pixel[c], mean);
      const double own = grey(s.C, pixel);
      for (std::int64_t c = 0; c < s.C && s.C > 1; ++c) pixel[c] = blend(f[2], pixel[c], own);
    }
  }
}

}  // namespace lamella::ref
