// Oracles of convolution, in double. The gradients are the two sums the chain rule gives; tests
// check them against differences of the forward before they trust them at large sizes.
#pragma once

#include <cstdint>

#include "kernels/shapes.h"

namespace lamella::ref {

// Calls visit(offset of x's pixel, offset of w's channels, offset of y) for every product that the
// convolution adds up, leaving out the padding; offsets are in elements, channel 0.
template <class Visit>
void for_each_tap(const Conv2dShape& s, Visit visit) {
  for (std::int64_t n = 0; n < s.N; ++n)
    for (std::int64_t p = 0; p < s.P; ++p)
      for (std::int64_t q = 0; q < s.Q; ++q)
        for (std::int64_t k = 0; k < s.K; ++k)
          for (std::int64_t r = 0; r < s.R; ++r)
            for (std::int64_t t = 0; t < s.S; ++t) {
              const std::int64_t h = p * s.stride_h - s.pad_h + r;
              const std::int64_t w = q * s.stride_w - s.pad_w + t;
              if (h < 0 || h >= s.H || w < 0 || w >= s.W) continue;
              visit(((n * s.H + h) * s.W + w) * s.x_pitch, ((k * s.R + r) * s.S + t) * s.C,
                    ((n * s.P + p) * s.Q + q) * s.y_pitch + k);
            }
}

// bias may be null.
inline void conv2d_fwd(const Conv2dShape& s, const double* x, const double* w, const double* bias,
                       double* y) {
  for (std::int64_t i = 0; i < s.N * s.P * s.Q; ++i) {
    for (std::int64_t k = 0; k < s.K; ++k) y[i * s.y_pitch + k] = bias == nullptr ? 0 : bias[k];
  }
  for_each_tap(s, [&](auto xi, auto wi, auto yi) {
    for (std::int64_t c = 0; c < s.C; ++c) y[yi] += x[xi + c] * w[wi + c];
  });
}

// dx and dw must hold zeros.
inline void conv2d_bwd(const Conv2dShape& s, const double* x, const double* w, const double* dy,
                       double* dx, double* dw) {
  for_each_tap(s, [&](auto xi, auto wi, auto yi) {
    for (std::int64_t c = 0; c < s.C; ++c) {
      dx[xi + c] += dy[yi] * w[wi + c];
      dw[wi + c] += dy[yi] * x[xi + c];
    }
  });
}

inline void bias_bwd(const SliceShape& s, const double* dy, double* db) {
  for (std::int64_t c = 0; c < s.C; ++c) {
    db[c] = 0;
    for (std::int64_t i = 0; i < s.pixels; ++i) db[c] += dy[i * s.x_pitch + c];
  }
}

}  // namespace lamella::ref
